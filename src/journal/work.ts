/**
 * What one command does beside its own statements: the changes of lanes and tallies that are still to be written, with those of the
 * commands before it, and the consequences that its commit will have. It lives for one command; when the command is refused, it is thrown away with it, and so
 * are the {@link Counts} of its whole group, which is rolled back then.
 */
import type { Gate, TaskId } from '../contract/words.ts'
import type { Consequences, SessionId, StopReason } from './journal.ts'
import type { Store } from './store.ts'

/** How lanes and tallies change; `flush` writes it. Commands of one group may share one, or each has its own. */
export class Counts {
  /** Lane -> how its counts change; a lane that stands here gets its head anew. */
  readonly lanes: Map<number, { ready: number; tasks: number }> = new Map()
  readonly tally: Map<SessionId, Map<Gate, number>> = new Map()
}

export class Work {
  readonly store: Store
  readonly counts: Counts

  /** Sessions whose numbers were taken: the next one, how many, and how many of them are `didComplete`. */
  readonly numbers: Map<SessionId, { next: number; taken: number; completions: number } | 'none'> = new Map()

  /** Tasks that this command may still change beside the ones that it names; the rest waits for `wakeDue`. */
  sweepLeft = 1000
  /** A big change was noted: its first step is taken at once. */
  sweepNoted = false
  schedule = false
  owed = false
  readonly events: Set<SessionId> = new Set()
  readonly sessions: Set<SessionId> = new Set()
  readonly gone: Set<SessionId> = new Set()
  readonly stop: Map<TaskId, StopReason> = new Map()
  readonly changed: Set<TaskId> = new Set()
  readonly ended: Set<TaskId> = new Set()

  constructor(store: Store, counts: Counts) {
    this.store = store
    this.counts = counts
  }

  get consequences(): Consequences | undefined {
    const nothing =
      !this.schedule &&
      !this.owed &&
      this.events.size + this.sessions.size + this.stop.size + this.changed.size + this.ended.size === 0
    if (nothing) return undefined
    return {
      schedule: this.schedule,
      events: [...this.events],
      sessions: [...this.sessions],
      gone: [...this.gone],
      stop: [...this.stop].map(([task, why]) => ({ task, why })),
      changed: [...this.changed],
      ended: [...this.ended],
      owed: this.owed,
    }
  }
}

/** The consequences of one commit, from those of its commands. */
export function joinConsequences(all: readonly Consequences[]): Consequences | undefined {
  if (all.length < 2) return all[0]
  return {
    schedule: all.some((one) => one.schedule),
    events: [...new Set(all.flatMap((one) => one.events))],
    sessions: [...new Set(all.flatMap((one) => one.sessions))],
    gone: all.flatMap((one) => one.gone),
    stop: all.flatMap((one) => one.stop),
    changed: [...new Set(all.flatMap((one) => one.changed))],
    ended: [...new Set(all.flatMap((one) => one.ended))],
    owed: all.some((one) => one.owed),
  }
}
