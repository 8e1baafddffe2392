/**
 * View, plan, act, sleep: the scheduler's answers become work. One turn at a time; a nudge during a turn makes another one
 * follow. What was seen holds on while tasks only start and end (`scheduler/outlook`): then a turn does without a look.
 *
 * One timer is armed while something runs or is due by itself, never further than the next full minute; none else, so that an
 * idle daemon is never woken. Until something is due that timer looks at the clocks alone: only after the wall clock was set does
 * a turn begin before that.
 *
 * While the journal cannot be written nothing new starts, and it is tried again each second.
 */
import type { TaskId } from '../contract/words.ts'
import type { Journal, Moment, ScheduleView } from '../journal/journal.ts'
import { Outlook } from '../scheduler/outlook.ts'
import { plan, type Schedule } from '../scheduler/plan.ts'
import { fullOrigins } from '../scheduler/rules.ts'
import { type Crowded, type LaneHead, type Limits, Load } from '../scheduler/view.ts'
import type { Clock, Timer } from '../world/clock.ts'
import type { Log } from '../world/log.ts'
import { now, toSteady } from './moment.ts'
import { journalRetryMs } from './recording.ts'
import type { Seats } from './seats.ts'
import type { Begun, Place } from './transfers.ts'

const longestSleepMs = 60_000
/** So far the wall clock may drift from the other between two turns without moving what is due. */
const driftMs = 500
/** A row that is due but could not be woken (times are rounded differently here and there) is looked at again then. */
const overdueMs = 10

export interface LoopParts {
  readonly clock: Clock
  readonly journal: Journal
  readonly log: Log
  readonly limits: Limits
  /** Resolves once the attempt is under way; undefined: it is not. Gives its command to the journal at once, so that each later look sees it. */
  start(place: Place): Promise<Begun | undefined>
  /** What runs, with all that was given to `start` and has not ended. */
  readonly seats: Pick<Seats, 'total' | 'taken'>
  /** Origins that take fewer connections than they may have. */
  crowded(nowMs: number): ReadonlyMap<string, Crowded>
  /** Whether an earlier attempt of a ready task still closes its files, so that it may not start yet. */
  closes(task: TaskId): boolean
  /** How many such tasks there may be: so many may stand before those that could start. */
  closing(): number
  /** Active tasks that need no connection any more, also where the journal does not know it yet. */
  withoutConnection(): readonly TaskId[]
  /** Tells the engine the bandwidth limit of this moment. Answers the steady ms at which the timetable gives another. */
  bandwidth(at: Moment): number | undefined
  /**
   * After each turn that could start something, and each minute while `busy`: something runs or is due by itself. `runs`: an attempt
   * does. `backingOff`: a task waits for another try.
   */
  turned(state: { readonly busy: boolean; readonly runs: boolean; readonly backingOff: boolean }): void
}

export class Loop {
  readonly #parts: LoopParts
  /** What the next turn is for: a place that is free, or anything else. */
  #wanted: 'nothing' | 'a place' | 'a look' = 'nothing'
  /** The last look at the journal, while it holds. */
  #outlook: Outlook | undefined
  /** When that was. What is due by the wall clock was told in steady ms of that moment. */
  #seenAt: Moment | undefined
  #turning: Promise<void> | undefined
  #dueMs = Infinity
  /** An attempt ran when it was looked last. */
  #runs = false
  /** A task waited for another try when the journal was looked at last. */
  #backingOff = false
  #timer: { readonly atMs: number; readonly timer: Timer } | undefined
  /** Set while the journal is in trouble: nudges begin no turn then, the next try's timer does. */
  #trouble: string | undefined
  /** Starts that are not committed yet. The next look is asked for without waiting for them: the journal answers in order. */
  readonly #starting = new Set<Promise<unknown>>()
  /** Why a start was not committed; the next turn fails with it. */
  #refused: { readonly why: unknown } | undefined
  #stopped = false

  constructor(parts: LoopParts) {
    this.#parts = parts
  }

  /** Steady ms of the next look, if one is due by itself. */
  get nextLookMs(): number | undefined {
    return this.#timer?.atMs
  }

  /** Steady ms at which something is due; now, while that is being found out. */
  get dueMs(): number {
    return this.#turning === undefined ? this.#dueMs : this.#parts.clock.steady()
  }

  /** Something is not as it was seen last. */
  nudge(): void {
    this.#want('a look')
  }

  /** A place or a connection is free; the queue is as it was seen last. */
  roomier(): void {
    this.#want(this.#wanted === 'a look' ? 'a look' : 'a place')
  }

  #want(what: 'a place' | 'a look'): void {
    if (this.#stopped) return
    // Also in trouble: what a commit causes while the next try is under way must not be overlooked by it.
    this.#wanted = what
    if (this.#trouble === undefined) this.#turning ??= this.#turn()
  }

  /** Resolves when the turn that may be under way has ended, and all that it started is committed. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#disarm()
    await this.#turning
    await Promise.all(this.#starting)
  }

  async #turn(): Promise<void> {
    try {
      // What is told in one row is dealt with in one turn.
      await Promise.resolve()
      while (this.#wanted !== 'nothing' && !this.#stopped) {
        const outlook = this.#wanted === 'a place' ? this.#outlook : undefined
        this.#wanted = 'nothing'
        if (outlook === undefined || !this.#goOn(outlook)) await this.#look()
        // In trouble only starts that were committed show that it is over.
        if (this.#trouble !== undefined) await this.#started()
        this.#trouble = undefined
      }
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#turning = undefined
    }
  }

  /** Gives free places to those who come next by what was seen. False: that does not tell, and nothing was done. */
  #goOn(outlook: Outlook): boolean {
    const { clock, limits, journal, seats } = this.#parts
    // When the last one ends it is looked at what is due by itself.
    if (seats.total === 0 || this.#trouble !== undefined || journal.problem !== undefined) return false
    const free = limits.maximumActiveTasks - seats.total
    if (free <= 0 || outlook.isEmpty) return true
    if (outlook.isSpent) return false
    const at = now(clock)
    if (this.#wallWasSet(at)) return false
    const seen = outlook.seen(free + 1 + this.#parts.closing())
    if (seen.wakeAtMs !== undefined && seen.wakeAtMs <= at.steadyMs) return false
    this.#act({ ...seen, active: seats.taken, isCut: false }, at)
    return true
  }

  async #look(): Promise<void> {
    const { journal, clock } = this.#parts
    this.#outlook = undefined
    if (this.#trouble !== undefined) {
      // Whatever was refused before it, or in it, was told.
      await Promise.all(this.#starting)
      this.#refused = undefined
    }
    // Only a write shows whether it can be written again.
    if (journal.problem !== undefined) await journal.saveClock({ at: now(clock), cleanEnd: false })
    let at = now(clock)
    let schedule = await this.#view(at)
    let stuck = false
    while (!stuck && schedule.wakeAtMs !== undefined && schedule.wakeAtMs <= at.steadyMs) {
      // The machine may have slept since the journal was asked: a task must not be woken at a time before its deadline that is over.
      stuck = (await journal.wakeDue({ at: now(clock) })).woken === 0
      at = now(clock)
      schedule = await this.#view(at)
    }
    // Those before this look were answered before it, and only have to come to their ends.
    await this.#started()
    if (this.#stopped) return
    this.#seenAt = at
    this.#backingOff = schedule.backingOff
    // Where not all are seen, each look shows others.
    this.#outlook = schedule.isCut ? undefined : new Outlook(schedule)
    this.#act(schedule, at)
  }

  #view(at: Moment): Promise<ScheduleView> {
    const { journal, limits, seats } = this.#parts
    const total = limits.maximumActiveTasks
    return journal.schedule({
      at,
      lanesPerSession: 2 * total,
      places: { total, perOrigin: limits.maximumConnectionsPerOrigin, ahead: total, closing: this.#parts.closing() },
      fetched: this.#parts.withoutConnection(),
      full: fullOrigins({ limits, crowded: this.#parts.crowded(at.steadyMs), load: new Load(seats.taken) }),
    })
  }

  #act(schedule: Omit<Schedule, 'nowMs' | 'limits' | 'crowded'> & { readonly isCut: boolean }, at: Moment): void {
    const { limits } = this.#parts
    const bandwidthAtMs = this.#parts.bandwidth(at)
    const crowded = this.#parts.crowded(at.steadyMs)
    const lanes = schedule.lanes.map((head) => (this.#parts.closes(head.task) ? { ...head, isClosing: true } : head))
    const { start, more, wakeAtMs } = plan({ nowMs: at.steadyMs, limits, crowded, ...schedule, lanes })
    if (start.length > 0) this.#start(start, more || schedule.isCut)

    const runs = schedule.active.length > 0 || start.length > 0 || lanes.some(({ isClosing }) => isClosing)
    const busy = wakeAtMs !== undefined || runs
    // Where nothing runs there is nothing to limit.
    const lookAtMs = Math.min(wakeAtMs ?? Infinity, (runs ? bandwidthAtMs : undefined) ?? Infinity)
    this.#dueMs = lookAtMs
    if (busy) this.#arm(lookAtMs, this.#seenAt ?? at)
    else this.#disarm()
    this.#runs = runs
    this.#parts.turned({ busy, runs, backingOff: this.#backingOff })
  }

  /** @param isMore there are others that could start as well, if these do */
  #start(heads: readonly LaneHead[], isMore: boolean): void {
    for (const head of heads) this.#outlook?.started(head)
    const starting = Promise.allSettled(heads.map((head) => this.#startOne(head))).then((started) => {
      this.#starting.delete(starting)
      const refused = started.find((each) => each.status === 'rejected')
      if (refused !== undefined) this.#refused = { why: refused.reason }
      const begun = started.flatMap((each) => (each.status === 'fulfilled' && each.value) || [])
      this.#begun(begun)
      // Whoever comes behind those that were shown is seen only now; so is who may take the place of one that did not start.
      // Where none did, or one was refused, each of them nudges when it is let go of (`Transfers`).
      if (begun.length > 0 && (isMore || begun.length < heads.length)) this.nudge()
    })
    this.#starting.add(starting)
  }

  /** One that is refused may start later, and stands in no outlook any more. */
  async #startOne(head: LaneHead): Promise<Begun | undefined> {
    let begun: Begun | undefined
    try {
      begun = await this.#parts.start(head)
    } finally {
      if (begun === undefined) this.#outlook = undefined
    }
    return begun
  }

  /** The first of their deadlines may be what is due next. */
  #begun(begun: readonly Begun[]): void {
    const firstMs = Math.min(...begun.map(({ deadlineAtMs = Infinity }) => deadlineAtMs))
    this.#outlook?.due(firstMs)
    if (firstMs >= this.#dueMs) return
    this.#dueMs = firstMs
    this.#arm(firstMs, this.#seenAt ?? now(this.#parts.clock))
  }

  /** Resolves when nothing is being started. @throws why a start was not committed, once */
  async #started(): Promise<void> {
    await Promise.all(this.#starting)
    const refused = this.#refused
    this.#refused = undefined
    if (refused !== undefined) throw refused.why
  }

  #failed(error: unknown): void {
    if (this.#stopped) return
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error)
    if (why !== this.#trouble)
      this.#parts.log.error('nothing new is started, since the journal failed; it is tried again each second', {
        error: why,
      })
    this.#trouble = why
    const at = now(this.#parts.clock)
    this.#dueMs = at.steadyMs + journalRetryMs
    this.#arm(this.#dueMs, at)
  }

  /** @param dueMs steady ms, by the wall clock of `since` */
  #arm(dueMs: number, since: Moment): void {
    this.#disarm()
    if (this.#stopped) return
    const { clock } = this.#parts
    const nowMs = clock.steady()
    // On the full minute, when others are woken as well.
    const looksMs = (Math.floor(nowMs / longestSleepMs) + 1) * longestSleepMs
    const atMs = Math.max(Math.min(dueMs, looksMs), nowMs + overdueMs)
    const timer = clock.timer(atMs, () => {
      this.#timer = undefined
      if (this.#stopped) return
      const at = now(clock)
      if (at.steadyMs < dueMs && !hasDrifted(since, at)) {
        this.#parts.turned({ busy: true, runs: this.#runs, backingOff: this.#backingOff })
        this.#arm(dueMs, since)
        return
      }
      // In trouble this is the one door: the turn itself tells whether it has ended.
      this.#wanted = 'a look'
      this.#turning ??= this.#turn()
    })
    this.#timer = { atMs, timer }
  }

  #wallWasSet(at: Moment): boolean {
    return this.#seenAt !== undefined && hasDrifted(this.#seenAt, at)
  }

  #disarm(): void {
    this.#timer?.timer.cancel()
    this.#timer = undefined
  }
}

/** The wall clock was set between the two. */
function hasDrifted(since: Moment, at: Moment): boolean {
  return Math.abs(toSteady(since, at.wallMs) - at.steadyMs) >= driftMs
}
