/**
 * `longhaul daemon run`: the daemon as a child in the foreground, for a container or a service manager; with a command, that
 * beside it, until it ends. Starts processes.
 */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { constants } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import { homeFolder } from '../platform/paths.ts'
import { daemonEntry } from '../platform/start-daemon.ts'
import { memoryEnvironment, memoryOptions } from '../platform/thrift.ts'
import type { Context } from './command.ts'

const readyWithinMs = 15_000
/** A daemon that has stopped ends itself by SIGTERM. */
const cleanEnd = 128 + constants.signals.SIGTERM

/** @param command the program beside it and its arguments; empty: none. Resolves with its exit code, else the daemon's */
export async function runForeground(command: readonly string[], context: Context): Promise<number> {
  const before = await context.runningDaemon()
  if (before !== undefined) {
    const { pid } = await before.call('daemon.status', {})
    throw new LonghaulError(
      'DAEMON_UNAVAILABLE',
      `A daemon runs already for ${homeFolder()} (pid ${pid}); there can be one. Nothing was started.`,
      { hint: 'longhaul daemon stop ends it at a checkpoint.' },
    )
  }
  const daemon = startDaemon(command.length > 0)
  try {
    if (command.length === 0) {
      if (context.left.aborted) daemon.child.kill('SIGTERM')
      context.left.addEventListener('abort', () => void daemon.child.kill('SIGTERM'), { once: true })
      return await daemon.ended
    }
    // The app's first call must find this daemon, not start another one.
    await ready(context, daemon)
    return await besideDaemon(command, context)
  } finally {
    // The app first, then what it works with.
    daemon.child.kill('SIGTERM')
    await daemon.ended
  }
}

/**
 * It stays as long as this process does. In a group of its own: a Ctrl-C must reach it once, through us (a second signal ends
 * it at once), and not before the program beside it has ended.
 */
function startDaemon(tethered: boolean): Started {
  const stays = ['--leave-after-ms', String(Number.MAX_SAFE_INTEGER)]
  const args = ['--home', homeFolder(), ...stays, ...(tethered ? ['--tethered'] : [])]
  const daemon = started(process.execPath, [...memoryOptions, ...process.execArgv, daemonEntry(), ...args], {
    detached: true,
    env: { ...memoryEnvironment, ...process.env },
  })
  return { ...daemon, ended: daemon.ended.then((code) => (code === cleanEnd ? 0 : code)) }
}

interface Started {
  readonly child: ChildProcess
  /** Its exit code, or 128 and the number of the signal, as shells have it. */
  readonly ended: Promise<number>
}

function started(file: string, args: readonly string[], options: Pick<SpawnOptions, 'detached' | 'env'> = {}): Started {
  const child = spawn(file, args, { stdio: 'inherit', ...options })
  const { promise: ended, resolve, reject } = Promise.withResolvers<number>()
  child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])))
  child.once('error', (cause) =>
    reject(new LonghaulError('INVALID_ARGUMENT', `${file} could not be started: ${cause.message}.`, { cause })),
  )
  // Who started it looks at it later; until then a failure is not unhandled.
  ended.catch(() => {})
  return { child, ended }
}

async function ready(context: Context, daemon: Started): Promise<void> {
  for (let waitedMs = 0; waitedMs < readyWithinMs; waitedMs += 50) {
    if (daemon.child.exitCode !== null || daemon.child.signalCode !== null) break
    if (await answers(context)) return
    await pause(50)
  }
  throw new LonghaulError('DAEMON_UNAVAILABLE', 'The daemon did not become ready. The command was not started.')
}

/** @throws why it will never answer, such as a damaged secret file */
async function answers(context: Context): Promise<boolean> {
  try {
    return (await context.runningDaemon()) !== undefined
  } catch (error) {
    // It has the lock and does not listen yet.
    if (isLonghaulError(error, 'DAEMON_UNAVAILABLE') && error.retryable) return false
    throw error
  }
}

async function besideDaemon(command: readonly string[], context: Context): Promise<number> {
  const [file = '', ...args] = command
  const app = started(file, args)
  const leave = (): void => {
    const signal = signalOf(context)
    // A terminal gives Ctrl-C to both of us.
    if (signal !== 'SIGINT' || context.stdin.isTTY !== true) app.child.kill(signal)
  }
  if (context.left.aborted) leave()
  context.left.addEventListener('abort', leave, { once: true })
  try {
    return await app.ended
  } finally {
    context.left.removeEventListener('abort', leave)
  }
}

function signalOf(context: Context): NodeJS.Signals {
  const name = String(context.left.reason)
  return name === 'SIGINT' || name === 'SIGHUP' ? name : 'SIGTERM'
}
