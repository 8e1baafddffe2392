import { LonghaulError } from '../../contract/errors.ts'
import { nearest } from '../../contract/nearest.ts'
import { commonFlags } from '../arguments.ts'
import type { Command, Flag } from '../command.ts'
import { exitCodes, exitMeanings } from '../exit-codes.ts'
import { otherCommands } from '../habits.ts'
import { wrap } from '../render/text.ts'

const widest = 100

/** `help` needs the list that it is part of; hence a function. */
export function helpCommand(commands: () => readonly Command[]): Command {
  return {
    name: 'help',
    usage: '[COMMAND | exit]',
    summary: 'how to use a command; what exit codes mean',
    flags: [],
    run: (input, context) => {
      const [word] = input.words
      const columns = Math.min(context.output.columns, widest)
      if (word === 'exit')
        for (const [code, meaning] of exitMeanings) context.out(`${String(code).padStart(4)}  ${meaning}\n`)
      else if (word === undefined) context.out(overview(commands(), columns))
      else {
        const command = findCommand(commands(), word)
        if (command === undefined) throw noSuchCommand(commands(), word)
        context.out(helpText(command, columns))
      }
      return Promise.resolve(exitCodes.done)
    },
  }
}

export function findCommand(commands: readonly Command[], word: string): Command | undefined {
  return commands.find((command) => command.name === word || command.aliases?.includes(word) === true)
}

/** What is meant, as far as one can tell. */
export function noSuchCommand(commands: readonly Command[], word: string): LonghaulError {
  const names = commands.flatMap((command) => [command.name, ...(command.aliases ?? [])])
  const guess = nearest(word, names)
  const looksLikeHost = /^[\w-]+(?:\.[\w-]+)+(?::\d+)?\//.test(word)
  const hint =
    otherCommands.get(word) ??
    (looksLikeHost
      ? `If an address is meant: longhaul get https://${word}`
      : guess === undefined
        ? 'longhaul help lists all of them.'
        : `Did you mean longhaul ${guess}?`)
  return new LonghaulError('INVALID_ARGUMENT', `There is no command '${word}'. ${hint}`)
}

export function overview(commands: readonly Command[], columns: number = widest): string {
  return [
    'Longhaul: downloads that outlive the app, the crash and the reboot.',
    '',
    'Usage: longhaul URL…           the same as longhaul get URL…',
    '       longhaul COMMAND …',
    '       longhaul                the same as longhaul ls',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(9)} ${wrap(summary, columns - 13, ' '.repeat(12))}`),
    '',
    'Ctrl-C leaves the work running. The same command again goes on.',
    'longhaul help COMMAND   longhaul help exit   longhaul explain CODE',
    '',
  ].join('\n')
}

export function helpText(command: Command, columns: number): string {
  const { usage, aliases, details = [], examples } = command
  const summary = `${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`
  return [
    `Usage: longhaul ${command.name} ${usage}`.trimEnd(),
    ...(aliases === undefined ? [] : [`Also: ${aliases.join(', ')}`]),
    '',
    wrap(summary, columns - 1),
    ...details.flatMap((paragraph) => ['', wrap(paragraph, columns - 1)]),
    '',
    ...[...command.flags, ...commonFlags].map((flag) => flagLine(flag, columns)),
    ...(examples === undefined ? [] : ['', ...examples.map((example) => `  ${example}`)]),
    '',
  ].join('\n')
}

function flagLine({ short, name, value, many, help }: Flag, columns: number): string {
  const head = `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`
  const gap = head.length > 27 ? `\n${' '.repeat(30)}` : ' '.repeat(28 - head.length)
  const text = many === true ? `${help}; repeatable` : help
  return `  ${head}${gap}${wrap(text, columns - 31, ' '.repeat(30))}`
}
