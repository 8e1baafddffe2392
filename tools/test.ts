// Runs the tests, and refuses to call a run good when it tested less than it seems to. node:test alone counts a file without
// a test as a pass, exits 0 for a pattern or a name that matches nothing, and does not mind two tests of one name. Here each
// of these fails the run; so do a skip that did not come from test/support/needs.ts, a todo, and a file that never ends.
//
//   node tools/test.ts [patterns] [--name=text] [--concurrency=2] [--timeout=60000] [--verbose]
//
// A pattern is a file, a folder, a glob, or a part of a path (`checkpoints`); without one, all of test/. Every file runs in a
// process of its own; what it prints is shown when it fails. A test may set its own `timeout`.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type FileResult, runTestFile } from './test-file.ts'
import { selectTestFiles } from './test-selection.ts'

const { values: options, positionals: patterns } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: 'string' },
    concurrency: { type: 'string', default: '2' },
    timeout: { type: 'string', default: '60000' },
    'file-timeout': { type: 'string', default: '300000' },
    linger: { type: 'string', default: '15000' },
    verbose: { type: 'boolean', default: false },
  },
})

// Every test file, app and daemon is a process that compiles the same source; from the second on it is only read.
process.env['NODE_COMPILE_CACHE'] ??= resolve('node_modules/.cache/compiled')

const startedMs = performance.now()
const selection = selectTestFiles(patterns)
const results = await runAll(selection.files)
const complaints = [...selection.complaints, ...findComplaints(results)]
report(results, complaints)

async function runAll(files: readonly string[]): Promise<readonly FileResult[]> {
  const waiting = [...files]
  const done: FileResult[] = []
  const lane = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runTestFile(file, {
        testTimeoutMs: Number(options.timeout),
        fileTimeoutMs: Number(options['file-timeout']),
        lingerMs: Number(options.linger),
        name: options.name,
      })
      done.push(result)
      printFile(result)
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Number(options.concurrency)) }, lane))
  return done.toSorted((a, b) => a.file.localeCompare(b.file))
}

/** What makes a run bad although no test failed. */
function findComplaints(all: readonly FileResult[]): readonly string[] {
  const found: string[] = []
  if (options.name === undefined) {
    for (const result of all) if (countOf(result) === 0) found.push(`${result.file} holds no test`)
  } else if (all.every((result) => result.passed.length + result.failed.length === 0)) {
    found.push(`the name ${JSON.stringify(options.name)} matches no test`)
  }

  const seen = new Map<string, string>()
  for (const result of all) {
    const names = [
      ...result.passed,
      ...result.skipped.map((skip) => skip.name),
      ...result.failed.map((fail) => fail.name),
    ]
    // The file's own name stands for the file, not for a test.
    for (const name of names.filter((each) => each !== result.file)) {
      const first = seen.get(name)
      if (first !== undefined) found.push(`two tests are named ${JSON.stringify(name)}: ${first}, ${result.file}`)
      seen.set(name, result.file)
    }
    for (const { name, reason } of result.skipped) {
      if (!reason.startsWith('needs '))
        found.push(`${result.file}: ${JSON.stringify(name)} is skipped without needs(…)`)
    }
  }
  return found
}

function countOf(result: FileResult): number {
  return result.passed.length + result.failed.length + result.skipped.length
}

function printFile(result: FileResult): void {
  const { file, passed, failed, skipped, notes, output, elapsedMs } = result
  const counts = [`${passed.length} passed`]
  if (failed.length > 0) counts.push(`${failed.length} failed`)
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`)
  console.log(`${failed.length > 0 ? 'FAIL' : 'ok  '} ${file}  ${counts.join(', ')}, ${Math.round(elapsedMs)} ms`)
  for (const note of notes) console.log(`     ${note}`)
  if (options.verbose || failed.length > 0) {
    if (output.trim() !== '') console.log(indent(`printed by the file:\n${indent(output.trimEnd())}`))
  }
  for (const { name, where, text } of failed) console.log(`\n  ✖ ${name}\n    ${where}\n${indent(indent(text))}\n`)
}

function report(all: readonly FileResult[], complained: readonly string[]): void {
  const failed = all.flatMap((result) => result.failed)
  const passedCount = all.reduce((sum, result) => sum + result.passed.length, 0)
  const skippedCount = all.reduce((sum, result) => sum + result.skipped.length, 0)
  const failedCount = failed.length + complained.length

  const slowest = all.toSorted((a, b) => b.elapsedMs - a.elapsedMs).slice(0, 5)
  if (all.length > 1)
    list(
      'Slowest files',
      slowest.map((each) => `${(each.elapsedMs / 1000).toFixed(1)} s  ${each.file}`),
    )
  list(
    'Skipped',
    all.flatMap(({ file, skipped }) => skipped.map((skip) => `${file}: ${skip.name} (${skip.reason})`)),
  )
  list(
    'Failed',
    failed.map(({ name, where }) => `${where}: ${name}`),
  )
  list('Not a good run', complained)

  console.log(`\n${all.length} files in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  console.log(`${passedCount} passed, ${failedCount} failed, ${skippedCount} skipped`)
  if (failedCount > 0) process.exitCode = 1
}

function list(title: string, lines: readonly string[]): void {
  if (lines.length > 0) console.log(`\n${title}\n${indent(lines.join('\n'))}`)
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}
