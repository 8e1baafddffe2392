/** What people and apps do to tasks that exist. A change of many tasks is made in steps of one commit each. */
import type { RequestFacts } from '../contract/task.ts'
import type { Change } from '../contract/verbs.ts'
import type { CommandInput, CommandOutput, Moment } from './journal.ts'
import { cancelTask, closeAttempt } from './endings.ts'
import { laneOf, noWait, originOfLane, settle, type TaskChanges } from './lanes.ts'
import { findTask, maybe, parse, type TaskOptions, textOf } from './records.ts'
import type { TaskRow } from './rows.ts'
import { select } from './selection.ts'
import { freshRequest, originOf } from './tasks.ts'
import { goOn, type GoOn } from './go-on.ts'
import type { Work } from './work.ts'

const stepTasks = 500

interface Progress {
  readonly after: number
  readonly changed: number
}

export function change(
  work: Work,
  input: CommandInput<'change'> & { readonly progress?: Progress },
): CommandOutput<'change'> | GoOn {
  const { targets, at } = input
  let { after, changed } = input.progress ?? { after: 0, changed: 0 }
  if ('ids' in targets) {
    const ids = targets.ids.slice(after, after + stepTasks)
    for (const id of ids) {
      const task = findTask(work.store, id)
      if (task !== undefined && changeTask(work, task, input.change, at)) changed += 1
    }
    after += ids.length
    return after < targets.ids.length ? goOn({ ...input, progress: { after, changed } }) : { changed }
  }
  const found = select(work.store, {
    session: targets.session,
    filter: targets.filter,
    completed: 'not',
    after,
    look: stepTasks,
  })
  for (const task of found.rows) {
    // As it is now: an earlier one of this step may have changed it (a dependant of a cancelled one).
    const stale = work.changed.has(task.uid)
    const row = stale ? work.store.get<TaskRow>('select * from task where id = ?', task.id) : task
    if (row !== undefined && changeTask(work, row, input.change, at)) changed += 1
  }
  return found.next === undefined ? { changed } : goOn({ ...input, progress: { after: found.next, changed } })
}

function changeTask(work: Work, task: TaskRow, what: Change, at: Moment): boolean {
  if (task.outcome !== null) return false
  switch (what.kind) {
    case 'cancel':
      return cancelTask(work, task, at)
    case 'resume':
      if (task.suspends === 0) return false
      settle(work, task, { suspends: task.suspends - 1, last_progress_at: at.steadyMs }, at)
      return true
    case 'suspend':
      settle(work, task, { suspends: task.suspends + 1, ...stopped(work, task, at, 'suspended') }, at)
      return true
    case 'hold':
      if (task.held !== 0) return false
      settle(work, task, { held: 1, ...stopped(work, task, at, 'held') }, at)
      return true
    case 'release':
      if (task.held === 0) return false
      settle(work, task, { held: 0, last_progress_at: at.steadyMs }, at)
      return true
    case 'tryNow':
      // A wait that a server asked for stays.
      if (task.wait === null || (task.server_asked !== 0 && task.parked === 0)) return false
      // Somebody takes the risk: it is parked again only for what happens from now on.
      work.store.run('delete from interrupted where task = ?', task.id)
      settle(work, task, { wait: null, wait_until: null, parked: 0 }, at)
      return true
    case 'priority':
      if (task.rank === -what.priority) return false
      settle(work, task, { rank: -what.priority }, at)
      return true
    case 'bandwidthLimit':
      return changeBandwidthLimit(work, task, what.bytesPerSecond)
    case 'request':
      return changeRequest(work, task, what, at)
  }
}

function changeBandwidthLimit(work: Work, task: TaskRow, bytesPerSecond: number | null): boolean {
  const options = parse<TaskOptions>(textOf(work.store, task.id).options)
  const { bandwidthLimit, ...others } = options.policy
  if (bandwidthLimit === (bytesPerSecond ?? undefined)) return false
  const policy = bytesPerSecond === null ? others : { ...others, bandwidthLimit: bytesPerSecond }
  work.store.run('update task_text set options = ? where task = ?', JSON.stringify({ ...options, policy }), task.id)
  work.changed.add(task.uid)
  return true
}

/** Takes a task out of `active`; publishing is finished first. */
function stopped(work: Work, task: TaskRow, at: Moment, why: 'suspended' | 'held' | 'request changed'): TaskChanges {
  return task.running === 'active' ? closeAttempt(work, task, at, { stop: why }) : {}
}

function changeRequest(work: Work, task: TaskRow, what: Extract<Change, { kind: 'request' }>, at: Moment): boolean {
  const text = textOf(work.store, task.id)
  const current = maybe<RequestFacts>(text.current_request) ?? parse<RequestFacts>(text.request)
  const next = freshRequest(current, what)
  work.store.run('update task_text set current_request = ? where task = ?', JSON.stringify(next), task.id)
  const origin = originOf(next.url)
  const isAsked = task.wait !== null && task.server_asked !== 0
  // Whoever asked for the wait is not asked next, when the address has another origin.
  const isOver = isAsked ? origin !== originOfLane(work.store, task) : what.restart
  settle(
    work,
    task,
    {
      lane: laneOf(work.store, task.session, origin),
      ...(what.restart && stopped(work, task, at, 'request changed')),
      ...(isOver && task.intent === null && noWait),
    },
    at,
  )
  return true
}
