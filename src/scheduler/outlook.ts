/**
 * What a look at the journal showed, kept true while tasks start and end and nothing else happens to the queue: so that a place
 * that is free again goes to the next task at once, and the journal is asked once for many starts. It is made for rows of small
 * files: each takes its place for a few milliseconds, as long as a look takes.
 *
 * Whoever learns that more changed (a task became ready, a priority, a session's hold, a date) throws it away. A task that was shown and
 * may not start any more is found out by its start, and whoever was refused that throws it away as well.
 */
import type { LaneHead, SessionShare } from './view.ts'

/** A look at the journal, as far as it holds on. */
export interface Seen {
  readonly sessions: readonly SessionShare[]
  /** Those of one lane in their order. */
  readonly lanes: readonly LaneHead[]
  /** Steady ms of the next row that is due. */
  readonly wakeAtMs?: number | undefined
}

interface Lane {
  ready: number
  /** The next ones, as far as they were shown. */
  readonly next: LaneHead[]
}

export class Outlook {
  readonly #sessions = new Map<number, SessionShare>()
  readonly #lanes = new Map<string, Lane>()
  #lastStart: number
  #wakeAtMs: number

  constructor({ sessions, lanes, wakeAtMs = Infinity }: Seen) {
    for (const share of sessions) this.#sessions.set(share.session, share)
    for (const head of lanes) {
      const lane = this.#lanes.get(keyOf(head))
      if (lane === undefined) this.#lanes.set(keyOf(head), { ready: head.ready, next: [head] })
      else lane.next.push(head)
    }
    this.#lastStart = Math.max(...sessions.map(({ lastStart }) => lastStart))
    this.#wakeAtMs = wakeAtMs
  }

  /** As the journal would show it now. @param most of each lane */
  seen(most: number): Seen {
    const lanes = [...this.#lanes.values()].flatMap(({ ready, next }) =>
      next.slice(0, most).map((head) => ({ ...head, ready })),
    )
    return {
      sessions: [...this.#sessions.values()],
      lanes,
      ...(this.#wakeAtMs < Infinity && { wakeAtMs: this.#wakeAtMs }),
    }
  }

  /** Nobody waits. */
  get isEmpty(): boolean {
    return this.#lanes.size === 0
  }

  /** A lane has more than was shown, and those have started: who comes next only the journal knows. */
  get isSpent(): boolean {
    for (const { ready, next } of this.#lanes.values()) if (ready > 0 && next.length === 0) return true
    return false
  }

  started(head: LaneHead): void {
    const lane = this.#lanes.get(keyOf(head))
    const index = lane?.next.findIndex(({ task }) => task === head.task) ?? -1
    if (lane === undefined || index < 0) return
    lane.next.splice(index, 1)
    lane.ready -= 1
    if (lane.ready === 0) this.#lanes.delete(keyOf(head))
    const share = this.#sessions.get(head.session)
    if (share !== undefined) this.#sessions.set(head.session, { ...share, lastStart: ++this.#lastStart })
  }

  /** Steady ms at which a task that was started has to be over. */
  due(atMs: number): void {
    this.#wakeAtMs = Math.min(this.#wakeAtMs, atMs)
  }
}

function keyOf({ session, origin }: LaneHead): string {
  return `${session} ${origin}`
}
