/**
 * Durable events: numbered in the commit of the change that causes them, counted up at each delivery, deleted when
 * acknowledged. Numbers are consecutive in a session and never given twice.
 */
import type { Delivered, Representation } from '../contract/bytes.ts'
import type { DurableBodies, DurableEventJson } from '../contract/events.ts'
import type { TaskRecord } from '../contract/task.ts'
import { weightOf } from '../contract/weight.ts'
import type { DurableKind } from '../contract/words.ts'
import type { CommandInput, CommandOutput, Moment, SessionId } from './journal.ts'
import { owe } from './files.ts'
import { findRecord, parse } from './records.ts'
import type { SessionRow } from './rows.ts'
import type { Store } from './store.ts'
import type { Work } from './work.ts'

/** What one answer of `takeEvents` may weigh, beside its first event. */
const mostWeight = 1 << 20
/** A spooled file stays this long after its acknowledgement. */
const spoolKeptMs = 24 * 3_600_000

interface EventRow {
  readonly sequence: number
  readonly task: number | null
  readonly kind: DurableKind
  readonly body: string
  readonly time: number
  readonly deliveries: number
}

/** Writes an event; nothing for a session that keeps none. */
export function publish<K extends DurableKind>(
  work: Work,
  session: SessionId,
  at: Moment,
  event: { readonly kind: K; readonly task: number | null; readonly body: DurableBodies[K] },
): void {
  const sequence = takeNumber(work, session, event.kind)
  if (sequence === undefined) return
  work.store.run(
    'insert into event(session, sequence, task, kind, body, time) values (?, ?, ?, ?, ?, ?)',
    session,
    sequence,
    event.task,
    event.kind,
    JSON.stringify(event.body),
    at.wallMs,
  )
  work.events.add(session)
  work.sessions.add(session)
}

function takeNumber(work: Work, session: SessionId, kind: DurableKind): number | undefined {
  let numbers = work.numbers.get(session)
  if (numbers === undefined) {
    const row = work.store.get<{ next: number }>(
      'select next_sequence as next from session where id = ? and keeps_events = 1',
      session,
    )
    numbers = row === undefined ? 'none' : { next: row.next, taken: 0, completions: 0 }
    work.numbers.set(session, numbers)
  }
  if (numbers === 'none') return undefined
  numbers.taken += 1
  if (kind === 'didComplete') numbers.completions += 1
  return numbers.next++
}

/** Writes which numbers were taken. Last act of every command. */
export function flushNumbers(work: Work): void {
  for (const [session, numbers] of work.numbers) {
    if (numbers === 'none') continue
    work.store.run(
      'update session set next_sequence = ?, events = events + ?, waiting_tasks = waiting_tasks + ? where id = ?',
      numbers.next,
      numbers.taken,
      numbers.completions,
      session,
    )
  }
  work.numbers.clear()
}

export function owns(work: Work, session: SessionId, fence: number): boolean {
  const row = work.store.get<Pick<SessionRow, 'owner_fence'>>(
    'select owner_fence from session where id = ? and identifier is not null',
    session,
  )
  return row?.owner_fence === fence
}

export function takeEvents(work: Work, input: CommandInput<'takeEvents'>): CommandOutput<'takeEvents'> {
  const { store } = work
  if (!owns(work, input.session, input.fence)) return { found: 'fenced' }
  const rows = store.all<EventRow>(
    'select * from event where session = ? and sequence > ? order by sequence limit ?',
    input.session,
    input.after,
    input.limit,
  )
  const recordOfTask = rememberRecords(store)
  const events: DurableEventJson[] = []
  let weight = 0
  for (const row of rows) {
    const task = row.task === null ? undefined : recordOfTask(row.task)
    // With the record, which says how its task has ended once more.
    weight += Buffer.byteLength(row.body) + (task?.weight ?? 0)
    if (events.length > 0 && weight > mostWeight) break
    events.push(eventOf(row, task?.record))
  }
  const last = events.at(-1)
  if (last !== undefined)
    store.run(
      'update event set deliveries = deliveries + 1 where session = ? and sequence > ? and sequence <= ?',
      input.session,
      input.after,
      last.sequence,
    )
  return { found: 'taken', events, more: events.length < rows.length || rows.length === input.limit }
}

interface WeighedRecord {
  readonly record: TaskRecord
  readonly weight: number
}

/** The events of a task come one behind the other: its record is read and weighed once for them. */
function rememberRecords(store: Store): (task: number) => WeighedRecord | undefined {
  const known = new Map<number, WeighedRecord | undefined>()
  return (task) => {
    if (!known.has(task)) {
      const record = findRecord(store, 't.id = ?', task)
      known.set(task, record && { record, weight: weightOf(record) })
    }
    return known.get(task)
  }
}

function eventOf(row: EventRow, task: TaskRecord | undefined): DurableEventJson {
  return {
    kind: row.kind,
    sequence: row.sequence,
    redelivered: row.deliveries > 0,
    timeMs: row.time,
    ...(task !== undefined && { task }),
    body: parse<never>(row.body),
  }
}

export function acknowledge(work: Work, input: CommandInput<'acknowledge'>): CommandOutput<'acknowledge'> {
  const { store } = work
  const { session } = input
  if (!owns(work, session, input.fence)) return { found: 'fenced' }
  let acknowledged = 0
  let completions = 0
  let over = false
  for (const sequence of new Set(input.sequences.toSorted((a, b) => a - b))) {
    const row = store.get<EventRow>(
      // An event that never left cannot have been dealt with, whatever a client says. The last event of a session takes all
      // others with it, so it is acknowledged last or not at all.
      `delete from event where session = ? and sequence = ? and deliveries > 0 and (kind <> 'didBecomeInvalid' or not exists
         (select 1 from event other where other.session = event.session
            and other.kind not in ('didBecomeInvalid', 'didFinishEvents')))
       returning *`,
      session,
      sequence,
    )
    if (row === undefined) continue
    acknowledged += 1
    if (row.kind === 'didComplete') completions += 1
    if (row.kind === 'didFinishDownloading' && row.task !== null)
      oweSpooled(work, row.task, row.body, input.at.steadyMs + spoolKeptMs)
    if (row.kind === 'didBecomeInvalid') over = true
  }
  if (acknowledged > 0) {
    store.run(
      'update session set events = events - ?, waiting_tasks = waiting_tasks - ? where id = ?',
      acknowledged,
      completions,
      session,
    )
    work.sessions.add(session)
  }
  if (over) loseSession(work, session)
  return { found: 'recorded', acknowledged }
}

/** The spooled file of a delivered event is unlinked in time; where the app has moved it, there is nothing to unlink. */
export function oweSpooled(work: Work, task: number, body: string, dueMs: number): boolean {
  if (!parse<DurableBodies['didFinishDownloading']>(body).spooled) return false
  const text = work.store.get<{ delivered: string | null }>('select delivered from task_text where task = ?', task)
  if (text === undefined || text.delivered === null) return false
  const { boot, file } = parse<StoredDelivered>(text.delivered)
  owe(work, { folder: file.folder, name: file.name, identity: JSON.stringify(file.identity), boot }, dueMs)
  return true
}

/** What a task left, with the boot in which its device number holds. */
export interface StoredDelivered {
  readonly boot: string
  readonly file: Delivered
  readonly representation?: Representation
  readonly digest?: string
}

/**
 * Frees the identifier at once; the rows follow in steps. The fence goes on from where it was: an acknowledgement that was
 * meant for this session must not fit the next one of its name.
 */
export function loseSession(work: Work, session: SessionId): void {
  const { store } = work
  store.run(
    `insert into meta select 'owner fence', owner_fence from session where id = ?
     on conflict do update set value = max(value, excluded.value)`,
    session,
  )
  store.run(
    `update session set identifier = null, state = 'invalid', events = 0, became_invalid = 1 where id = ?`,
    session,
  )
  store.run('delete from secret where session = ?', session)
  store.run(`insert or ignore into sweep values ('gone', ?)`, session)
  work.sessions.add(session)
  work.gone.add(session)
}

export function queueDidFinishEvents(
  work: Work,
  input: CommandInput<'queueDidFinishEvents'>,
): CommandOutput<'queueDidFinishEvents'> {
  if (!owns(work, input.session, input.fence)) return { found: 'fenced' }
  const waiting = work.store.get(
    `select 1 from event where session = ? and kind = 'didFinishEvents' limit 1`,
    input.session,
  )
  if (waiting === undefined)
    publish(work, input.session, input.at, { kind: 'didFinishEvents', task: null, body: { blocked: input.blocked } })
  return { found: 'recorded' }
}
