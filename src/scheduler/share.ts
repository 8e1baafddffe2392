/**
 * Whose turn it is. Between sessions: the one with the fewest active tasks, then the one unserved for longest, so that a
 * session with a million tasks does not stand in the way of one with a single task. Inside a session: the best priority,
 * then the oldest.
 */
import type { LaneHead, Load, SessionShare } from './view.ts'

/** Higher priority first, then the older task; ids sort by the time at which they were made. */
export function compareHeads(a: LaneHead, b: LaneHead): number {
  return b.priority - a.priority || (a.task < b.task ? -1 : a.task > b.task ? 1 : 0)
}

/** The session that is to be served next. `served` counts the starts of this plan: it stands in for a newer `lastStart`. */
export function nextSession(
  candidates: Iterable<SessionShare>,
  load: Load,
  served: ReadonlyMap<number, number>,
): SessionShare | undefined {
  let best: SessionShare | undefined
  for (const each of candidates) if (best === undefined || comesBefore(each, best, load, served)) best = each
  return best
}

function comesBefore(a: SessionShare, b: SessionShare, load: Load, served: ReadonlyMap<number, number>): boolean {
  const difference =
    load.ofSession(a.session) - load.ofSession(b.session) ||
    (served.get(a.session) ?? 0) - (served.get(b.session) ?? 0) ||
    a.lastStart - b.lastStart ||
    a.session - b.session
  return difference < 0
}
