/**
 * For how long a task was tried without a byte of it becoming safe: what giving up is measured by. It grows while an attempt runs
 * and while a failed one waits for the next; not while the task is queued, waits for room, or is left alone. Somebody who resumes or
 * releases it wants it tried, so that it starts anew.
 *
 * A machine that sleeps and a daemon that is gone try nothing either, and nobody is there to note it. So an attempt counts for no
 * longer than its stall timer allows (a head that drips may take longer, but is no silence), and a back-off that ended far too late not at all.
 */
import type { Moment } from './journal.ts'
import type { TaskRow } from './rows.ts'
import type { Store } from './store.ts'

/** By so much no timer of a daemon that is there is late. */
const missedMs = 60_000

/** Of a wait that ends at `at`: until when it was part of trying. */
export function waitedUntil(task: TaskRow, at: Moment): number | null {
  if (task.wait !== 'backoff' || task.parked !== 0 || task.wait_until === null) return null
  return at.steadyMs - task.wait_until > missedMs ? null : Math.min(task.wait_until, at.steadyMs)
}

/** Until the attempt that starts at `at`, in ms. */
export function silenceBefore(store: Store, task: TaskRow, stallMs: number, at: Moment): number {
  const sinceMs = task.last_progress_at
  // The first attempt of all, as most are.
  if (sinceMs === null) return 0
  const last = store.get<{ startedMs: number; tookMs: number }>(
    'select started_steady startedMs, coalesce(took, 0) tookMs from attempt where task = ? and number = ?',
    task.id,
    task.attempts,
  )
  if (last === undefined) return 0
  const endedMs = last.startedMs + last.tookMs
  const waitedUntilMs = Math.min(task.wait_until ?? endedMs, at.steadyMs)
  const before = Math.max(0, last.startedMs - sinceMs)
  const tried = Math.max(0, endedMs - Math.max(last.startedMs, sinceMs))
  const waited = Math.max(0, waitedUntilMs - Math.max(endedMs, sinceMs))
  return before + Math.min(tried, stallMs) + waited
}
