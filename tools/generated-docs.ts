// The pages that are written by the program itself, so that they cannot drift: errors from the one table of errors, the
// command line from the commands' own help. `node tools/generated-docs.ts` writes them; a test compares them.
import { writeFileSync } from 'node:fs'
import { commands } from '../src/cli/main.ts'
import { helpText, overview } from '../src/cli/commands/help.ts'
import { exitMeanings } from '../src/cli/exit-codes.ts'
import { errorCodes, errorTable } from '../src/contract/errors.ts'

export const generatedDocs: Readonly<Record<string, () => string>> = {
  'docs/errors.md': errorsPage,
  'docs/command-line.md': commandLinePage,
}

function errorsPage(): string {
  const sections = errorCodes.map((code) => {
    const { meaning, hint, retryable, urlErrorCode } = errorTable[code]
    const facts = [
      retryable ? 'retryable' : 'not retryable',
      urlErrorCode === undefined ? 'Longhaul’s own' : `Apple’s NSURLError ${urlErrorCode}`,
    ]
    return `## ${code}\n\n${meaning} (${facts.join(', ')})\n\n${hint}\n`
  })
  return [
    '# Errors\n',
    'Everything that Longhaul throws, rejects with or reports is a `LonghaulError`: `code`, `message` (what happened, to which',
    'thing, what happens next), `hint` (what you can do), `retryable`, `cause`, and `urlErrorCode` where Apple has a number for it.',
    '`isLonghaulError(error, code?)` tells one, across processes and two copies of the package. `longhaul explain CODE` prints this page’s',
    'entry. *Retryable* means that the same again, unchanged, may succeed later; for most of those Longhaul tries by itself.\n',
    ...sections,
  ].join('\n')
}

function commandLinePage(): string {
  return [
    '# The command line\n',
    'stdout carries the answer, stderr progress, hints and errors. Leaving (Ctrl-C, a closed terminal, SIGTERM) never stops a transfer.',
    'On a terminal progress is redrawn in place; in a pipe or with `CI` or `--plain` it is a line for each change of state and for each',
    '10 percent, at least 30 s apart. `--json` prints one object a line.',
    '`ls`, `show` and `explain` print the objects of the API, and `version` one of its own. Every other command prints events with `"v":1`',
    'and `type`, additive within `"v":1`; where there is a `summary` (`get`, `watch`, `add`), it is last.\n',
    'A task is named by its short code (the last 4 to 6 characters of its id), by a unique beginning of its file name, as',
    '`session/12`, or as `@last`.\n',
    '```text',
    overview(commands).trimEnd(),
    '```\n',
    ...commands.map((command) => `## ${command.name}\n\n\`\`\`text\n${helpText(command, 96).trimEnd()}\n\`\`\`\n`),
    '## Exit codes\n',
    'Of several tasks: the code if all failures share one, else 11.\n',
    '| code | meaning |\n| --- | --- |',
    ...exitMeanings.map(([code, meaning]) => `| ${code} | ${meaning} |`),
    '',
  ].join('\n')
}

if (import.meta.main) {
  for (const [path, make] of Object.entries(generatedDocs)) writeFileSync(path, make())
}
