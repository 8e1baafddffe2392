/**
 * The bandwidth limits that the engine is told: the daemon's own with its timetable, and those of sessions. A task's own goes
 * with its attempt (`Transfers`). What is told is what holds at this moment: a session's changes when its owner opens it with another,
 * the daemon's by a person, or by the timetable, at which the loop looks in each of its turns.
 */
import {
  type BandwidthChange,
  type BandwidthStatus,
  type DaemonBandwidth,
  noBandwidthLimit,
} from '../contract/bandwidth.ts'
import type { TaskId } from '../contract/words.ts'
import type { Journal, Moment, SessionFacts } from '../journal/journal.ts'
import { limitAt, nextChange } from '../scheduler/timetable.ts'
import type { Engine, SlowedBy } from '../transfer/assignment.ts'
import type { Clock } from '../world/clock.ts'
import { now, toSteady } from './moment.ts'

export class Bandwidth {
  readonly #engine: Engine
  readonly #journal: Journal
  readonly #clock: Clock
  #own: DaemonBandwidth = noBandwidthLimit
  #told: number | undefined

  constructor(parts: { readonly engine: Engine; readonly journal: Journal; readonly clock: Clock }) {
    this.#engine = parts.engine
    this.#journal = parts.journal
    this.#clock = parts.clock
  }

  /** What the journal knows, before anything starts. */
  async start(): Promise<void> {
    const [own, sessions] = await Promise.all([this.#journal.bandwidth({}), this.#journal.listSessions({})])
    for (const { session } of sessions) this.opened(session)
    this.#own = own
    this.look(now(this.#clock))
  }

  opened({ id, configuration }: SessionFacts): void {
    this.#engine.limit({ level: 'session', session: id }, configuration.bandwidthLimit)
  }

  /** Tells the engine what holds now. Answers the steady ms at which the timetable changes that, if it does. */
  look(at: Moment): number | undefined {
    const limit = limitAt(this.#own, at.wallMs)
    if (limit !== this.#told) this.#engine.limit({ level: 'daemon' }, limit)
    this.#told = limit
    const changesAtMs = nextChange(this.#own, at.wallMs)
    return changesAtMs === undefined ? undefined : toSteady(at, changesAtMs)
  }

  /** The change is on disk when this resolves, and holds. */
  async change(change: BandwidthChange): Promise<BandwidthStatus> {
    this.#own = await this.#journal.changeBandwidth({ change })
    return this.status()
  }

  status(): BandwidthStatus {
    const at = now(this.#clock)
    this.look(at)
    const limit = limitAt(this.#own, at.wallMs)
    const changesAtMs = nextChange(this.#own, at.wallMs)
    return {
      ...this.#own,
      ...(limit !== undefined && { now: limit }),
      ...(changesAtMs !== undefined && { changesAtMs }),
    }
  }

  /** The limit that slows a running task down, and the wall ms at which the timetable may lift it. */
  slowing(task: TaskId): (SlowedBy & { readonly untilMs?: number }) | undefined {
    const by = this.#engine.slowedBy(task)
    if (by?.level !== 'daemon') return by
    const untilMs = nextChange(this.#own, now(this.#clock).wallMs)
    return { ...by, ...(untilMs !== undefined && { untilMs }) }
  }
}
