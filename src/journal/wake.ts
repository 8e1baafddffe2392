/** What time and the network change by themselves. At most 1,000 tasks a call; `more` says that there is more to do now. */
import type { CommandInput, CommandOutput, Moment } from './journal.ts'
import { closeAttempt, endTask, sweep, timedOutError } from './endings.ts'
import { noWait, settle } from './lanes.ts'
import type { TaskRow } from './rows.ts'
import { waitedUntil } from './silence.ts'
import { goOn, type GoOn } from './go-on.ts'
import type { Work } from './work.ts'

const most = 1000

export function wakeDue(work: Work, { at }: CommandInput<'wakeDue'>): CommandOutput<'wakeDue'> {
  const { store } = work
  let woken = sweep(work, at)
  const due = store.all<TaskRow>(
    'select * from task where wake_at <= ? order by wake_at limit ?',
    at.steadyMs,
    most - woken,
  )
  for (const { id } of due) wake(work, id, at)
  woken += due.length
  const dated = store.all<TaskRow>('select * from task where begin_at <= ? limit ?', at.wallMs, most - woken)
  for (const task of dated) settle(work, task, { begin_at: null }, at)
  woken += dated.length
  if (store.run('delete from closed where reopen_at <= ?', at.steadyMs) > 0) work.schedule = true
  return { woken, more: woken >= most }
}

function wake(work: Work, id: number, at: Moment): void {
  // As it is now: the end of another one in this call may have ended it.
  const task = work.store.get<TaskRow>('select * from task where id = ?', id)
  if (task === undefined || task.wake_at === null || task.wake_at > at.steadyMs) return
  if (task.intent === null && task.deadline_at !== null && task.deadline_at <= at.steadyMs) timeOut(work, task, at)
  else settle(work, task, { ...noWait, wait_until: waitedUntil(task, at) }, at)
}

export function timeOut(work: Work, task: TaskRow, at: Moment): void {
  const error = timedOutError(work.store, task)
  const closed = closeAttempt(work, task, at, { cause: error, stop: 'deadline' })
  endTask(work, task, closed, at, { outcome: 'failed', error })
}

export function networkChanged(
  work: Work,
  input: CommandInput<'networkChanged'> & { readonly woken?: number },
): CommandOutput<'networkChanged'> | GoOn {
  const waiting = work.store.all<TaskRow>(
    `select * from task where wake_at is not null and gate = 'backoff' and server_asked = 0 and parked = 0 limit ?`,
    most,
  )
  for (const task of waiting) settle(work, task, { wait: null, wait_until: waitedUntil(task, input.at) }, input.at)
  const woken = (input.woken ?? 0) + waiting.length
  return waiting.length < most ? { woken } : goOn({ ...input, woken })
}
