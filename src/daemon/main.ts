/**
 * The daemon's process: one {@link startLife life}, with what is a process's business around it. Run as `node main --home H`.
 *
 *     lock -> life -> ready -> stopping -> gone
 *
 * Up to `ready` a failure ends the process with one line on stderr, which whoever started it can quote. A fault that nobody
 * caught, and the death of the journal's thread, end the process at once and uncleanly, by design: the next life recovers,
 * and to go on with a broken inside might not.
 */
import { parse } from 'node:path'
import { parseArgs } from 'node:util'
import { asLonghaulError, isLonghaulError } from '../contract/errors.ts'
import { alreadyRunningExit } from '../platform/daemon-process.ts'
import { type InstanceLock, takeInstanceLock } from '../platform/instance-lock.ts'
import { endProcess } from '../platform/end-process.ts'
import { readLock } from '../platform/lock-file.ts'
import { createFileLog, type FileLog } from '../platform/log.ts'
import { homeFolder, type HomePaths, prepareHome } from '../platform/paths.ts'
import { leaveAfterMs } from './leaving.ts'
import { type Life, startLife } from './life.ts'

// Before anything uses the thread pool: with Node's four threads, four slow syncs would stop every write and name look-up.
process.env['UV_THREADPOOL_SIZE'] = '16'

const damagedExit = 3
/** Ms within which a clean stop has to be over; attempts get five seconds of it. */
const stopLimitMs = 15_000

interface Options {
  /** Absolute. */
  readonly home: string
  readonly leaveAfterMs: number
  readonly tethered: boolean
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      home: { type: 'string' },
      tethered: { type: 'boolean', default: false },
      'leave-after-ms': { type: 'string', default: String(leaveAfterMs) },
    },
  })
  // Relative to where it was started; after that the daemon holds no folder but its home.
  const home = homeFolder(values.home)
  return { home, leaveAfterMs: Number(values['leave-after-ms']), tethered: values.tethered }
}

async function main(): Promise<void> {
  const options = readOptions()
  // What one app sets for itself must not reach the apps that are launched.
  delete process.env['NODE_OPTIONS']
  process.umask(0o077)
  process.chdir(parse(options.home).root)
  const paths = await prepareHome(options.home)
  const lock = takeInstanceLock(options.home)
  if (lock === undefined) {
    const pid = readLock(options.home)?.pid
    const who = pid === undefined ? 'another process' : `process ${pid}`
    process.stderr.write(`A daemon runs already for the home ${options.home}: ${who}. This one was not needed.\n`)
    process.exitCode = alreadyRunningExit
    return
  }
  const log = createFileLog({ folder: paths.log })
  try {
    await run(options, paths, lock, log)
  } catch (error) {
    log.error('the daemon did not start', { error })
    lock.release()
    throw error
  }
}

async function run(options: Options, paths: HomePaths, lock: InstanceLock, log: FileLog): Promise<void> {
  const crash = (error: unknown): never => {
    log.error('the daemon ends because of a fault inside it', { error })
    process.stderr.write(`The daemon ends because of a fault inside it: ${String(error)}. Look at ${log.path}.\n`)
    return endProcess('SIGKILL', 1)
  }
  process.on('uncaughtException', crash)
  // Whoever started it may have closed the other end; that is no fault of the daemon.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

  const state: { life?: Life; stopping: boolean } = { stopping: false }
  const end = (life: Life): void => void life.stop().then(() => endProcess('SIGTERM', 0), crash)
  const stop = (why: string): void => {
    if (state.stopping) return
    state.stopping = true
    log.info('the daemon stops', { why })
    setTimeout(() => crash(new Error(`it did not stop within ${stopLimitMs} ms`)), stopLimitMs).unref()
    if (state.life !== undefined) end(state.life)
  }
  // Before anything is begun that has to be ended cleanly.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!state.stopping) return stop(signal)
      log.warn('a second signal came: the daemon ends at once', { signal })
      endProcess('SIGKILL', 1)
    })
  }
  const { tethered } = options
  const life = await startLife({
    paths,
    lock,
    log,
    crash,
    tethered,
    leaveAfterMs: options.leaveAfterMs,
    wantsToStop: stop,
  })
  if (state.stopping) return end(life)
  state.life = life
  process.stdout.write(`The daemon is ready: process ${life.facts.pid}, socket ${life.facts.socket}\n`)
}

main().catch((error: unknown) => {
  const { message, hint, code } = asLonghaulError(error, 'DAEMON_UNAVAILABLE')
  process.stderr.write(`${message}${isLonghaulError(error) ? ` ${hint}` : ''}\n`)
  process.exit(code === 'JOURNAL_DAMAGED' ? damagedExit : 1)
})
