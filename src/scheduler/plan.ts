/** What to start now, and when to look again. */
import { mayStart, reasonsToWait } from './rules.ts'
import { compareHeads, nextSession } from './share.ts'
import {
  type ActiveTask,
  type Crowded,
  type LaneHead,
  type Limits,
  type SessionShare,
  type View,
  viewOf,
} from './view.ts'

/** A moment of the journal, as `plan` is given it. */
export interface Schedule {
  /** Steady ms. */
  readonly nowMs: number
  readonly limits: Limits
  /** By origin. @default none is */
  readonly crowded?: ReadonlyMap<string, Crowded>
  readonly sessions: readonly SessionShare[]
  readonly lanes: readonly LaneHead[]
  readonly active: readonly ActiveTask[]
  /** Steady ms of the next row that is due. */
  readonly wakeAtMs?: number | undefined
}

export interface Plan {
  /** Of a lane no more than were shown: who comes behind them is known when the journal is looked at again. */
  readonly start: readonly LaneHead[]
  /** One who comes behind them could start as well. */
  readonly more: boolean
  /** Steady ms; absent: nothing is due by itself. */
  readonly wakeAtMs?: number
}

/** Starts what no rule holds back, sessions in turn. After its starts, no lane's head that is left could start as well. */
export function plan(schedule: Schedule): Plan {
  const view = viewOf(schedule)
  const heads = Map.groupBy(schedule.lanes.toSorted(compareHeads), (head) => head.session)
  const candidates = new Map([...view.sessions].filter(([session]) => heads.has(session)))
  const served = new Map<number, number>()
  const started: LaneHead[] = []
  while (view.load.total < schedule.limits.maximumActiveTasks) {
    const next = nextSession(candidates.values(), view.load, served)
    if (next === undefined) break
    const waiting = heads.get(next.session)!
    const index = waiting.findIndex((head) => mayStart(head, view))
    const [head] = index < 0 ? [] : waiting.splice(index, 1)
    // Load only grows while a plan is made: what may not start now may not start later in it.
    if (head === undefined) candidates.delete(next.session)
    else {
      started.push(head)
      view.load.add(head)
      served.set(next.session, (served.get(next.session) ?? 0) + 1)
    }
  }
  const opening = schedule.lanes.flatMap((lane) => [lane.closedUntilMs, thinnedOutMs(lane, view)])
  const wakeAtMs = earliest([schedule.wakeAtMs, ...opening], schedule.nowMs)
  const more = started.some((head) => hasMore(head, started, schedule.lanes) && mayStart(head, view))
  return { start: started, more, ...(wakeAtMs !== undefined && { wakeAtMs }) }
}

/** Whether all that were shown of its lane have started, and more are ready. What may be said of one holds for the next. */
function hasMore(head: LaneHead, started: readonly LaneHead[], shown: readonly LaneHead[]): boolean {
  const ofLane = ({ session, origin }: LaneHead): boolean => session === head.session && origin === head.origin
  const count = started.filter(ofLane).length
  return count < head.ready && count === shown.filter(ofLane).length
}

/** Steady ms at which one more of a crowded origin is tried, if nothing else holds it back: who gives back a place tells of it. */
function thinnedOutMs(head: LaneHead, view: View): number | undefined {
  if (!view.crowded.has(head.origin)) return undefined
  const ends = reasonsToWait(head, view).map(({ untilMs }) => untilMs ?? Infinity)
  const last = Math.max(...ends)
  return Number.isFinite(last) ? last : undefined
}

/** A row that is overdue counts; a lane that has opened again does not. */
function earliest(times: readonly (number | undefined)[], nowMs: number): number | undefined {
  const [row, ...lanes] = times
  let found = row
  for (const at of lanes) if (at !== undefined && at > nowMs && (found === undefined || at < found)) found = at
  return found
}
