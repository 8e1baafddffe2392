/**
 * The daemon's process: the real world, put together, started and stopped. Run as `node main --home H`.
 *
 *     lock -> secret -> journal -> world -> service -> socket -> ready -> stopping -> gone
 *
 * Up to `ready` a failure ends the process with one line on stderr, which whoever started it can quote. `stopping` brings
 * attempts to a checkpoint and records a clean end. A fault that nobody caught, and the death of the journal's thread, end
 * the process at once and uncleanly, by design: the next life recovers, and to go on with a broken inside might not.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join, parse } from 'node:path'
import { parseArgs } from 'node:util'
import { asLonghaulError, isLonghaulError, LonghaulError } from '../contract/errors.ts'
import { protocolVersions } from '../contract/verbs.ts'
import { createDelivery } from '../delivery/create-delivery.ts'
import { openJournalThread } from '../journal/thread.ts'
import { createTransport } from '../network/transport.ts'
import { type ClockMark, readBootId } from '../platform/clock.ts'
import { readClockMark, writeClockMark } from '../platform/clock-mark.ts'
import { daemonEnvironment } from '../platform/daemon-environment.ts'
import { alreadyRunningExit } from '../platform/daemon-process.ts'
import { type InstanceLock, takeInstanceLock } from '../platform/instance-lock.ts'
import { readLock } from '../platform/lock-file.ts'
import { createFileLog, type FileLog } from '../platform/log.ts'
import { packageVersion } from '../platform/package-version.ts'
import { homeFolder, type HomePaths, prepareHome, socketPlaces } from '../platform/paths.ts'
import { userSecret } from '../platform/secret.ts'
import { createWorld } from '../platform/world.ts'
import { createService } from '../service/create-service.ts'
import type { DaemonFacts } from '../service/service.ts'
import { createEngine } from '../transfer/engine.ts'
import { Door } from './door.ts'
import { Leaving, leaveAfterMs } from './leaving.ts'
import { Listening } from './listening.ts'
import { judgeSurvival } from './survives.ts'

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
    process.exit(1)
  }
  process.on('uncaughtException', crash)
  // Whoever started it may have closed the other end; that is no fault of the daemon.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

  const { home } = options
  const version = packageVersion()
  const bootId = readBootId()
  const secret = await userSecret(home)
  const journal = await openJournalThread(paths.journal, crash)
  const transport = createTransport()
  const clockAfter = clockMark(home, bootId, journal.savedSteadyMs)
  const world = createWorld({ transport, log, appOutput: join(paths.log, 'apps.log'), ...clockAfter })
  await writeClockMark(home, world.clock.mark())

  const facts: DaemonFacts = {
    pid: process.pid,
    version,
    home,
    // It may move.
    get socket(): string {
      return listening.path
    },
    spool: paths.spool,
    bootId,
    survives: judgeSurvival({
      env: process.env,
      controlGroups: readIfThere('/proc/self/cgroup'),
      containerFile: existsSync('/.dockerenv') || existsSync('/run/.containerenv'),
      tethered: options.tethered,
    }),
    environment: daemonEnvironment(process.env, home),
    node: process.version,
    rssBytes: () => process.memoryUsage.rss(),
    connections: () => door.connections,
    requestStop: () => stop('it was asked to'),
  }
  const delivery = createDelivery({ world, journal, environment: facts.environment, home })
  const service = createService(world, journal, { engine: createEngine(world), delivery, facts })
  const door: Door = new Door({
    service,
    secret,
    facts: { pid: facts.pid, version, home },
    clock: world.clock,
    random: world.random,
    log,
    changed: () => leaving.look(),
  })
  const leaving = new Leaving({
    clock: world.clock,
    log,
    afterMs: options.leaveAfterMs,
    isBusy: () => door.isBusy,
    keptBy: () => {
      if (!lock.isStillOurs()) crash(homeLost(home))
      // Without that file no client finds the daemon, and no other one can start.
      if (readLock(home)?.pid !== facts.pid) publish()
      return service.keptBy()
    },
    leave: () => stop('nothing is to be done'),
  })

  await service.start()
  const startedAt = world.clock.wall()
  const listening: Listening = await Listening.start({
    places: () => socketPlaces(home),
    connected: (channel) => door.connected(channel),
    moved: () => publish(),
    clock: world.clock,
    log,
  })
  function publish(): void {
    lock.publish({ pid: facts.pid, bootId, socket: facts.socket, version, protocols: protocolVersions, startedAt })
  }
  publish()
  log.info('the daemon is ready', { version, node: facts.node, home, socket: facts.socket, survives: facts.survives })
  process.stdout.write(`The daemon is ready: process ${facts.pid}, socket ${facts.socket}\n`)
  leaving.look()

  /** Nothing here may be skipped but the last lines: a crash in between is a crash like any other. */
  async function stopCleanly(): Promise<void> {
    leaving.stop()
    await listening.close()
    await service.stop()
    door.close(new LonghaulError('DAEMON_UNAVAILABLE', 'The daemon has stopped. Ask again: another one is started.'))
    await journal.close()
    await writeClockMark(home, world.clock.mark())
    await world.close()
    lock.release()
    log.info('the daemon has stopped')
    log.close()
  }

  let stopping = false
  function stop(why: string): void {
    if (stopping) return
    stopping = true
    log.info('the daemon stops', { why })
    setTimeout(() => crash(new Error(`it did not stop within ${stopLimitMs} ms`)), stopLimitMs).unref()
    stopCleanly().then(() => process.exit(0), crash)
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!stopping) return stop(signal)
      log.warn('a second signal came: the daemon ends at once', { signal })
      process.exit(1)
    })
  }
}

/**
 * What the clock goes on from. Within one boot the mark is exact, however old; after a new one the later of mark and journal
 * counts, for the mark is written at start and clean end only.
 */
function clockMark(home: string, bootId: string, savedSteadyMs: number): { readonly clockAfter?: ClockMark } {
  const mark = readClockMark(home)
  if (mark === undefined)
    return savedSteadyMs > 0 ? { clockAfter: { steadyMs: savedSteadyMs, uptimeMs: 0, bootId: '' } } : {}
  if (mark.bootId === bootId && bootId !== '') return { clockAfter: mark }
  return { clockAfter: { ...mark, steadyMs: Math.max(mark.steadyMs, savedSteadyMs) } }
}

function homeLost(home: string): LonghaulError {
  return new LonghaulError('DAEMON_UNAVAILABLE', `The home ${home} was removed or exchanged while the daemon ran`)
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

main().catch((error: unknown) => {
  const { message, hint, code } = asLonghaulError(error, 'DAEMON_UNAVAILABLE')
  process.stderr.write(`${message}${isLonghaulError(error) ? ` ${hint}` : ''}\n`)
  process.exit(code === 'JOURNAL_DAMAGED' ? damagedExit : 1)
})
