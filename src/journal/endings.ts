/**
 * How a task ends: once, with its outcome, its events, its freed destination and its dependants in one commit.
 *
 * Dependants may be many, so an end only notes that they are to be looked at; {@link sweep} does that in steps, the first of
 * them in the same command.
 */
import type { ErrorJson } from '../contract/errors.ts'
import type { DurableBodies } from '../contract/events.ts'
import { newestTransactions, type TaskMetricsJson, type TransactionJson } from '../contract/metrics.ts'
import type { TaskResult } from '../contract/task.ts'
import type { AttemptMeasure, Moment, SessionId, StopReason } from './journal.ts'
import { owePart, partRow } from './files.ts'
import { flush, settle, type TaskChanges } from './lanes.ts'
import { loseSession, publish } from './outbox.ts'
import { maybe, parse, textOf } from './records.ts'
import { errorOf } from './plain-error.ts'
import type { SessionRow, TaskRow } from './rows.ts'
import type { Store } from './store.ts'
import type { Work } from './work.ts'

/** Attempts of a task whose history is kept. */
const attemptsKept = 20

export type Ending =
  | {
      readonly outcome: 'succeeded'
      readonly result: TaskResult
      readonly finished: DurableBodies['didFinishDownloading']
    }
  | { readonly outcome: 'failed' | 'cancelled'; readonly error: ErrorJson }

/**
 * Ends the attempt that runs, so that its every later write bounces off. One that is stopped from outside may still bring its
 * last checkpoint, which is known by its fence; of one that has ended by itself nothing is awaited any more, hence two.
 */
export function closeAttempt(
  work: Work,
  task: TaskRow,
  at: Moment,
  end: { readonly cause?: ErrorJson; readonly measure?: AttemptMeasure; readonly stop?: StopReason },
): TaskChanges {
  if (task.running === null) return {}
  const { measure } = end
  work.store.run(
    `update attempt set took = max(0, ? - started_steady), code = ?, cause = ?, bytes = ?, proof = coalesce(?, proof), transactions = ?
     where task = ? and number = ?`,
    at.steadyMs,
    end.cause?.code ?? null,
    end.cause === undefined ? null : JSON.stringify(end.cause),
    measure?.bytes ?? 0,
    measure?.proof ?? null,
    measure === undefined ? null : JSON.stringify(measure.transactions),
    task.id,
    task.attempts,
  )
  if (task.attempts > attemptsKept)
    work.store.run('delete from attempt where task = ? and number <= ?', task.id, task.attempts - attemptsKept)
  if (end.stop !== undefined) work.stop.set(task.uid, end.stop)
  return {
    running: null,
    redirects: task.redirects + (measure?.redirects ?? 0),
    fence: task.fence + (end.stop === undefined ? 2 : 1),
  }
}

/** Ends a task whose attempt was closed with `changes`. */
export function endTask(work: Work, task: TaskRow, changes: TaskChanges, at: Moment, ending: Ending): void {
  const { store } = work
  if (ending.outcome === 'succeeded')
    store.run('update task_text set result = ? where task = ?', JSON.stringify(ending.result), task.id)
  else store.run('update task_text set error = ? where task = ?', JSON.stringify(ending.error), task.id)
  // A part without bytes is of no use to a retry. Before its intent goes, which may be all that tells which file it is.
  const part = partRow(store, task.id)
  if (part !== undefined && part.ranges === '[]') owePart(work, task.id, at.steadyMs)
  const ended = settle(
    work,
    task,
    {
      ...changes,
      outcome: ending.outcome,
      completed_at: at.wallMs,
      last_progress_at: at.steadyMs,
      intent: null,
      wait: null,
      wait_until: null,
      parked: 0,
      begin_at: null,
    },
    at,
  )
  store.run('delete from destination where task = ?', task.id)
  store.run('delete from dependency where task = ?', task.id)
  if (store.get('select 1 from dependency where needs = ? limit 1', task.id) !== undefined) {
    store.run(`insert or ignore into sweep values ('dependents', ?)`, task.id)
    work.sweepNoted = true
  }
  if (ending.outcome === 'succeeded')
    publish(work, task.session, at, { kind: 'didFinishDownloading', task: task.id, body: ending.finished })
  publish(work, task.session, at, {
    kind: 'didFinishCollectingMetrics',
    task: task.id,
    body: { metrics: metricsOf(work, ended) },
  })
  publish(work, task.session, at, {
    kind: 'didComplete',
    task: task.id,
    body: ending.outcome === 'succeeded' ? {} : { error: ending.error },
  })
}

export function metricsOf(work: Work, task: TaskRow): TaskMetricsJson {
  const attempts = work.store.all<{ transactions: string }>(
    'select transactions from attempt where task = ? and transactions is not null order by number',
    task.id,
  )
  return {
    startMs: task.created_at,
    endMs: task.completed_at ?? task.created_at,
    redirectCount: task.redirects,
    attempts: task.attempts,
    transactions: newestTransactions(
      attempts.flatMap(({ transactions }) => parse<readonly TransactionJson[]>(transactions)),
    ),
  }
}

export function cancelledError(task: TaskRow): ErrorJson {
  return errorOf('CANCELLED', 'The task was cancelled; its destination is as it was.', { task: task.uid })
}

/** With the error of the last attempt as its cause. */
export function timedOutError(store: Store, task: TaskRow): ErrorJson {
  const last = store.get<{ cause: string }>(
    'select cause from attempt where task = ? and cause is not null order by number desc limit 1',
    task.id,
  )
  const what = 'The deadline of the task (timeoutIntervalForResource) passed'
  const kept = task.received > 0 ? ' Its bytes are kept.' : ''
  return errorOf(
    'TIMED_OUT',
    last === undefined
      ? `${what} before it was whole.${kept}`
      : `${what}; the cause is the error of its last attempt.${kept}`,
    { task: task.uid, cause: last === undefined ? undefined : parse<ErrorJson>(last.cause) },
  )
}

/** Cancels now, or, once a publish intent is recorded, remembers it: the file may be in its place already. */
export function cancelTask(work: Work, task: TaskRow, at: Moment): boolean {
  if (task.outcome !== null) return false
  if (task.intent === null) {
    const error = cancelledError(task)
    const closed = closeAttempt(work, task, at, { cause: error, stop: 'cancelled' })
    endTask(work, task, closed, at, { outcome: 'cancelled', error })
    return true
  }
  if (task.cancel_asked !== 0) return false
  // Not running: tried at once, so that the answer is known soon.
  settle(work, task, { cancel_asked: 1, ...(task.running === null && { wait: null, wait_until: null, parked: 0 }) }, at)
  return true
}

/** Writes out big changes that were noted, as far as this command may. @returns how many tasks it changed */
export function sweep(work: Work, at: Moment): number {
  const { store } = work
  let swept = 0
  while (work.sweepLeft > 0) {
    const next = store.get<{ kind: 'dependents' | 'cancel'; subject: number }>(
      `select * from sweep where kind in ('dependents', 'cancel') limit 1`,
    )
    if (next === undefined) break
    const step = next.kind === 'cancel' ? cancelSome : releaseSome
    const changed = step(work, next.subject, work.sweepLeft, at)
    if (changed < work.sweepLeft) store.run('delete from sweep where kind = ? and subject = ?', next.kind, next.subject)
    work.sweepLeft -= changed
    swept += changed
  }
  return swept
}

function cancelSome(work: Work, session: SessionId, most: number, at: Moment): number {
  const tasks = work.store.all<TaskRow>(
    `select * from task where session = ? and gate <> 'done' and cancel_asked = 0 order by id limit ?`,
    session,
    most,
  )
  for (const task of tasks) cancelTask(work, task, at)
  return tasks.length
}

function releaseSome(work: Work, needed: number, most: number, at: Moment): number {
  const { store } = work
  const need = store.get<TaskRow>('select * from task where id = ?', needed)
  const rows = store.all<TaskRow>(
    'select task.* from dependency join task on task.id = dependency.task where needs = ? order by dependency.task limit ?',
    needed,
    most,
  )
  for (const task of rows) {
    store.run('delete from dependency where needs = ? and task = ?', needed, task.id)
    if (need?.outcome === 'succeeded') settle(work, task, { blockers: Math.max(0, task.blockers - 1) }, at)
    else {
      const error = dependencyError(store, task, need)
      endTask(work, task, closeAttempt(work, task, at, { cause: error, stop: 'cancelled' }), at, {
        outcome: 'failed',
        error,
      })
    }
  }
  return rows.length
}

export function dependencyError(store: Store, task: TaskRow, needed: TaskRow | undefined): ErrorJson {
  const cause = needed === undefined ? undefined : maybe<ErrorJson>(textOf(store, needed.id).error)
  const message = `Task ${needed?.uid ?? 'that it needs'} had to succeed before this one and did not; this one was not tried.`
  return errorOf('DEPENDENCY_FAILED', message, { task: task.uid, cause })
}

/** `didBecomeInvalid` for sessions whose last task has ended; one that keeps no events goes at once. */
export function invalidateEnded(work: Work, sessions: ReadonlySet<SessionId>, at: Moment): void {
  const { store } = work
  for (const session of sessions) {
    const row = store.get<SessionRow>(
      `select * from session where id = ? and state <> 'open' and became_invalid = 0`,
      session,
    )
    if (row === undefined) continue
    flush(store, work.counts)
    const left = store.get(`select 1 from tally where session = ? and gate <> 'done' and n > 0 limit 1`, session)
    if (left !== undefined) continue
    if (row.keeps_events === 0) {
      loseSession(work, session)
      continue
    }
    store.run(`update session set state = 'invalid', became_invalid = 1 where id = ?`, session)
    publish(work, session, at, { kind: 'didBecomeInvalid', task: null, body: {} })
  }
}
