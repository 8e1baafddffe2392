// Runs one test file in a process of its own and gathers what it did. What makes a run good is decided in tools/test.ts.
import { AssertionError } from 'node:assert'
import { relative, resolve } from 'node:path'
import { run } from 'node:test'
import { inspect } from 'node:util'

/** What one test file did. */
export interface FileResult {
  readonly file: string
  readonly passed: readonly string[]
  readonly failed: readonly Failure[]
  readonly skipped: readonly Skip[]
  /** What tests said of themselves with `t.diagnostic`: shown also when all is well. */
  readonly notes: readonly string[]
  /** What the file printed, stdout and stderr together. */
  readonly output: string
  readonly elapsedMs: number
}

/** A test that failed, or a file that did. */
export interface Failure {
  readonly name: string
  /** `path:line`, for a terminal to open. */
  readonly where: string
  readonly text: string
}

/** A test that did not run, and why. */
export interface Skip {
  readonly name: string
  /** Empty when the test gave no reason. */
  readonly reason: string
}

export interface FileOptions {
  /** For tests that set no `timeout` of their own. */
  readonly testTimeoutMs: number
  /** The last resort: a file that takes longer is stopped. */
  readonly fileTimeoutMs: number
  /** How long a process may live on when no test of it is running. */
  readonly lingerMs: number
  /** Only tests whose name contains this text. */
  readonly name?: string | undefined
}

type Marked = { readonly skip?: string | boolean | undefined; readonly todo?: string | boolean | undefined }

/** Runs `file` (a path from the current folder) and resolves when its process has ended. Never rejects for a failing test. */
export async function runTestFile(file: string, options: FileOptions): Promise<FileResult> {
  const path = resolve(file)
  const passed: string[] = []
  const failed: Failure[] = []
  const skipped: Skip[] = []
  const notes: string[] = []
  let output = ''
  const startedMs = performance.now()

  const stop = new AbortController()
  let stopped: string | undefined
  const stopFor = (reason: string): void => {
    stopped = reason
    stop.abort()
  }
  const stream = run({
    files: [path],
    isolation: 'process',
    concurrency: 1,
    execArgv: ['--conditions=longhaul-source', `--test-timeout=${options.testTimeoutMs}`],
    signal: stop.signal,
    ...(options.name === undefined ? {} : { testNamePatterns: [literally(options.name)] }),
  })
  const lastResort = setTimeout(() => {
    stopFor(`did not end within ${options.fileTimeoutMs} ms`)
  }, options.fileTimeoutMs)

  // node:test reports the file itself as a test around its tests.
  const isFile = ({ name, nesting }: { readonly name: string; readonly nesting: number }): boolean =>
    nesting === 0 && resolve(name) === path

  // A process that lives on after its last test has left something open: a socket, a timer, a child. node:test would wait for
  // it for ever. `running` counts tests and suites that were begun and are not complete.
  let running = 0
  let lingering: NodeJS.Timeout | undefined
  stream.on('test:dequeue', (data) => {
    if (isFile(data)) return
    running++
    clearTimeout(lingering)
  })
  stream.on('test:complete', (data) => {
    if (isFile(data)) return
    running--
    clearTimeout(lingering)
    if (running > 0) return
    lingering = setTimeout(() => {
      stopFor(
        `lives on ${options.lingerMs} ms after its last test: something is left open (socket, timer, child, worker)`,
      )
    }, options.lingerMs)
  })

  // Its own counts are notes of the file as a whole, which stand nowhere in the source.
  stream.on('test:diagnostic', ({ message, file: of }) => {
    if (of !== undefined) notes.push(message)
  })
  stream.on('test:stdout', ({ message }) => (output += message))
  stream.on('test:stderr', ({ message }) => (output += message))

  // The suites and tests that the reported one lies in; node:test reports in the order of the source, so this is a stack.
  const parents: string[] = []
  stream.on('test:start', ({ name, nesting }) => {
    parents.length = nesting
    parents.push(name)
  })
  const fullName = (name: string, nesting: number): string => [...parents.slice(0, nesting), name].join(' > ')

  stream.on('test:pass', (data) => {
    const name = fullName(data.name, data.nesting)
    if (sortOut(name, data, place(file, data))) return
    // A file that holds no test is reported as a test that passed; a suite is not a test.
    if (!isFile(data) && data.details.type !== 'suite') passed.push(name)
  })
  stream.on('test:fail', (data) => {
    const name = fullName(data.name, data.nesting)
    if (sortOut(name, data, place(file, data))) return
    const error: unknown = data.details.error
    // A parent that failed only because a test in it did says nothing new; nor does a file that we stopped.
    if (kind(error) === 'subtestsFailed' || (stopped !== undefined && kind(error) === 'testAborted')) return
    failed.push({
      name: isFile(data) ? file : name,
      where: place(file, data),
      text: explain(error),
    })
  })

  /** Files away what is marked as skipped or todo, and says whether it did. */
  const sortOut = (name: string, { skip, todo }: Marked, where: string): boolean => {
    if (todo !== undefined && todo !== false) {
      failed.push({ name, where, text: 'is marked todo: a test that may fail is no test' })
      return true
    }
    if (skip === undefined || skip === false) return false
    skipped.push({ name, reason: typeof skip === 'string' ? skip : '' })
    return true
  }

  await new Promise<void>((end) => {
    stream.on('close', end)
    stream.on('end', end)
    stream.resume()
  })
  clearTimeout(lastResort)
  clearTimeout(lingering)
  if (stopped !== undefined) failed.push({ name: file, where: file, text: stopped })
  return { file, passed, failed, skipped, notes, output, elapsedMs: performance.now() - startedMs }
}

function literally(text: string): RegExp {
  return new RegExp(RegExp.escape(text))
}

function place(file: string, data: { readonly file?: string | undefined; readonly line?: number | undefined }): string {
  return data.line === undefined ? file : `${relative('.', data.file ?? file)}:${data.line}`
}

/** node:test's own word for the way in which something failed. */
function kind(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('failureType' in error)) return undefined
  return typeof error.failureType === 'string' ? error.failureType : undefined
}

function explain(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  // Its message holds the difference already.
  if (cause instanceof AssertionError && cause.stack !== undefined) return cause.stack
  return typeof cause === 'string' ? cause : inspect(cause, { depth: 6, colors: process.stdout.isTTY })
}
