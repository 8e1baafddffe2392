/**
 * One life of the daemon: the real world put together, started and stopped. Whether it has a process of its own (`main`) or
 * a thread in somebody's tests (`testing/daemon-thread`) is not its affair: what is a process's business (arguments,
 * signals, the exit) stays there.
 *
 *     secret -> journal -> world -> service -> socket -> ready -> stopping -> over
 *
 * `stop` brings attempts to a checkpoint and records a clean end; a life that ends in any other way has crashed, and the next
 * one recovers.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LonghaulError } from '../contract/errors.ts'
import { protocolVersions } from '../contract/verbs.ts'
import { createDelivery } from '../delivery/create-delivery.ts'
import { openJournalThread } from '../journal/thread.ts'
import { createTransport } from '../network/transport.ts'
import { type ClockMark, readBootId } from '../platform/clock.ts'
import { readClockMark, writeClockMark } from '../platform/clock-mark.ts'
import { daemonEnvironment } from '../platform/daemon-environment.ts'
import type { InstanceLock } from '../platform/instance-lock.ts'
import { hearKnocks } from '../platform/knock.ts'
import { readLock } from '../platform/lock-file.ts'
import type { FileLog } from '../platform/log.ts'
import { packageVersion } from '../platform/package-version.ts'
import { type HomePaths, socketPlaces } from '../platform/paths.ts'
import { userSecret } from '../platform/secret.ts'
import { collectGarbage, hasGrown } from '../platform/thrift.ts'
import { createVault } from '../platform/vault.ts'
import { createWorld } from '../platform/world.ts'
import { createService } from '../service/create-service.ts'
import { limitsOf } from '../service/limits.ts'
import type { DaemonFacts } from '../service/service.ts'
import { createEngine } from '../transfer/engine.ts'
import { Door } from './door.ts'
import { Leaving } from './leaving.ts'
import { Listening } from './listening.ts'
import { Rest } from './rest.ts'
import { judgeSurvival } from './survives.ts'

export interface LifeOptions {
  /** Of a home that is made. */
  readonly paths: HomePaths
  /** Held; let go of at the end of `stop`, before the last words in the log. */
  readonly lock: InstanceLock
  /** Closed by `stop`. */
  readonly log: FileLog
  readonly tethered: boolean
  /** Ms without connections after which it wants to end; undefined: never. */
  readonly leaveAfterMs: number | undefined
  /** A fault inside: to go on might do harm. It does not return. */
  readonly crash: (error: unknown) => never
  /** Nothing is left to be done, or a client asked for the end: whoever has this life should call `stop`. */
  readonly wantsToStop: (why: string) => void
}

export interface Life {
  readonly facts: DaemonFacts
  /** Nothing in it may be skipped but its last lines: a crash in between is a crash like any other. Once. */
  stop(): Promise<void>
}

/** Resolves when clients can find it. @throws JOURNAL_DAMAGED, DAEMON_UNAVAILABLE, …; the process is of no use then */
export async function startLife(options: LifeOptions): Promise<Life> {
  const { paths, lock, log, crash } = options
  const { home } = paths
  const version = packageVersion()
  const bootId = readBootId()
  const limits = limitsOf(process.env)
  const secret = await userSecret(home)
  const journal = await openJournalThread(paths.journal, crash)
  const environment = daemonEnvironment(process.env, home)
  const transport = createTransport({ environment })
  const clockAfter = clockMark(home, bootId, journal.savedSteadyMs)
  const vault = createVault(paths.vaultKey, environment)
  const world = createWorld({ transport, log, vault, appOutput: join(paths.log, 'apps.log'), ...clockAfter })
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
    environment,
    node: process.version,
    rssBytes: () => process.memoryUsage.rss(),
    connections: () => door.connections,
    requestStop: () => options.wantsToStop('it was asked to'),
  }
  const delivery = createDelivery({ world, journal, environment: facts.environment, home })
  const rest = new Rest({
    clock: world.clock,
    rests: () => {
      if (!hasGrown()) return
      collectGarbage()
      journal.collectGarbage()
    },
  })
  const turned = (runs: boolean): void => rest.turned(runs)
  const service = createService(world, journal, { engine: createEngine(world), delivery, facts, limits, turned })
  const door: Door = new Door({
    service: {
      call: (...call) => {
        rest.stirred()
        return service.call(...call)
      },
      gone: (caller) => service.gone(caller),
    },
    secret,
    facts: { pid: facts.pid, version, home },
    clock: world.clock,
    random: world.random,
    log,
    changed: () => leaving?.look(),
  })
  const { leaveAfterMs } = options
  const leaving =
    leaveAfterMs === undefined
      ? undefined
      : new Leaving({
          clock: world.clock,
          log,
          afterMs: leaveAfterMs,
          isBusy: () => door.isBusy,
          lookAtHome: () => {
            if (!lock.isStillOurs()) crash(homeLost(home))
            // Without that file no client finds the daemon, and no other one can start.
            if (readLock(home)?.pid !== facts.pid) publish()
          },
          keptBy: () => service.keptBy(),
          restMs: () => service.restMs(),
          leave: () => options.wantsToStop('nothing is to be done'),
        })

  await service.start()
  const startedAt = world.clock.wall()
  const listening: Listening = await Listening.start({
    places: () => socketPlaces(home),
    connected: (channel) => door.connected(channel),
    moved: () => publish(),
    knocks: (heard, deaf) => hearKnocks(paths.knock, heard, deaf),
    clock: world.clock,
    log,
  })
  function publish(): void {
    lock.publish({ pid: facts.pid, bootId, socket: facts.socket, version, protocols: protocolVersions, startedAt })
  }
  publish()
  log.info('the daemon is ready', { version, node: facts.node, home, socket: facts.socket, survives: facts.survives })
  leaving?.look()

  return {
    facts,
    async stop() {
      leaving?.stop()
      rest.stop()
      await listening.close()
      await service.stop()
      door.close(new LonghaulError('DAEMON_UNAVAILABLE', 'The daemon has stopped. Ask again: another one is started.'))
      await journal.close()
      await writeClockMark(home, world.clock.mark())
      await world.close()
      lock.release()
      log.info('the daemon has stopped')
      log.close()
    },
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
