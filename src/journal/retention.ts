/**
 * What is forgotten in time, and the files that go with it. At most 1,000 tasks a call. That time is over only when it has passed on
 * the steady clock too: a wall clock that was set would take everything at once.
 */
import type { PartIdentity } from '../contract/bytes.ts'
import type { CommandInput, CommandOutput, Moment, OwedFile } from './journal.ts'
import { currentBoot, identityIn, owe, owePart, type OwedRow } from './files.ts'
import { leave } from './lanes.ts'
import { oweSpooled } from './outbox.ts'
import { maybe } from './records.ts'
import type { TaskRow } from './rows.ts'
import type { Work } from './work.ts'

const dayMs = 86_400_000
const kept = { completedMs: 30 * dayMs, tasksOfSession: 1000, failedPartsMs: 7 * dayMs, undeliveredMs: 90 * dayMs }
const most = 1000

export function owed(work: Work, input: CommandInput<'owed'>): CommandOutput<'owed'> {
  const boot = currentBoot(work.store)
  return work.store
    .all<OwedRow & { readonly id: number; readonly due: number }>(
      'select * from owed where due <= ? order by due, id limit ?',
      input.at.steadyMs,
      input.limit,
    )
    .map((row): OwedFile => {
      const identity = maybe<PartIdentity>(row.identity)
      return {
        id: row.id,
        folder: row.folder,
        name: row.name,
        dueMs: row.due,
        ...(identity !== undefined && { identity: identityIn(identity, row.boot, boot) }),
      }
    })
}

export function paid(work: Work, input: CommandInput<'paid'>): CommandOutput<'paid'> {
  for (const id of input.ids) work.store.run('delete from owed where id = ?', id)
  return null
}

export function retire(work: Work, { at }: CommandInput<'retire'>): CommandOutput<'retire'> {
  let retired = deleteGone(work, most, at)
  if (retired < most) retired += deleteOld(work, most - retired, at)
  if (retired < most) retired += dropOldParts(work, most - retired, at)
  return { retired, more: retired >= most }
}

/** Rows of sessions whose identifier was given free. */
function deleteGone(work: Work, limit: number, at: Moment): number {
  const { store } = work
  let deleted = 0
  while (deleted < limit) {
    const gone = store.get<{ subject: number }>(`select subject from sweep where kind = 'gone' limit 1`)
    if (gone === undefined) break
    const tasks = store.all<TaskRow>(
      'select * from task where session = ? order by id limit ?',
      gone.subject,
      limit - deleted,
    )
    for (const task of tasks) forget(work, task, at)
    deleted += tasks.length
    if (deleted >= limit) break
    store.run('delete from event where session = ?', gone.subject)
    store.run('delete from lane where session = ?', gone.subject)
    store.run('delete from tally where session = ?', gone.subject)
    work.counts.tally.delete(gone.subject)
    store.run('delete from configuration where session = ?', gone.subject)
    store.run('delete from session where id = ?', gone.subject)
    store.run(`delete from sweep where kind = 'gone' and subject = ?`, gone.subject)
  }
  return deleted
}

/** Completed tasks that nobody has to be told about any more, beside the newest of each session. */
function deleteOld(work: Work, limit: number, at: Moment): number {
  const { store } = work
  let deleted = 0
  const sessions = store.all<{ session: number; n: number; attached_at: number }>(
    `select tally.session, n, attached_at from tally join session on session.id = tally.session
     where gate = 'done' and n > 0`,
  )
  for (const { session, n, attached_at } of sessions) {
    if (deleted >= limit) break
    const abandoned = attached_at <= at.wallMs - kept.undeliveredMs
    const old = store.all<TaskRow>(
      `select * from task where session = ? and gate = 'done' and completed_at <= ? and coalesce(last_progress_at, 0) <= ?
         and not exists (select 1 from dependency where needs = task.id)
         and (not exists (select 1 from event where event.task = task.id)
           or (? and completed_at <= ? and coalesce(last_progress_at, 0) <= ?))
       order by completed_at limit ?`,
      session,
      at.wallMs - kept.completedMs,
      at.steadyMs - kept.completedMs,
      abandoned ? 1 : 0,
      at.wallMs - kept.undeliveredMs,
      at.steadyMs - kept.undeliveredMs,
      Math.max(0, Math.min(limit - deleted, n - kept.tasksOfSession)),
    )
    for (const task of old) forget(work, task, at)
    deleted += old.length
  }
  return deleted
}

/** Deletes a task and all that belongs to it; its files are owed. */
function forget(work: Work, task: TaskRow, at: Moment): void {
  const { store } = work
  owePart(work, task.id, at.steadyMs)
  const undelivered = store.get<{ session: number; body: string }>(
    `select session, body from event where task = ? and kind = 'didFinishDownloading'`,
    task.id,
  )
  if (undelivered !== undefined) oweSpooled(work, task.id, undelivered.body, at.steadyMs)
  const events = store.all<{ kind: string }>('delete from event where task = ? returning kind', task.id)
  if (events.length > 0)
    store.run(
      'update session set events = max(0, events - ?), waiting_tasks = max(0, waiting_tasks - ?) where id = ?',
      events.length,
      events.filter(({ kind }) => kind === 'didComplete').length,
      task.session,
    )
  store.run('delete from attempt where task = ?', task.id)
  store.run('delete from interrupted where task = ?', task.id)
  store.run('delete from destination where task = ?', task.id)
  store.run('delete from dependency where task = ?1 or needs = ?1', task.id)
  store.run('delete from task_text where task = ?', task.id)
  store.run('delete from task where id = ?', task.id)
  leave(work, task)
}

/** Bytes of failed and cancelled tasks, kept for a retry. */
function dropOldParts(work: Work, limit: number, at: Moment): number {
  const { store } = work
  const old = store.all<OwedRow & { readonly task: number }>(
    `select part.* from part join task on task.id = part.task where gate = 'done' and coalesce(last_progress_at, 0) <= ? limit ?`,
    at.steadyMs - kept.failedPartsMs,
    limit,
  )
  for (const part of old) {
    owe(work, part, at.steadyMs)
    store.run('delete from part where task = ?', part.task)
    store.run('update task set received = 0 where id = ?', part.task)
  }
  return old.length
}
