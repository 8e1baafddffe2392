/**
 * The lives of the daemon. Each opens with what the one before left: attempts that nobody runs any more are ended, and their
 * tasks are ready at once with the bytes of their last checkpoint; publishing that was under way is finished first.
 */
import type { ErrorJson } from '../contract/errors.ts'
import type { TaskId } from '../contract/words.ts'
import type { CommandInput, CommandOutput, SessionId } from './journal.ts'
import { closeAttempt } from './endings.ts'
import { recompute, settle } from './lanes.ts'
import { errorOf } from './plain-error.ts'
import type { TaskRow } from './rows.ts'
import type { Store } from './store.ts'
import type { Work } from './work.ts'

/**
 * A task that was active in this many unclean ends within this time, and gained no byte meanwhile, is left alone for a while: it
 * may be the cause.
 */
const crashes = { many: 3, withinMs: 10 * 60_000, parkedMs: 3_600_000 }

interface LifeRow {
  readonly id: number
  readonly boot: string
  readonly steady: number
  readonly clean_end: number
}

function lastLife(store: Store): LifeRow | undefined {
  return store.get<LifeRow>('select * from life order by id desc limit 1')
}

/** `steady()` as the last life saved it. */
export function savedSteady(store: Store): number {
  return lastLife(store)?.steady ?? 0
}

export function openLife(work: Work, input: CommandInput<'openLife'>): CommandOutput<'openLife'> {
  const { store } = work
  const { at } = input
  const last = lastLife(store)
  const unclean = last !== undefined && last.clean_end === 0
  if (unclean) recompute(store)
  store.run('delete from life where id < ?', last?.id ?? 0)
  store.run(
    'insert into life(boot, pid, started, steady, wall) values (?, ?, ?, ?, ?)',
    input.bootId,
    input.pid,
    at.wallMs,
    at.steadyMs,
    at.wallMs,
  )
  store.forget('boot')
  const sameBoot = last?.boot === input.bootId
  const owned = sameBoot ? store.all<{ id: SessionId }>('select id from session where owner_pid is not null') : []
  store.run('update session set owner_pid = null where owner_pid is not null')
  store.run('delete from interrupted where at < ?', at.steadyMs - crashes.withinMs)
  const left = store.all<TaskRow>('select * from task where running is not null order by id')
  const parked: TaskId[] = []
  for (const task of left) {
    if (unclean) store.run('insert into interrupted values (?, ?)', task.id, at.steadyMs)
    const isParked = unclean && timesInterrupted(store, task.id) >= crashes.many
    if (isParked) parked.push(task.uid)
    settle(
      work,
      task,
      {
        ...closeAttempt(work, task, at, { cause: interruptedError(task) }),
        ...(isParked && { wait: 'backoff', wait_until: at.steadyMs + crashes.parkedMs, server_asked: 0, parked: 1 }),
      },
      at,
    )
  }
  work.schedule = true
  return {
    unclean,
    interrupted: left.length,
    parked,
    owned: owned.map(({ id }) => id),
  }
}

function timesInterrupted(store: Store, task: number): number {
  return store.get<{ n: number }>('select count(*) n from interrupted where task = ?', task)!.n
}

function interruptedError(task: TaskRow): ErrorJson {
  return errorOf('DAEMON_UNAVAILABLE', 'The daemon ended while this attempt ran; it goes on by itself.', {
    task: task.uid,
    hint: 'Nothing to do; it goes on from the last checkpoint.',
  })
}

export function saveClock(work: Work, input: CommandInput<'saveClock'>): CommandOutput<'saveClock'> {
  work.store.run(
    'update life set steady = ?, wall = ?, clean_end = ? where id = (select max(id) from life)',
    input.at.steadyMs,
    input.at.wallMs,
    input.cleanEnd ? 1 : 0,
  )
  return null
}
