/**
 * How a client finds its daemon, and starts one if there is none.
 *
 * The lock file says where to connect. If nobody answers there, a daemon is started; of any number of clients that do so at
 * once, one daemon gets the instance lock, the others leave with {@link alreadyRunningExit}, and every client connects to
 * the one that stayed. All waiting goes through a clock and is bounded.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { Clock } from '../world/clock.ts'
import { daemonEnvironment } from './daemon-environment.ts'
import { alreadyRunningExit, type StartedDaemon, startDaemonProcess } from './daemon-process.ts'
import { findNode } from './find-node.ts'
import { knock } from './knock.ts'
import { type LockFacts, readLock } from './lock-file.ts'
import { compileCacheFolder, homePaths, prepareHome, requireEntry } from './paths.ts'
import { runShort, type RunShort } from './short-command.ts'
import { memoryEnvironment, memoryOptions } from './thrift.ts'

export interface StartOptions<T> {
  /** Absolute. */
  readonly home: string
  /**
   * Connects and shakes hands. It rejects with a retryable DAEMON_UNAVAILABLE when nobody is there, and a daemon is started
   * then; any other rejection ends the whole call.
   */
  readonly connect: (lock: LockFacts) => Promise<T>
  readonly clock: Clock
  /** `never`: reject with DAEMON_UNAVAILABLE when none runs. @default 'if needed' */
  readonly start?: 'if needed' | 'never'
  /** Which Node runs the daemon. @default LONGHAUL_NODE, else our own if it is new enough, else `node` on PATH */
  readonly execPath?: string
  /** Arguments of that Node. @default none */
  readonly args?: readonly string[]
  /** Added to the listed environment. @default none */
  readonly env?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** Ms within which it has to be there. @default 15000 */
  readonly limitMs?: number
  /** For tests: the program of the daemon. */
  readonly entry?: string
  /** For tests. */
  readonly run?: RunShort
}

const firstPauseMs = 10
const longestPauseMs = 250
/** How long a daemon that won the lock may take until it listens, before another one is tried. */
const graceMs = 3000
const quotedLines = 10
/** How long a daemon that runs, and has lost its socket, may take to hear a knock and make another one. */
const hearingMs = 1000

/** @throws DAEMON_UNAVAILABLE with the last words of a daemon that died at its start; else what `connect` rejected with */
export async function connectOrStart<T>(options: StartOptions<T>): Promise<T> {
  const { home, clock, signal } = options
  const until = clock.steady() + (options.limitMs ?? 15_000)
  requireEntry(home)
  const { startLog } = homePaths(home)
  const logFrom = statSync(startLog, { throwIfNoEntry: false })?.size ?? 0
  let started: StartedDaemon | undefined
  let startNotBefore = clock.steady()
  let pause = firstPauseMs
  let hearsUntil: number | undefined
  let killed = 0
  for (;;) {
    signal?.throwIfAborted()
    const found = await tryConnect(options)
    if ('connection' in found) return found.connection
    hearsUntil ??= clock.steady() + (found.knocked && (await isHeldBySomebody(home)) ? hearingMs : 0)
    if (clock.steady() < hearsUntil) {
      await clock.sleep(pause, signal)
      pause = Math.min(pause * 2, longestPauseMs)
      continue
    }
    if (options.start === 'never') throw found.why
    if (started === undefined) {
      if (clock.steady() >= startNotBefore) started = await start(options)
    } else {
      const end = await started.ended()
      if (end !== undefined) {
        // It may have ended because of another daemon that has become reachable since we looked.
        const again = await tryConnect(options)
        if ('connection' in again) return again.connection
        const isUnknown = end.code === undefined && !end.killed
        const lost = end.code === alreadyRunningExit || end.code === 0 || (isUnknown && (await isHeldBySomebody(home)))
        // It may have been well, and even ready: once that is no reason not to have one. A daemon that has stopped, or found a fault
        // inside it, kills itself (`end-process`).
        const wasKilled = end.killed && killed++ === 0
        if (!lost && !wasKilled) throw died(end.how, startLog, logFrom)
        // Another one has the lock and will listen; should it die before, we try again.
        started = undefined
        startNotBefore = clock.steady() + (lost ? graceMs : 0)
      }
    }
    if (clock.steady() >= until) throw tooLate(found.why, startLog, logFrom)
    await clock.sleep(pause, signal)
    pause = Math.min(pause * 2, longestPauseMs)
  }
}

type Tried<T> = { readonly connection: T } | { readonly why: LonghaulError; readonly knocked: boolean }

async function tryConnect<T>(options: StartOptions<T>): Promise<Tried<T>> {
  const lock = readLock(options.home)
  if (lock === undefined) return { why: notRunning(options.home), knocked: false }
  try {
    return { connection: await options.connect(lock) }
  } catch (error) {
    knock(homePaths(options.home).knock)
    if (isLonghaulError(error, 'DAEMON_UNAVAILABLE') && error.retryable) return { why: error, knocked: true }
    throw error
  }
}

/**
 * A daemon that was killed leaves its lock file behind, but does not hold the lock. Where it cannot be asked, nobody is taken to
 * hold it: a daemon that is started for nothing finds out.
 */
async function isHeldBySomebody(home: string): Promise<boolean> {
  const { isHeld } = await import('./instance-lock.ts')
  return isHeld(home) === true
}

async function start<T>(options: StartOptions<T>): Promise<StartedDaemon> {
  const run = options.run ?? runShort
  const paths = await prepareHome(options.home)
  const node = await findNode({
    ...(options.execPath !== undefined && { execPath: options.execPath }),
    env: process.env,
    versions: process.versions,
    ownPath: process.execPath,
    run,
  })
  const env = {
    NODE_COMPILE_CACHE: compileCacheFolder(),
    ...memoryEnvironment,
    ...daemonEnvironment(process.env, options.home, options.env),
  }
  return startDaemonProcess(
    { node, args: [...memoryOptions, ...(options.args ?? [])], entry: options.entry ?? daemonEntry(), env },
    paths,
    run,
  )
}

/** The compiler rewrites imports but not this text. */
export function daemonEntry(): string {
  return fileURLToPath(new URL(`../daemon/main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url))
}

function notRunning(home: string): LonghaulError {
  return new LonghaulError('DAEMON_UNAVAILABLE', `No daemon runs for the home ${home}.`, {
    hint: 'Any command that needs it starts it; `longhaul daemon start` starts it now.',
  })
}

function died(how: string, log: string, from: number): LonghaulError {
  return new LonghaulError('DAEMON_UNAVAILABLE', `The daemon did not start: ${how}.${quote(log, from)}`, {
    hint: `Look at ${log}; it is tried again with the next call. Nothing that is on disk is lost.`,
  })
}

function tooLate(why: LonghaulError, log: string, from: number): LonghaulError {
  return new LonghaulError(
    'DAEMON_UNAVAILABLE',
    `The daemon did not become ready in time. ${why.message}${quote(log, from)}`,
    {
      cause: why,
      hint: `Look at ${log}; it is tried again with the next call. Nothing that is on disk is lost.`,
    },
  )
}

/** The last lines that were written to the start log since we looked first. */
function quote(path: string, from: number): string {
  let text: string
  try {
    const file = openSync(path, 'r')
    try {
      const { size } = fstatSync(file)
      const bytes = Buffer.alloc(8192)
      // Smaller than before: it was begun anew.
      const first = Math.max(size < from ? 0 : from, size - bytes.length)
      text = bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, first))
    } finally {
      closeSync(file)
    }
  } catch {
    return ''
  }
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines.length === 0 ? '' : ` It said:\n  ${lines.slice(-quotedLines).join('\n  ')}`
}
