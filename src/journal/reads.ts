/** What is asked of the journal and changes nothing. Each answer costs by what it shows, not by how many tasks there are. */
import type { ErrorJson } from '../contract/errors.ts'
import type { AttemptJson } from '../contract/explanation.ts'
import type { TaskCounts, TaskRecord } from '../contract/task.ts'
import { answerWeight, fitting, weightOf } from '../contract/weight.ts'
import type { Proof, TaskId } from '../contract/words.ts'
import { configurationOf } from './configurations.ts'
import type { ActiveTask, CommandInput, CommandOutput, LaneHead, Moment, ScheduleView } from './journal.ts'
import { metricsOf } from './endings.ts'
import { fileName, nameColumns, type Names } from './file-name.ts'
import { currentBoot, partOf, partRow } from './files.ts'
import { goOn, type GoOn } from './go-on.ts'
import {
  findRecord,
  findTask,
  groupOf,
  maybe,
  recordColumns,
  recordOf,
  recordTables,
  type RecordRow,
} from './records.ts'
import type { SessionRow, TaskRow } from './rows.ts'
import { select } from './selection.ts'
import { factsOf, sessionRow, tallied } from './sessions.ts'
import type { Store } from './store.ts'
import type { Work } from './work.ts'

/** Beside those that run something: only they can be at limits of their own, and have nothing to start for that. */
const sessionsSeen = 64
const aheadCounted = 10_000
/** Rows that one step of a filtered read looks at. */
const lookRows = 5000
/** Tasks that a word may mean. */
const mostFound = 20

export function schedule(work: Work, input: CommandInput<'schedule'>): CommandOutput<'schedule'> {
  const { store } = work
  const fetched: ReadonlySet<TaskId> = new Set(input.fetched)
  const active = store
    .all<{ uid: TaskId; session: number; running: TaskRow['running']; origin: string }>(
      `select uid, task.session, running, origin from task join lane on lane.id = task.lane where running is not null`,
    )
    .map(({ uid, session, running, origin }): ActiveTask => ({
      task: uid,
      session,
      ...(running !== 'publishing' && !fetched.has(uid) && { origin }),
    }))
  const mostSeen = sessionsSeen + new Set(active.map(({ session }) => session)).size
  // Whoever has only what an origin holds back stays unserved for longest, and would stand before all others until that ends.
  const sessions = store.all<SessionRow>(
    `select * from session where identifier is not null and exists
       (select 1 from lane where lane.session = session.id and ready > 0)
     order by held, not exists
       (select 1 from lane where lane.session = session.id and ready > 0 and origin not in
         (select origin from closed where reopen_at > ? union all select value from json_each(?))),
       last_start limit ?`,
    input.at.steadyMs,
    JSON.stringify(input.full ?? []),
    mostSeen,
  )
  const open = sessions.map((session) => heads(store, session.id, input, 'open'))
  const openLanes = open.reduce((sum, lanes) => sum + lanes.length, 0)
  const { total = 0, perOrigin = 0, ahead = 0, closing = 0 } = input.places ?? {}
  const each = Math.ceil((total - active.length + ahead) / Math.max(1, openLanes))
  const lanes = sessions.flatMap((session, index) => {
    const perLane = Math.min(perOrigin, configurationOf(store, session.configuration).maximumConnectionsPerHost)
    const withNext = open[index]!.flatMap((lane) => {
      const there = active.filter((task) => task.session === lane.session && task.origin === lane.origin).length
      const behind = Math.min(each, perLane - there + ahead) - 1 + closing
      return [lane, ...(behind > 0 && lane.ready > 1 ? next(store, lane, behind) : [])]
    })
    return [...withNext, ...heads(store, session.id, input, 'closed')]
  })
  const wakeAtMs = nextWake(store, input.at)
  return {
    sessions: sessions.map((row) => {
      const { maximumActiveTasks, maximumConnectionsPerHost } = configurationOf(store, row.configuration)
      return {
        session: row.id,
        maximumActiveTasks,
        maximumConnectionsPerHost,
        held: row.held !== 0,
        lastStart: row.last_start,
      }
    }),
    lanes,
    isCut: sessions.length === mostSeen || open.some(({ length }) => length === input.lanesPerSession),
    active,
    ...(wakeAtMs !== undefined && { wakeAtMs }),
    backingOff: isBackingOff(store),
  }
}

/** As a change of network finds them (`wake`); mostly there is none at all, which is known sooner. */
function isBackingOff(store: Store): boolean {
  if (store.get("select 1 from tally where gate = 'backoff' and n > 0 limit 1") === undefined) return false
  return (
    store.get(
      `select 1 from task where wake_at is not null and gate = 'backoff' and server_asked = 0 and parked = 0 limit 1`,
    ) !== undefined
  )
}

function heads(
  store: Store,
  session: number,
  input: CommandInput<'schedule'>,
  which: 'open' | 'closed',
): readonly LaneHead[] {
  interface Head {
    readonly origin: string
    readonly uid: TaskId
    readonly head_rank: number
    readonly ready: number
    readonly reopen_at: number | null
  }
  // Few origins are closed: those are looked up by name; the open ones are read in order, past the few that are closed.
  const from =
    which === 'open'
      ? 'lane left join closed on closed.origin = lane.origin'
      : 'closed cross join lane on lane.origin = closed.origin'
  const rows = store.all<Head>(
    `select lane.origin, uid, head_rank, ready, reopen_at from ${from} join task on task.id = head_task
     where lane.session = ? and ready > 0 and coalesce(reopen_at, 0) ${which === 'open' ? '<=' : '>'} ?
     order by head_rank, head_task limit ?`,
    session,
    input.at.steadyMs,
    input.lanesPerSession,
  )
  return rows.map((row) => ({
    session,
    origin: row.origin,
    task: row.uid,
    priority: 0 - row.head_rank,
    ready: row.ready,
    ...(which === 'closed' && { closedUntilMs: row.reopen_at! }),
  }))
}

/** Who comes after the head of a lane, in order: with them one look at the journal fills all places that are free. */
function next(store: Store, head: LaneHead, most: number): readonly LaneHead[] {
  return store
    .all<{ uid: TaskId; rank: number }>(
      `select uid, rank from task where gate = 'ready' and lane = (select id from lane where session = ? and origin = ?)
       order by rank, id limit ? offset 1`,
      head.session,
      head.origin,
      most,
    )
    .map(({ uid, rank }) => ({ ...head, task: uid, priority: 0 - rank }))
}

function nextWake(store: Store, at: Moment): ScheduleView['wakeAtMs'] {
  const due = store.get<{ wake: number | null; begin: number | null; reopen: number | null; sweeps: number }>(
    `select (select min(wake_at) from task where wake_at is not null) wake,
       (select min(begin_at) from task where begin_at is not null) begin,
       (select min(reopen_at) from closed) reopen,
       exists(select 1 from sweep where kind <> 'gone') sweeps`,
  )!
  const times = [
    due.wake,
    due.begin === null ? null : at.steadyMs + due.begin - at.wallMs,
    due.reopen,
    due.sweeps === 0 ? null : at.steadyMs,
  ].filter((time) => time !== null)
  return times.length === 0 ? undefined : Math.min(...times)
}

export function getTask(work: Work, input: CommandInput<'getTask'>): CommandOutput<'getTask'> {
  return 'id' in input
    ? findRecord(work.store, 't.uid = ?', input.id)
    : findRecord(work.store, 't.session = ? and t.number = ?', input.session, input.taskIdentifier)
}

/** How far tasks were looked through for a name: from the newest on. */
interface Looked {
  readonly before: number
  readonly found: readonly number[]
}

/** By id, by its last 4–26 characters, by a unique prefix of the file name, by `session/number`, or `@last`. */
export function findTasks(
  work: Work,
  { text, looked }: CommandInput<'findTasks'> & { readonly looked?: Looked },
): CommandOutput<'findTasks'> | GoOn {
  const { store } = work
  if (looked !== undefined) return findNamed(store, text, looked)
  if (text === '@last') return records(store, 'true order by t.id desc limit 1')
  const numbered = /^(.+)\/(\d+)$/s.exec(text)
  if (numbered !== null) {
    const found = records(store, 's.identifier = ? and t.number = ?', numbered[1]!, Number(numbered[2]))
    if (found.length > 0) return found
  }
  if (/^[0-9A-Za-z]{4,26}$/.test(text)) {
    const found = records(store, `t.uid like '%' || ? order by t.id desc limit ?`, text, mostFound)
    if (found.length > 0) return found
  }
  return text === '' ? [] : findNamed(store, text, { before: Number.MAX_SAFE_INTEGER, found: [] })
}

function findNamed(store: Store, text: string, { before, found }: Looked): CommandOutput<'findTasks'> | GoOn {
  const rows = store.all<Names & { readonly id: number }>(
    `select t.id, ${nameColumns} from ${recordTables} where t.id < ? order by t.id desc limit ?`,
    before,
    lookRows,
  )
  const named = rows.filter((row) => fileName(row).startsWith(text)).map(({ id }) => id)
  const all = [...found, ...named].slice(0, mostFound)
  if (rows.length === lookRows && all.length < mostFound)
    return goOn({ text, looked: { before: rows.at(-1)!.id, found: all } })
  return records(store, 't.id in (select value from json_each(?)) order by t.id desc', JSON.stringify(all))
}

function records(store: Store, where: string, ...values: (string | number)[]): readonly TaskRecord[] {
  const found = store.all<RecordRow>(`select ${recordColumns} from ${recordTables} where ${where}`, ...values)
  return fitting(found.map(recordOf))
}

type Page = CommandOutput<'page'>

export function page(
  work: Work,
  input: CommandInput<'page'> & { readonly gathered?: readonly TaskRecord[] },
): Page | GoOn {
  const tasks = [...(input.gathered ?? [])]
  const wantsEnded = input.completed || input.filter.group === 'completed' || input.filter.outcome !== undefined
  const found = select(work.store, {
    session: input.session,
    filter: input.filter,
    completed: wantsEnded ? 'only' : 'not',
    sinceMs: input.sinceMs,
    after: Number(input.cursor ?? 0),
    look: isNarrow(input.filter) ? lookRows : input.limit - tasks.length,
  })
  let weight = tasks.reduce((sum, task) => sum + weightOf(task), 0)
  for (const row of found.rows) {
    const record = recordOf(row)
    weight += weightOf(record)
    if (tasks.length >= input.limit || (weight > answerWeight && tasks.length > 0))
      return { tasks, cursor: String(lastOf(work.store, tasks)) }
    tasks.push(record)
  }
  if (found.next === undefined) return { tasks }
  const cursor = String(found.next)
  return tasks.length >= input.limit || weight > answerWeight
    ? { tasks, cursor }
    : goOn({ ...input, cursor, gathered: tasks })
}

function lastOf(store: Store, tasks: readonly TaskRecord[]): number {
  return store.get<{ id: number }>('select id from task where uid = ?', tasks.at(-1)!.id)!.id
}

function isNarrow({ tag, host, match, group }: CommandInput<'page'>['filter']): boolean {
  return tag !== undefined || host !== undefined || match !== undefined || group !== undefined
}

export function counts(
  work: Work,
  input: CommandInput<'counts'> & { readonly progress?: { readonly after: number; readonly sofar: TaskCounts } },
): TaskCounts | GoOn {
  const { filter } = input
  if (filter === undefined || Object.values(filter).every((value) => value === undefined))
    return tallied(work.store, input.session)
  const { after, sofar } = input.progress ?? { after: 0, sofar: none }
  const found = select(work.store, { session: input.session, filter, completed: 'too', after, look: lookRows })
  const sum = { ...sofar }
  for (const row of found.rows) sum[groupOf(row.gate)] += 1
  return found.next === undefined ? sum : goOn({ ...input, progress: { after: found.next, sofar: sum } })
}

const none: TaskCounts = { suspended: 0, held: 0, queued: 0, waiting: 0, active: 0, completed: 0 }

export function taskEnd(work: Work, input: CommandInput<'taskEnd'>): CommandOutput<'taskEnd'> {
  const row = findTask(work.store, input.id)
  if (row === undefined || row.outcome === null) return undefined
  return { task: findRecord(work.store, 't.id = ?', row.id)!, metrics: metricsOf(work, row) }
}

export function explainFacts(work: Work, input: CommandInput<'explainFacts'>): CommandOutput<'explainFacts'> {
  const { store } = work
  const row = findTask(store, input.id)
  if (row === undefined) return undefined
  const record = findRecord(store, 't.id = ?', row.id)!
  const attempts = attemptsOf(store, row.id, input.at)
  const part = partRow(store, row.id)
  const lane =
    row.lane === null
      ? undefined
      : store.get<{ reopen_at: number }>(
          'select reopen_at from closed where origin = (select origin from lane where id = ?)',
          row.lane,
        )
  const lastCause = record.error ?? attempts.findLast((attempt) => attempt.cause !== undefined)?.cause
  return {
    record,
    session: factsOf(store, sessionRow(store, row.session)!),
    gate: row.gate,
    origin: URL.parse(record.currentRequest.url)?.origin ?? '',
    suspends: row.suspends,
    held: row.held !== 0,
    ...(row.wait !== null && row.wait_until !== null && { wakeAtMs: row.wait_until }),
    ...(row.begin_at !== null && { beginAtWallMs: row.begin_at }),
    ...(row.deadline_at !== null && { deadlineAtMs: row.deadline_at }),
    serverAsked: row.server_asked !== 0,
    parked: row.parked !== 0,
    unmet: unmet(store, row.id),
    ...(lane !== undefined && { laneClosedUntilMs: lane.reopen_at }),
    ahead: ahead(store, row),
    ...(part !== undefined && { part: partOf(part, currentBoot(store)) }),
    attempts: attempts.map(withoutBody),
    ...(lastCause !== undefined && { lastCause }),
  }
}

/** What servers wrote beneath each refusal would be more than one answer has room for. */
function withoutBody(attempt: AttemptJson): AttemptJson {
  if (attempt.cause?.body === undefined) return attempt
  const { body: _, ...cause } = attempt.cause
  return { ...attempt, cause }
}

function ahead(store: Store, row: TaskRow): number {
  if (row.gate !== 'ready') return 0
  return store.get<{ n: number }>(
    `select count(*) n from (select 1 from task where lane = ? and gate = 'ready' and (rank, id) < (?, ?) limit ?)`,
    row.lane,
    row.rank,
    row.id,
    aheadCounted,
  )!.n
}

function unmet(store: Store, task: number): readonly TaskId[] {
  return store
    .all<{ uid: TaskId }>(
      'select uid from dependency join task on task.id = needs where dependency.task = ? order by needs limit 100',
      task,
    )
    .map(({ uid }) => uid)
}

function attemptsOf(store: Store, task: number, at: Moment): readonly AttemptJson[] {
  interface Row {
    readonly number: number
    readonly started_wall: number
    readonly started_steady: number
    readonly took: number | null
    readonly bytes: number
    readonly proof: Proof | null
    readonly cause: string | null
  }
  return store.all<Row>('select * from attempt where task = ? order by number', task).map((row) => {
    const cause = maybe<ErrorJson>(row.cause)
    return {
      number: row.number,
      startedAtMs: row.started_wall,
      tookMs: row.took ?? Math.max(0, at.steadyMs - row.started_steady),
      bytes: row.bytes,
      ...(row.proof !== null && { proof: row.proof }),
      ...(cause !== undefined && { cause }),
    }
  })
}

export function idle(work: Work): CommandOutput<'idle'> {
  const row = work.store.get<{ n: number | null }>(
    `select sum(n) n from tally join session on session.id = session and identifier is not null and held = 0
     where gate not in ('suspended', 'held', 'done')`,
  )
  return { unfinished: row?.n ?? 0 }
}
