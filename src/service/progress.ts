/**
 * What runs, as it is at this moment: bytes that are not safe yet, speed, phase. All of it lives in memory and may be lost;
 * the journal's records are overlaid with it wherever they are shown, so that every door tells the same.
 *
 * The owner is told by `didWriteData`, newest only and at most 20 times a second a task; those who watch by their own interval.
 */
import type { ProgressJson, TaskRecord } from '../contract/task.ts'
import type { Phase, TaskId } from '../contract/words.ts'
import type { Delivery } from '../delivery/delivery.ts'
import type { SessionId, StartedAttempt } from '../journal/journal.ts'
import type { Report } from '../transfer/assignment.ts'
import type { Clock, Timer } from '../world/clock.ts'
import { Rate } from './rate.ts'

/** Without a byte for so long, bytes are not said to arrive. */
const silentMs = 5000
/** At most so often is the owner told of one task. */
const passEveryMs = 50

export type ProgressFacts = Parameters<Report['progress']>[0]

interface LiveTask {
  readonly task: TaskId
  readonly session: SessionId
  readonly sessionName: string
  readonly fence: number
  readonly stallMs: number
  readonly rate: Rate
  phase: ProgressFacts['phase']
  received: number
  total: number | undefined
  passedMs: number
  passedReceived: number
  /** Its outcome is known: nothing more is passed, since `didComplete` may be on its way. */
  closed: boolean
}

export interface LiveFacts {
  readonly sessionName: string
  readonly phase: Phase
  readonly progress: ProgressJson
  /** Steady ms at which the stall timer would end the attempt; absent while nothing is asked of a server. */
  readonly stallAtMs?: number
  /** Steady ms of the last byte, where the next one is overdue. */
  readonly silentSinceMs?: number
}

export class Progress {
  readonly #clock: Clock
  readonly #delivery: Delivery
  readonly #moved: (task: TaskId, sessionName: string) => void
  readonly #live = new Map<TaskId, LiveTask>()
  /** Tasks with news for their owner that came too soon after the last. */
  readonly #late = new Set<TaskId>()
  #lateTimer: Timer | undefined

  /** @param moved called with each change, for those who watch */
  constructor(clock: Clock, delivery: Delivery, moved: (task: TaskId, sessionName: string) => void) {
    this.#clock = clock
    this.#delivery = delivery
    this.#moved = moved
  }

  begin(started: StartedAttempt, stallMs: number): void {
    const kept = started.part?.ranges.reduce((sum, [from, to]) => sum + to - from, 0) ?? 0
    this.#live.set(started.task, {
      task: started.task,
      session: started.session,
      sessionName: started.sessionIdentifier,
      fence: started.fence,
      stallMs,
      rate: new Rate(this.#clock.steady()),
      phase: started.intent === undefined ? 'connecting' : 'delivering',
      received: kept,
      total: started.part?.representation?.total,
      passedMs: -Infinity,
      passedReceived: kept,
      closed: false,
    })
  }

  report(task: TaskId, fence: number, facts: ProgressFacts): void {
    const live = this.#live.get(task)
    // An attempt that was fenced says things until it has noticed.
    if (live === undefined || live.fence !== fence || live.closed) return
    live.phase = facts.phase
    live.total = facts.total
    // Less than before: it starts from zero, or asks for the last byte again as a proof. What it keeps is not written again.
    if (facts.received < live.received) live.passedReceived = Math.min(live.passedReceived, facts.received)
    else live.rate.add(facts.received - live.received, this.#clock.steady())
    live.received = facts.received
    this.#moved(task, live.sessionName)
    this.#pass(live)
  }

  /** The outcome of the attempt is known: the owner gets the last number, then nothing. */
  close(task: TaskId, fence: number): void {
    const live = this.#live.get(task)
    if (live === undefined || live.fence !== fence) return
    if (this.#late.delete(task)) this.#tell(live)
    live.closed = true
  }

  /** The outcome is committed: the journal's record says it all. */
  end(task: TaskId, fence: number): void {
    if (this.#live.get(task)?.fence !== fence) return
    this.#live.delete(task)
    this.#late.delete(task)
  }

  of(task: TaskId): LiveFacts | undefined {
    const live = this.#live.get(task)
    if (live === undefined) return undefined
    const { sessionName, phase } = live
    const mayStall = phase === 'connecting' || phase === 'transferring'
    const { lastByteMs } = live.rate
    const isSilent = phase === 'transferring' && this.#clock.steady() - lastByteMs >= silentMs
    return {
      sessionName,
      phase,
      progress: this.#progressOf(live),
      ...(mayStall && { stallAtMs: lastByteMs + live.stallMs }),
      ...(isSilent && { silentSinceMs: lastByteMs }),
    }
  }

  /** The record as it is now. */
  overlay(record: TaskRecord): TaskRecord {
    if (record.gate !== 'active' && record.gate !== 'publishing') return record
    const live = this.#live.get(record.id)
    if (live === undefined) return record
    return { ...record, phase: live.phase, progress: this.#progressOf(live) }
  }

  stop(): void {
    this.#lateTimer?.cancel()
    this.#lateTimer = undefined
    this.#late.clear()
  }

  #progressOf(live: LiveTask): ProgressJson {
    const { received, total } = live
    const rate = live.rate.at(this.#clock.steady())
    return {
      received,
      sent: 0,
      rate,
      ...(total !== undefined && {
        total,
        fraction: total === 0 ? 1 : Math.min(1, received / total),
        ...(rate > 0 && { etaMs: Math.round((Math.max(0, total - received) / rate) * 1000) }),
      }),
    }
  }

  #pass(live: LiveTask): void {
    if (live.received === live.passedReceived || this.#late.has(live.task)) return
    if (this.#clock.steady() - live.passedMs >= passEveryMs) {
      this.#tell(live)
      return
    }
    this.#late.add(live.task)
    // One timer for all: whoever is early waits for at most one beat.
    this.#lateTimer ??= this.#clock.timer(this.#clock.steady() + passEveryMs, () => {
      this.#lateTimer = undefined
      for (const task of this.#late) this.#tell(this.#live.get(task)!)
      this.#late.clear()
    })
  }

  #tell(live: LiveTask): void {
    const bytesWritten = live.received - live.passedReceived
    live.passedMs = this.#clock.steady()
    live.passedReceived = live.received
    this.#delivery.pass(live.session, {
      kind: 'didWriteData',
      timeMs: this.#clock.wall(),
      task: live.task,
      bytesWritten,
      totalBytesWritten: live.received,
      ...(live.total !== undefined && { totalBytesExpectedToWrite: live.total }),
      progress: this.#progressOf(live),
    })
  }
}
