// One life of the daemon: everything of it that is real (door, service, delivery, engine, leaving) on a world that is not.
// What `src/daemon/life` and `main` do with a process, a lock and a socket is done here with a life and a channel.
import type { Caller } from '../../src/contract/caller.ts'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { Params, Result, Verb } from '../../src/contract/verbs.ts'
import { Door } from '../../src/daemon/door.ts'
import { Leaving, leaveAfterMs } from '../../src/daemon/leaving.ts'
import { createDelivery } from '../../src/delivery/create-delivery.ts'
import type { Journal } from '../../src/journal/journal.ts'
import type { Crowded, Limits } from '../../src/scheduler/view.ts'
import { Crowding } from '../../src/service/crowding.ts'
import { createService } from '../../src/service/create-service.ts'
import type { Service } from '../../src/service/service.ts'
import type { PieceSizes } from '../../src/transfer/download/pieces.ts'
import { createEngine } from '../../src/transfer/engine.ts'
import type { Channel } from '../../src/world/channel.ts'
import type { EnvironmentState } from '../../src/world/environment.ts'
import type { FileSystem } from '../../src/world/file-system.ts'
import type { Launcher } from '../../src/world/launcher.ts'
import type { Log } from '../../src/world/log.ts'
import type { Transport } from '../../src/world/transport.ts'
import type { World } from '../../src/world/world.ts'
import { simulatedHasher } from './hasher.ts'
import type { Life, WatchedClock } from './life.ts'
import type { Seeded } from './seeded.ts'
import { openVault } from '../support/open-vault.ts'

const home = '/home/longhaul'
export const spool = '/home/longhaul/spool'

export interface DaemonOptions {
  readonly life: Life
  readonly pid: number
  readonly bootId: string
  readonly journal: Journal
  readonly files: FileSystem
  readonly transport: Transport
  readonly launcher: Launcher
  readonly random: Seeded
  readonly secret: Uint8Array
  readonly limits: Limits
  readonly log: Log
  /** Told of every answer, before the caller gets it. */
  readonly answered: <V extends Verb>(caller: Caller, verb: V, params: Params<V>, result: Result<V>) => void
  readonly gone: (caller: Caller) => void
  /** It has stopped by itself or because it was asked to, in good order. */
  readonly stopped: () => void
}

/** A daemon as it stands between two steps. */
export interface DaemonSight {
  readonly state: 'starting' | 'ready' | 'stopping'
  /** It waits for no answer of the journal: whatever it decides about its tasks is decided. */
  readonly isSettled: boolean
  readonly steadyMs: number
  /** Steady ms: the next timer of the service, undefined where there is none. Those of transfers and launches are not told. */
  readonly nextTimerMs: number | undefined
  /** Origins that take fewer connections than they may have. */
  readonly crowded: ReadonlyMap<string, Crowded>
}

/** Small, as the files here are: so that nearly every one comes over several connections. */
const pieceSizes: PieceSizes = {
  worthJoining: 16 * 1024,
  smallestPiece: 8 * 1024,
  largestPiece: 32 * 1024,
  smallestSplit: 4 * 1024,
  smallestHalf: 512,
}

export class DaemonTwin {
  readonly life: Life
  readonly service: Service
  readonly #options: DaemonOptions
  readonly #door: Door
  readonly #leaving: Leaving
  /** The service's own. */
  readonly #watched: WatchedClock
  readonly #crowding: Crowding
  #state: DaemonSight['state'] = 'starting'
  #environment: EnvironmentState = { power: 'unknown', metered: 'unknown', constrained: 'unknown', networkId: 'first' }
  #environmentChanged: ((state: EnvironmentState) => void) | undefined

  constructor(options: DaemonOptions) {
    this.#options = options
    this.life = options.life
    const { life, journal, random, log, pid } = options
    const { clock } = life
    const world: World = {
      clock,
      random,
      files: options.files,
      transport: options.transport,
      launcher: options.launcher,
      hasher: simulatedHasher(),
      vault: openVault,
      log,
      environment: this.#environmentSeam(),
    }
    this.#watched = life.watchedClock()
    const crowding = new Crowding(options.limits.maximumConnectionsPerOrigin)
    this.#crowding = crowding
    const service = createService({ ...world, clock: this.#watched.clock }, journal, {
      crowding,
      engine: createEngine(world, { sizes: pieceSizes }),
      delivery: createDelivery({ world, journal, environment: {}, home }),
      limits: options.limits,
      facts: {
        pid,
        version: '0.0.0',
        home,
        socket: `${home}/socket`,
        spool,
        bootId: options.bootId,
        survives: 'on demand',
        environment: {},
        node: 'v24.0.0',
        rssBytes: () => 0,
        connections: () => this.#door.connections,
        requestStop: () => this.stop(),
      },
    })
    this.service = service
    this.#door = new Door({
      service: {
        call: async (caller, verb, params, signal) => {
          const result = await service.call(caller, verb, params, signal)
          options.answered(caller, verb, params, result)
          return result
        },
        gone: (caller) => {
          options.gone(caller)
          service.gone(caller)
        },
      },
      secret: options.secret,
      facts: { pid, version: '0.0.0', home },
      clock,
      random: random.fork('door'),
      log,
      changed: () => this.#leaving.look(),
    })
    this.#leaving = new Leaving({
      clock,
      log,
      afterMs: leaveAfterMs,
      isBusy: () => this.#door.isBusy,
      keptBy: () => service.keptBy(),
      lookAtHome: () => {},
      restMs: () => service.restMs(),
      leave: () => this.stop(),
    })
  }

  get isReady(): boolean {
    return this.#state === 'ready' && !this.life.dead
  }

  get sight(): DaemonSight {
    const { life } = this
    return {
      state: this.#state,
      isSettled: life.underWay('journal.send') + life.underWay('journal.group') === 0,
      steadyMs: life.clock.steady(),
      nextTimerMs: this.#watched.nextTimerMs(),
      // One more that may be tried in this very moment is looked for in this very moment.
      crowded: this.#crowding.crowded(life.clock.steady() - 1),
    }
  }

  async start(): Promise<void> {
    await this.service.start()
    // It may have been told to stop meanwhile.
    if (this.#state === 'starting') this.#state = 'ready'
    this.#leaving.look()
  }

  /** A new connection; its other end is the client's. */
  connected(channel: Channel): void {
    this.#door.connected(channel)
  }

  networkChanges(networkId: string): void {
    this.#environment = { ...this.#environment, networkId }
    this.#environmentChanged?.(this.#environment)
  }

  /** In good order, as main does it. */
  stop(): void {
    if (this.#state === 'stopping') return
    this.#state = 'stopping'
    void this.#stopCleanly()
  }

  async #stopCleanly(): Promise<void> {
    this.#leaving.stop()
    await this.service.stop()
    this.#door.close(new LonghaulError('DAEMON_UNAVAILABLE', 'The daemon has stopped.'))
    await this.#options.journal.close()
    this.#options.stopped()
  }

  #environmentSeam(): World['environment'] {
    const state = (): EnvironmentState => this.#environment
    return {
      get now() {
        return state()
      },
      watch: (changed) => {
        this.#environmentChanged = changed
        return () => {
          this.#environmentChanged = undefined
        }
      },
    }
  }
}
