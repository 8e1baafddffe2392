/**
 * What a decision may know: plain facts of one moment, read from the journal in one go. Nothing in this room does anything;
 * all of it can be asked again with the same answer.
 */
import type { BlockerCode } from '../contract/explanation.ts'
import type { Gate, TaskId } from '../contract/words.ts'

/** The daemon's own ceilings; a session's stand below them. */
export interface Limits {
  readonly maximumActiveTasks: number
  readonly maximumConnectionsPerOrigin: number
}

export const daemonLimits: Limits = { maximumActiveTasks: 32, maximumConnectionsPerOrigin: 8 }

/** An origin that takes fewer connections than it may have. */
export interface Crowded {
  /** That may be open now. */
  readonly most: number
  /** Steady ms: then one more is tried. Absent: one is being tried. */
  readonly untilMs?: number
}

export interface SessionShare {
  readonly session: number
  readonly maximumActiveTasks: number
  readonly maximumConnectionsPerHost: number
  readonly held: boolean
  /** Counts up with each start; the smallest is the longest unserved. */
  readonly lastStart: number
}

/** A task that holds a place, and a connection to its origin until its bytes are there. */
export interface ActiveTask {
  readonly session: number
  /** Absent: it only hashes its file, syncs it and puts it in its place, and needs no connection any more. */
  readonly origin?: string
  /** So many that are alike. @default 1 */
  readonly count?: number
}

/**
 * What a rule may know of a task. The head of a lane has nothing but the first four, and whether it is closing: it is ready, so that
 * no reason of its own is left. `explain` fills in the rest.
 */
export interface TaskFacts {
  readonly session: number
  readonly origin: string
  /** Steady ms; the origin asked us to wait until then. */
  readonly closedUntilMs?: number | undefined
  /** @default 'ready' */
  readonly gate?: Gate
  /** How many `resume()` it lacks. */
  readonly suspends?: number
  readonly held?: boolean
  /** Tasks that must have succeeded and have not. */
  readonly unmet?: readonly TaskId[]
  /** Steady ms at which its own wait is over. */
  readonly wakeAtMs?: number | undefined
  readonly serverAsked?: boolean
  readonly parked?: boolean
  /** Its earlier attempt was stopped, and still closes its files. */
  readonly isClosing?: boolean
  /** Of its destination. */
  readonly folder?: string | undefined
  /** Identifier of its session, for people. */
  readonly sessionName?: string
}

/** The best ready task of a lane (session × origin). */
export interface LaneHead extends TaskFacts {
  readonly task: TaskId
  /** Higher first, then older first. */
  readonly priority: number
  /** How many of its lane are ready, itself included. */
  readonly ready: number
}

/** Why a task may not start now. */
export interface Reason {
  readonly code: BlockerCode
  /** Steady ms at which it ends by itself. */
  readonly untilMs?: number
  readonly of?: string
}

/** What runs, counted the ways in which it is limited. Grows while a plan is made. */
export class Load {
  #total = 0
  readonly #sessions = new Map<number, number>()
  readonly #origins = new Map<string, number>()
  readonly #lanes = new Map<string, number>()

  constructor(active: Iterable<ActiveTask> = []) {
    for (const task of active) this.add(task)
  }

  add({ session, origin, count = 1 }: ActiveTask): void {
    this.#total += count
    increase(this.#sessions, session, count)
    if (origin === undefined) return
    increase(this.#origins, origin, count)
    increase(this.#lanes, laneKey(session, origin), count)
  }

  get total(): number {
    return this.#total
  }
  ofSession(session: number): number {
    return this.#sessions.get(session) ?? 0
  }
  /** Those that have any. */
  get origins(): ReadonlyMap<string, number> {
    return this.#origins
  }
  ofOrigin(origin: string): number {
    return this.#origins.get(origin) ?? 0
  }
  ofLane(session: number, origin: string): number {
    return this.#lanes.get(laneKey(session, origin)) ?? 0
  }
}

/** What the rules look at. */
export interface View {
  /** Steady ms. */
  readonly nowMs: number
  readonly limits: Limits
  /** By origin. */
  readonly crowded: ReadonlyMap<string, Crowded>
  readonly sessions: ReadonlyMap<number, SessionShare>
  readonly load: Load
}

export function viewOf(facts: {
  readonly nowMs: number
  readonly limits: Limits
  /** @default none is */
  readonly crowded?: ReadonlyMap<string, Crowded>
  readonly sessions: readonly SessionShare[]
  readonly active: readonly ActiveTask[]
}): View {
  const { nowMs, limits, active, crowded = new Map() } = facts
  return {
    nowMs,
    limits,
    crowded,
    sessions: new Map(facts.sessions.map((share) => [share.session, share])),
    load: new Load(active),
  }
}

function laneKey(session: number, origin: string): string {
  return `${session} ${origin}`
}

function increase<K>(counts: Map<K, number>, key: K, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by)
}
