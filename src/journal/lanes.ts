/**
 * Whether a task may run, and where it stands in the queue: the only writer of `gate`, `lane`, `wake_at`, the deadline, and of
 * the tables `lane` and `tally`. Everyone else says which facts of a task changed ({@link settle}).
 *
 * A lane is a session's tasks of one origin. It keeps how many are ready and which of them is first, so that the scheduler
 * looks at lanes and never at the queue. A tally counts a session's tasks by gate. Both are written once at the end of a
 * command or of its group ({@link flush}), and can be computed anew ({@link recompute}): in tests, and after an unclean end.
 */
import type { Gate } from '../contract/words.ts'
import { configurationOf } from './configurations.ts'
import type { Moment, SessionId } from './journal.ts'
import { optionsOf } from './records.ts'
import type { TaskRow } from './rows.ts'
import type { Store, Value } from './store.ts'
import type { Counts, Work } from './work.ts'

type GateFacts = Pick<
  TaskRow,
  'outcome' | 'running' | 'intent' | 'suspends' | 'held' | 'blockers' | 'begin_at' | 'wait'
>

/** The one answer to "may this task run, and if not, why". */
function gateOf(task: GateFacts): Gate {
  if (task.outcome !== null) return 'done'
  if (task.running !== null) return task.running
  // Publishing that was interrupted is finished before a suspend, a hold or anything else counts.
  if (task.intent !== null) return task.wait ?? 'ready'
  if (task.suspends > 0) return 'suspended'
  if (task.held !== 0) return 'held'
  if (task.blockers > 0) return 'dependency'
  if (task.begin_at !== null) return 'time'
  return task.wait ?? 'ready'
}

/** Where the deadline runs; it stands still while a task is suspended, held, or queued behind our own limits. */
function deadlineRuns(gate: Gate): boolean {
  return gate === 'backoff' || gate === 'disk' || gate === 'destination' || gate === 'active' || gate === 'publishing'
}

/** Steady ms. Publishing that was begun is finished first, whatever the deadline says, also where it waits for its next try. */
function wakeAt(task: Pick<TaskRow, 'gate' | 'wait_until' | 'deadline_at' | 'intent'>): number | null {
  if (task.gate === 'active') return task.deadline_at
  if (task.gate !== 'backoff' && task.gate !== 'disk' && task.gate !== 'destination') return null
  if (task.intent !== null) return task.wait_until
  return Math.min(task.wait_until ?? Infinity, task.deadline_at ?? Infinity)
}

/** Columns of `task` that may change; the derived ones are added here. */
export type TaskChanges = Partial<
  Omit<TaskRow, 'id' | 'uid' | 'session' | 'number' | 'gate' | 'wake_at' | 'deadline_at'>
>

/** It waits for no moment any more. */
export const noWait: TaskChanges = { wait: null, wait_until: null, server_asked: 0, parked: 0 }

/** Writes changed facts of a task with all that follows from them. */
export function settle(work: Work, row: TaskRow, changes: TaskChanges, at: Moment): TaskRow {
  const facts = { ...row, ...changes }
  const written = { ...changes, ...derive(work.store, { ...facts, gate: gateOf(facts) }, at) }
  const next = { ...facts, ...written }
  write(work.store, row, written)
  account(work, row, next)
  return next
}

type Derived = Pick<TaskRow, 'gate' | 'lane' | 'deadline_at' | 'budget_left' | 'wake_at'>

function derive(store: Store, task: TaskRow, at: Moment): Derived {
  const { gate, lane } = task
  if (gate === 'done') return { gate, lane: null, deadline_at: null, budget_left: null, wake_at: null }
  let { deadline_at, budget_left } = task
  if (deadlineRuns(gate)) {
    deadline_at ??= at.steadyMs + (budget_left ?? deadlineMs(store, task))
    budget_left = null
  } else if (deadline_at !== null) {
    budget_left = Math.max(0, deadline_at - at.steadyMs)
    deadline_at = null
  }
  return { gate, lane, deadline_at, budget_left, wake_at: wakeAt({ ...task, deadline_at }) }
}

function deadlineMs(store: Store, task: TaskRow): number {
  const { policy } = optionsOf(store, task.id)
  if (policy.timeoutIntervalForResourceMs !== undefined) return policy.timeoutIntervalForResourceMs
  const configuration =
    task.configuration ??
    store.get<{ configuration: number }>('select configuration from session where id = ?', task.session)!.configuration
  return configurationOf(store, configuration).timeoutIntervalForResourceMs
}

function write(store: Store, row: TaskRow, written: Partial<TaskRow>): void {
  const before = row as unknown as Readonly<Record<string, Value>>
  let columns = ''
  const values: Value[] = []
  for (const [column, value] of Object.entries(written)) {
    if (before[column] === value) continue
    columns += `${columns === '' ? '' : ', '}${column} = ?`
    values.push(value)
  }
  if (values.length > 0) store.run(`update task set ${columns} where id = ?`, ...values, row.id)
}

/** Notes what a change of a row means for its lanes, its tally, and those who watch. */
function account(work: Work, before: TaskRow, after: TaskRow): void {
  work.changed.add(after.uid)
  const wasReady = before.gate === 'ready'
  const isReady = after.gate === 'ready'
  if (before.lane !== after.lane) {
    if (before.lane !== null) countInLane(work, before.lane, wasReady ? -1 : 0, -1)
    if (after.lane !== null) countInLane(work, after.lane, isReady ? 1 : 0, 1)
  } else if (after.lane !== null && (wasReady !== isReady || (isReady && before.rank !== after.rank))) {
    countInLane(work, after.lane, Number(isReady) - Number(wasReady), 0)
  }
  // When a start has to be over it tells itself (`StartedAttempt`), and one that was running may be looked after too early.
  const tellsItself = after.wake_at === null ? before.running !== null : isStart(before, after)
  if (isReady || (before.wake_at !== after.wake_at && !tellsItself) || before.begin_at !== after.begin_at)
    work.schedule = true
  if (before.gate !== after.gate) {
    countInTally(work, after.session, before.gate, -1)
    countInTally(work, after.session, after.gate, 1)
    work.sessions.add(after.session)
    if (after.gate === 'done') work.ended.add(after.uid)
  }
}

function isStart(before: TaskRow, after: TaskRow): boolean {
  return before.running === null && after.running !== null
}

function countInLane(work: Work, lane: number, ready: number, tasks: number): void {
  const counts = work.counts.lanes.get(lane)
  if (counts === undefined) work.counts.lanes.set(lane, { ready, tasks })
  else {
    counts.ready += ready
    counts.tasks += tasks
  }
}

function countInTally(work: Work, session: SessionId, gate: Gate, change: number): void {
  let gates = work.counts.tally.get(session)
  if (gates === undefined) work.counts.tally.set(session, (gates = new Map<Gate, number>()))
  gates.set(gate, (gates.get(gate) ?? 0) + change)
}

/** The lane of a session's tasks for one origin; made when there is none. */
export function laneOf(store: Store, session: SessionId, origin: string): number {
  const found = store.get<{ id: number }>('select id from lane where session = ? and origin = ?', session, origin)
  return found?.id ?? store.insert('insert into lane(session, origin) values (?, ?)', session, origin)
}

/** Whom the task's next attempt asks first. */
export function originOfLane(store: Store, { lane }: Pick<TaskRow, 'lane'>): string | undefined {
  return store.get<{ origin: string }>('select origin from lane where id = ?', lane)?.origin
}

const inserted = [
  'uid',
  'session',
  'number',
  'key',
  'gate',
  'rank',
  'lane',
  'suspends',
  'blockers',
  'begin_at',
  'give_up_after',
  'retry_of',
  'revalidates',
  'created_at',
] as const
const insertTask = `insert into task(${inserted.join(', ')}) values (${inserted.map(() => '?').join(', ')})`

export type FreshTask = Pick<TaskRow, (typeof inserted)[number]>

/** Writes a new task and counts it. */
export function enter(work: Work, task: Omit<FreshTask, 'gate'>): TaskRow {
  const facts: Omit<TaskRow, 'id'> = { ...blank, ...task, gate: 'ready' }
  const row = { ...facts, gate: gateOf(facts) }
  const id = work.store.insert(insertTask, ...inserted.map((column) => row[column]))
  if (row.lane !== null) countInLane(work, row.lane, row.gate === 'ready' ? 1 : 0, 1)
  countInTally(work, row.session, row.gate, 1)
  if (row.gate === 'ready' || row.begin_at !== null) work.schedule = true
  work.sessions.add(row.session)
  work.changed.add(row.uid)
  return { ...row, id }
}

const blank = {
  running: null,
  outcome: null,
  held: 0,
  wait: null,
  wait_until: null,
  server_asked: 0,
  parked: 0,
  deadline_at: null,
  budget_left: null,
  wake_at: null,
  fence: 0,
  attempts: 0,
  failed: 0,
  failures: 0,
  restarts: 0,
  digest_failures: 0,
  redirects: 0,
  cancel_asked: 0,
  intent: null,
  received: 0,
  best: 0,
  total: null,
  last_progress_at: null,
  configuration: null,
  completed_at: null,
} as const satisfies Partial<TaskRow>

/** Takes a task that is deleted out of the counts. It must be done: then it stands in no lane. */
export function leave(work: Work, task: { readonly session: SessionId; readonly gate: Gate }): void {
  countInTally(work, task.session, task.gate, -1)
}

/** Writes lanes and tallies: before anyone looks at them, and before the commit. */
export function flush(store: Store, counts: Counts): void {
  for (const [lane, { ready, tasks }] of counts.lanes) {
    store.run(
      `update lane set ready = ready + ?1, tasks = tasks + ?2, (head_rank, head_task) =
         (select rank, id from task where lane = ?3 and gate = 'ready' order by rank, id limit 1) where id = ?3`,
      ready,
      tasks,
      lane,
    )
    // Also where as many came as left: it may have been made for a task that ended at once.
    if (tasks <= 0) store.run('delete from lane where id = ? and tasks = 0', lane)
  }
  counts.lanes.clear()
  for (const [session, gates] of counts.tally)
    for (const [gate, change] of gates)
      if (change !== 0)
        store.run(
          'insert into tally values (?, ?, ?) on conflict do update set n = n + excluded.n',
          session,
          gate,
          change,
        )
  counts.tally.clear()
}

/**
 * Computes gates, lanes and tallies anew from the facts.
 * @returns how many rows of each were wrong before
 */
export function recompute(store: Store): { readonly gates: number; readonly lanes: number; readonly tallies: number } {
  const wrong: (readonly [id: number, gate: Gate])[] = []
  // Ended tasks cannot go wrong in this way, and they are the many.
  store.each<GateFacts & Pick<TaskRow, 'id' | 'gate'>>(
    `select id, gate, outcome, running, intent, suspends, held, blockers, begin_at, wait from task where gate <> 'done'`,
    (task) => {
      const gate = gateOf(task)
      if (gate !== task.gate) wrong.push([task.id, gate])
    },
  )
  for (const [id, gate] of wrong) store.run('update task set gate = ? where id = ?', gate, id)
  const gates = wrong.length
  const counted = store.run(
    `update lane set (tasks, ready) = (should.tasks, should.ready), (head_rank, head_task) =
       (select rank, id from task where lane = should.id and gate = 'ready' order by rank, id limit 1)
     from (with live as materialized
             (select lane, count(*) tasks, sum(gate = 'ready') ready from task where gate <> 'done' group by lane)
           select id, coalesce(live.tasks, 0) tasks, coalesce(live.ready, 0) ready
           from lane l left join live on live.lane = l.id) should
     where lane.id = should.id and (lane.tasks, lane.ready, lane.head_task) is not
       (should.tasks, should.ready, (select id from task where lane = should.id and gate = 'ready' order by rank, id limit 1))`,
  )
  const lanes = counted + store.run('delete from lane where tasks = 0')
  const tallies =
    store.run(
      `insert into tally select session, gate, count(*) from task where true group by session, gate
       on conflict do update set n = excluded.n where n <> excluded.n`,
    ) +
    store.run(
      `delete from tally where n <> 0 and not exists
         (select 1 from task where task.session = tally.session and task.gate = tally.gate)`,
    )
  return { gates, lanes, tallies }
}
