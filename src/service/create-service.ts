/**
 * Composes the inside of the daemon. Its one rule: **a commit says what it caused, and one subscriber here turns that into
 * work** — attempts are stopped, the loop and delivery are woken, those who wait and watch are told. So nothing stands still
 * because someone forgot to nudge it, and no command needs to know who listens.
 */
import type { Caller } from '../contract/caller.ts'
import { LonghaulError } from '../contract/errors.ts'
import type { Params, Result, Verb } from '../contract/verbs.ts'
import type { Delivery } from '../delivery/delivery.ts'
import type { Consequences, Journal } from '../journal/journal.ts'
import { daemonLimits, type Limits } from '../scheduler/view.ts'
import type { Engine } from '../transfer/assignment.ts'
import type { World } from '../world/world.ts'
import { Accounts } from './accounts.ts'
import { Bandwidth } from './bandwidth.ts'
import { Crowding } from './crowding.ts'
import { daemonVerbs } from './daemon.ts'
import { FurtherConnections } from './further-connections.ts'
import { Housekeeping } from './housekeeping.ts'
import type { Asking, Inside, Verbs } from './inside.ts'
import { inspectionVerbs } from './inspection.ts'
import { Loop } from './loop.ts'
import { now } from './moment.ts'
import { NetworkWatch } from './network-watch.ts'
import { Progress } from './progress.ts'
import { Recording } from './recording.ts'
import type { DaemonFacts, Service } from './service.ts'
import { sessionVerbs } from './sessions.ts'
import { taskVerbs } from './tasks.ts'
import { Transfers } from './transfers.ts'
import { Waiting } from './waiting.ts'
import { Watching } from './watching.ts'

export interface ServiceParts {
  readonly engine: Engine
  readonly delivery: Delivery
  readonly facts: DaemonFacts
  /** @default the daemon's */
  readonly limits?: Limits
  /** For the simulator, whose rules look at it. @default a new one */
  readonly crowding?: Crowding
  /** After each look of the scheduler: whether an attempt runs. */
  readonly turned?: (runs: boolean) => void
}

/** @param journal is its own argument because its life is longer: whoever made it closes it, after {@link Service.stop} */
export function createService(world: World, journal: Journal, parts: ServiceParts): Service {
  return new Composition(world, journal, parts)
}

class Composition implements Service {
  readonly #world: World
  readonly #journal: Journal
  readonly #delivery: Delivery
  readonly #facts: DaemonFacts
  readonly #recording: Recording
  readonly #accounts: Accounts
  readonly #progress: Progress
  readonly #watching: Watching
  readonly #waiting: Waiting
  readonly #transfers: Transfers
  readonly #housekeeping: Housekeeping
  readonly #bandwidth: Bandwidth
  readonly #network: NetworkWatch
  readonly #loop: Loop
  readonly #verbs: Verbs<Verb>
  #stopping: Promise<void> | undefined

  constructor(world: World, journal: Journal, parts: ServiceParts) {
    const { clock, log } = world
    const { delivery, facts, engine } = parts
    const limits = parts.limits ?? daemonLimits
    const crowding = parts.crowding ?? new Crowding(limits.maximumConnectionsPerOrigin)
    this.#world = world
    this.#journal = journal
    this.#delivery = delivery
    this.#facts = facts
    this.#recording = new Recording(journal, clock)
    this.#accounts = new Accounts(world, journal, this.#recording)
    this.#progress = new Progress(clock, delivery, (task, session) => this.#watching.moved(task, session))
    this.#watching = new Watching({
      clock,
      journal,
      log,
      live: (task) => this.#progress.of(task),
      overlay: (record) => this.#progress.overlay(record),
    })
    this.#waiting = new Waiting(journal)
    this.#transfers = new Transfers({
      world,
      journal,
      engine,
      delivery,
      progress: this.#progress,
      recording: this.#recording,
      accounts: this.#accounts,
      connections: new FurtherConnections((origin) => crowding.takes(origin, clock.steady())),
      crowding,
      spool: facts.spool,
      released: (part) => {
        this.#housekeeping.released(part)
        // A task that is ready already could not start while its attempt closed.
        this.#loop.roomier()
      },
      refused: () => this.#loop.nudge(),
      roomier: () => this.#loop.roomier(),
      leaves: (folder, name) => this.#housekeeping.leaves(folder, name),
    })
    this.#housekeeping = new Housekeeping({
      clock,
      files: world.files,
      journal,
      log,
      writes: (folder, name) => this.#transfers.writes(folder, name),
    })
    this.#bandwidth = new Bandwidth({ engine, journal, clock })
    this.#network = new NetworkWatch({ environment: world.environment, journal, clock, log })
    this.#loop = new Loop({
      clock,
      journal,
      log,
      limits,
      start: (place) => this.#transfers.start(place),
      seats: this.#transfers.seats,
      crowded: (nowMs) => crowding.crowded(nowMs),
      closes: (task) => this.#transfers.closes(task),
      closing: () => this.#transfers.closing,
      withoutConnection: () => this.#transfers.withoutConnection(),
      bandwidth: (at) => this.#bandwidth.look(at),
      turned: (state) => {
        this.#housekeeping.turned(state)
        this.#network.looked(state)
        parts.turned?.(state.runs)
      },
    })
    const inside: Inside = {
      world,
      journal,
      delivery,
      facts,
      limits,
      crowding,
      bandwidth: this.#bandwidth,
      engine,
      loop: this.#loop,
      housekeeping: this.#housekeeping,
      transfers: this.#transfers,
      accounts: this.#accounts,
      progress: this.#progress,
      watching: this.#watching,
      waiting: this.#waiting,
      keptBy: () => this.keptBy(),
      startedAtMs: clock.wall(),
    }
    this.#verbs = { ...sessionVerbs(inside), ...taskVerbs(inside), ...inspectionVerbs(inside), ...daemonVerbs(inside) }
  }

  async start(): Promise<void> {
    const { clock, log } = this.#world
    this.#journal.watch((consequences) => this.#committed(consequences))
    const { bootId, pid } = this.#facts
    const recovery = await this.#journal.openLife({ at: now(clock), bootId, pid })
    if (recovery.unclean)
      log.warn('the daemon before this one did not end cleanly', { interrupted: recovery.interrupted })
    if (recovery.parked.length > 0)
      log.warn('tasks that were active in several unclean ends are left alone for an hour', { tasks: recovery.parked })
    await this.#bandwidth.start()
    await this.#delivery.start(recovery.owned)
    this.#housekeeping.nudge()
    this.#loop.nudge()
  }

  #committed(consequences: Consequences): void {
    for (const { task, why } of consequences.stop) this.#transfers.stop(task, why)
    this.#waiting.ended(consequences.ended)
    this.#watching.changed(consequences.changed, consequences.ended)
    if (consequences.schedule || consequences.stop.length > 0) this.#loop.nudge()
    if (consequences.events.length + consequences.sessions.length > 0)
      this.#delivery.changed({ events: consequences.events, launch: consequences.sessions })
    for (const session of consequences.gone) this.#accounts.forget(session)
    if (consequences.owed) this.#housekeeping.nudge()
  }

  async call<V extends Verb>(caller: Caller, verb: V, params: Params<V>, signal: AbortSignal): Promise<Result<V>> {
    if (this.#stopping !== undefined)
      throw new LonghaulError(
        'DAEMON_UNAVAILABLE',
        'The daemon stops; nothing was changed. Ask again: another one is started.',
      )
    if (!Object.hasOwn(this.#verbs, verb))
      throw new LonghaulError(
        'INVALID_ARGUMENT',
        `'${verb}' is not a thing that this daemon can be asked. Nothing was changed.`,
      )
    const handle = this.#verbs[verb] as (params: Params<V>, asking: Asking) => Promise<Result<V>>
    return handle(params, { caller, signal })
  }

  gone(caller: Caller): void {
    this.#watching.gone(caller)
    this.#delivery.gone(caller)
  }

  async keptBy(): Promise<readonly string[]> {
    const { unfinished } = await this.#journal.idle({})
    const running = this.#transfers.running
    return [
      ...(unfinished > 0 ? [`${unfinished} ${unfinished === 1 ? 'task' : 'tasks'} not yet completed`] : []),
      ...(unfinished === 0 && running > 0 ? [`${running} ${running === 1 ? 'attempt' : 'attempts'} about to end`] : []),
      ...this.#delivery.keptBy(),
    ]
  }

  restMs(): number {
    if (this.#transfers.running > 0 || this.#delivery.keptBy().length > 0) return 0
    return Math.max(0, this.#loop.dueMs - this.#world.clock.steady())
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  /** A crash at any point of this leaves what a crash always leaves: a life that did not end cleanly, and its checkpoints. */
  async #stop(): Promise<void> {
    await this.#loop.stop()
    this.#network.stop()
    await this.#transfers.stopAll()
    await this.#accounts.stop()
    this.#recording.end()
    await this.#delivery.stop()
    await this.#housekeeping.stop()
    this.#progress.stop()
    this.#watching.stopAll()
    this.#waiting.stop()
    try {
      await this.#journal.saveClock({ at: now(this.#world.clock), cleanEnd: true })
    } catch (error) {
      this.#world.log.warn('the clean end could not be recorded', { error: String(error) })
    }
  }
}
