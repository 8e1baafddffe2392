// Runs the tests, and refuses to call a run good when it tested less than it seems to. node:test alone counts a file without
// a test as a pass, exits 0 for a pattern or a name that matches nothing, and does not see two tests of one name. Here each
// of these fails the run, as do a skip without a stated missing part (test/support/needs.ts) and a todo.
//
//   node tools/test.ts [patterns] [--name=text] [--concurrency=2] [--timeout=60000] [--file-timeout=300000] [--verbose]
//
// A pattern is a file, a folder, a glob, or a part of a path (`checkpoints`); without one, all of test/. Every file runs in a
// process of its own; what it prints is shown when it fails. A test may set its own `timeout`.
import { globSync, statSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'
import { run } from 'node:test'
import { parseArgs, inspect } from 'node:util'

/** What one test file did. */
interface FileResult {
  readonly file: string
  readonly passed: readonly string[]
  readonly failed: readonly Failure[]
  readonly skipped: readonly { readonly name: string; readonly reason: string }[]
  readonly output: string
  readonly elapsedMs: number
}

interface Failure {
  readonly name: string
  readonly where: string
  readonly text: string
}

const { values: options, positionals: patterns } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: 'string' },
    concurrency: { type: 'string', default: '2' },
    timeout: { type: 'string', default: '60000' },
    'file-timeout': { type: 'string', default: '300000' },
    verbose: { type: 'boolean', default: false },
  },
})

const complaints: string[] = []
const files = chooseFiles(patterns)
const startedMs = performance.now()
const results = await runAll(files)
report(results)

function chooseFiles(wanted: readonly string[]): readonly string[] {
  const all = globSync('test/**/*.test.ts', { exclude: ['**/fixtures/**', '**/node_modules/**'] }).toSorted()
  if (all.length === 0) complaints.push('there is no test file (test/**/*.test.ts)')
  if (wanted.length === 0) return all
  const chosen = new Set<string>()
  for (const pattern of wanted) {
    const matching = matchingFiles(pattern, all)
    if (matching.length === 0) complaints.push(`the pattern ${pattern} matches no test file`)
    for (const file of matching) chosen.add(file)
  }
  return [...chosen].toSorted()
}

function matchingFiles(pattern: string, all: readonly string[]): readonly string[] {
  const path = relative('.', resolve(pattern))
  const stat = statSync(path === '' ? '.' : path, { throwIfNoEntry: false })
  if (stat?.isFile()) return all.filter((file) => file === path)
  if (stat?.isDirectory()) return all.filter((file) => path === '' || file.startsWith(path + sep))
  if (/[*?{[]/.test(pattern)) {
    const globbed = new Set(globSync(pattern))
    return all.filter((file) => globbed.has(file))
  }
  return all.filter((file) => file.includes(pattern))
}

async function runAll(queue: readonly string[]): Promise<readonly FileResult[]> {
  const waiting = [...queue]
  const done: FileResult[] = []
  const worker = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runFile(file)
      done.push(result)
      printFile(result)
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, Number(options.concurrency)) }, worker))
  return done
}

async function runFile(file: string): Promise<FileResult> {
  const passed: string[] = []
  const failed: Failure[] = []
  const skipped: { name: string; reason: string }[] = []
  let output = ''
  const fileStartedMs = performance.now()
  const path = resolve(file)
  // The names of the tests and suites that we are inside of, to give each test its full name.
  const parents: string[] = []

  // A file that does not end (a handle left open, a busy loop) is stopped, with all its tests named failed or missing.
  const fileTimeoutMs = Number(options['file-timeout'])
  const tooLong = AbortSignal.timeout(fileTimeoutMs)
  const stream = run({
    files: [path],
    isolation: 'process',
    concurrency: 1,
    execArgv: ['--conditions=longhaul-source', `--test-timeout=${options.timeout}`],
    signal: tooLong,
    ...(options.name === undefined ? {} : { testNamePatterns: [new RegExp(escapeForRegExp(options.name))] }),
  })

  for await (const { type, data } of stream) {
    if (type === 'test:stdout' || type === 'test:stderr') output += data.message
    if (type === 'test:start') {
      parents.length = data.nesting
      parents.push(data.name)
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const name = [...parents.slice(0, data.nesting), data.name].join(' > ')
    const isFile = data.nesting === 0 && resolve(data.name) === path
    const isSuite = data.details.type === 'suite'
    if (type === 'test:fail') {
      // A parent that fails only because a test in it did says nothing new.
      if (hasOnlyFailedChildren(data.details.error)) continue
      failed.push({ name: isFile ? file : name, where: place(file, data), text: explain(data.details.error) })
    } else if (data.skip !== undefined && data.skip !== false) {
      skipped.push({ name, reason: typeof data.skip === 'string' ? data.skip : '' })
    } else if (data.todo !== undefined && data.todo !== false) {
      failed.push({ name, where: place(file, data), text: 'is marked todo: a test that may fail is no test' })
    } else if (!isFile && !isSuite) {
      passed.push(name)
    }
  }
  if (tooLong.aborted) {
    failed.push({ name: file, where: file, text: `did not end within ${fileTimeoutMs} ms; is something left open?` })
  }
  return { file, passed, failed, skipped, output, elapsedMs: performance.now() - fileStartedMs }
}

/** A test's place as `path:line`, for the terminal to open. */
function place(file: string, data: { readonly file?: string; readonly line?: number }): string {
  return data.line === undefined ? file : `${relative('.', data.file ?? file)}:${data.line}`
}

function hasOnlyFailedChildren(error: unknown): boolean {
  return error instanceof Error && 'failureType' in error && error.failureType === 'subtestsFailed'
}

function explain(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (typeof cause === 'string') return cause
  return inspect(cause, { depth: 6, colors: process.stdout.isTTY })
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

function printFile({ file, passed, failed, skipped, output, elapsedMs }: FileResult): void {
  const counts = [`${passed.length} passed`]
  if (failed.length > 0) counts.push(`${failed.length} failed`)
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`)
  console.log(`${failed.length > 0 ? 'FAIL' : 'ok  '} ${file}  (${counts.join(', ')}, ${Math.round(elapsedMs)} ms)`)
  if ((failed.length > 0 || options.verbose) && output.trim() !== '')
    console.log(indent(`--- printed by ${file}\n${output}`))
  for (const failure of failed)
    console.log(indent(`\n✖ ${failure.name}\n  ${failure.where}\n${indent(failure.text)}\n`))
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}

function report(all: readonly FileResult[]): void {
  const passed = all.flatMap((result) => result.passed.map((name) => ({ name, file: result.file })))
  const skipped = all.flatMap((result) => result.skipped.map((skip) => ({ ...skip, file: result.file })))
  const failed = all.flatMap((result) => result.failed.map((failure) => ({ ...failure, file: result.file })))

  for (const { file, passed: ran, failed: broken, skipped: left } of all) {
    if (ran.length + broken.length + left.length > 0) continue
    if (options.name === undefined) complaints.push(`${file} holds no test`)
  }
  if (options.name !== undefined && passed.length + failed.length === 0) {
    complaints.push(`the name ${JSON.stringify(options.name)} matches no test`)
  }

  const seen = new Map<string, string>()
  for (const { name, file } of [...passed, ...skipped, ...failed]) {
    const first = seen.get(name)
    if (first !== undefined) complaints.push(`two tests are named ${JSON.stringify(name)}: in ${first} and in ${file}`)
    seen.set(name, file)
  }
  for (const { name, file, reason } of skipped) {
    if (!reason.startsWith('needs ')) complaints.push(`${file}: ${JSON.stringify(name)} is skipped without needs(…)`)
  }

  const slowest = all.toSorted((a, b) => b.elapsedMs - a.elapsedMs).slice(0, 5)
  if (slowest.length > 1) {
    console.log('\nSlowest files')
    for (const { file, elapsedMs } of slowest) console.log(`  ${(elapsedMs / 1000).toFixed(1)} s  ${file}`)
  }
  if (skipped.length > 0) {
    console.log('\nSkipped')
    for (const { name, reason, file } of skipped) console.log(`  ${file}: ${name} (${reason})`)
  }
  if (failed.length > 0) {
    console.log('\nFailed')
    for (const { name, where } of failed) console.log(`  ${where}: ${name}`)
  }
  if (complaints.length > 0) {
    console.log('\nNot a good run')
    for (const complaint of complaints) console.log(`  ${complaint}`)
  }
  console.log(`\nin ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  console.log(`${passed.length} passed, ${failed.length + complaints.length} failed, ${skipped.length} skipped`)
  if (failed.length + complaints.length > 0) process.exitCode = 1
}
