/** New tasks: enqueued, found again by their key or id, or made to retry one that has ended. */
import { digestText } from '../contract/digests.ts'
import { LonghaulError } from '../contract/errors.ts'
import type { Destination, NewTask, RequestFacts, TaskRecord } from '../contract/task.ts'
import type { FreshRequest } from '../contract/verbs.ts'
import type { TaskId } from '../contract/words.ts'
import type { CommandInput, CommandOutput, Folders, Moment } from './journal.ts'
import { dependencyError, endTask } from './endings.ts'
import { currentBoot, pathKey } from './files.ts'
import { reserve } from './places.ts'
import { enter, laneOf, settle } from './lanes.ts'
import {
  findRecord,
  findTask,
  maybe,
  parse,
  recordOf,
  type RecordRow,
  type StoredFolder,
  type TaskOptions,
  textOf,
} from './records.ts'
import type { SessionRow, TaskRow } from './rows.ts'
import { neededSession } from './sessions.ts'
import type { Store } from './store.ts'
import type { Work } from './work.ts'

/** A task that ended and is tried again by a new one. */
interface Earlier {
  readonly row: TaskRow
  /** A conditional request: what it left may still be the newest. */
  readonly revalidates: boolean
}

/** What stays the same for all tasks of one call. */
interface Batch {
  readonly work: Work
  readonly session: SessionRow
  readonly at: Moment
  readonly lanes: Map<string, number>
  /** What the folders of destinations are, by path. */
  readonly folders: ReadonlyMap<string, StoredFolder>
  nextNumber: number
}

/** A task of a call, and its record for whoever wants it: of a thousand rows nobody does, and to write them out costs. */
interface Added {
  readonly id: TaskId
  readonly isNew: boolean
  readonly record: () => TaskRecord
}

export function addTasks(work: Work, input: CommandInput<'addTasks'>): CommandOutput<'addTasks'> {
  return { tasks: addAll(work, input).map(({ isNew, record }) => ({ task: record(), isNew })) }
}

export function enqueueTasks(work: Work, input: CommandInput<'enqueueTasks'>): CommandOutput<'enqueueTasks'> {
  return { tasks: addAll(work, input).map(({ id, isNew }) => ({ id, isNew })) }
}

function addAll(work: Work, input: CommandInput<'addTasks'>): readonly Added[] {
  const { store } = work
  const session = neededSession(store, input.session)
  const folders = storedFolders(store, input.folders)
  const batch: Batch = { work, session, at: input.at, lanes: new Map(), folders, nextNumber: session.next_number }
  const tasks = input.tasks.map((task, index) => {
    try {
      return addTask(batch, task)
    } catch (error) {
      throw error instanceof LonghaulError ? withIndex(error, index) : error
    }
  })
  store.run('update session set next_number = ? where id = ?', batch.nextNumber, session.id)
  return tasks
}

function storedFolders(store: Store, folders: Folders = new Map()): ReadonlyMap<string, StoredFolder> {
  const boot = currentBoot(store)
  return new Map(Array.from(folders, ([path, identity]) => [path, { boot, identity }]))
}

function withIndex(error: LonghaulError, index: number): LonghaulError {
  return LonghaulError.fromJSON({ ...error.toJSON(), index })
}

function addTask(batch: Batch, task: NewTask): Added {
  const { store } = batch.work
  const repeated = store.get<{ session: number }>('select session from task where uid = ?', task.id)
  if (repeated !== undefined) {
    const record = repeated.session === batch.session.id ? findRecord(store, 't.uid = ?', task.id) : undefined
    if (record !== undefined) return { id: task.id, isNew: false, record: () => record }
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `id: ${task.id} is the id of a task in another session. Nothing was added.`,
    )
  }
  if (task.key === undefined) return newOne(batch, task, undefined)
  const row = store.get<TaskRow>('select * from task where session = ? and key = ?', batch.session.id, task.key)
  if (row === undefined) return newOne(batch, task, undefined)
  checkSameKey(store, row, task)
  const again = task.again === true
  const retries = row.outcome === 'failed' || (again && row.outcome !== null)
  if (!retries) {
    if (row.outcome === null) refresh(batch, row, task.request)
    return { id: row.uid, isNew: false, record: () => findRecord(store, 't.id = ?', row.id)! }
  }
  return newOne(batch, task, { row, revalidates: row.outcome === 'succeeded' })
}

function newOne(batch: Batch, task: NewTask, earlier: Earlier | undefined): Added {
  return { id: task.id, isNew: true, record: insertTask(batch, task, earlier) }
}

/** Fresh headers and a fresh query are welcome; another file is not. */
function checkSameKey(store: Store, row: TaskRow, task: NewTask): void {
  const text = textOf(store, row.id)
  const options = parse<TaskOptions>(text.options)
  const request = parse<RequestFacts>(text.request)
  const digests = (of: TaskOptions['expectedDigests']): string =>
    JSON.stringify([...new Set((of ?? []).map(digestText))].sort())
  const differs = [
    request.method !== task.request.method && 'method',
    withoutQuery(request.url) !== withoutQuery(task.request.url) && 'URL (but for its query)',
    placeOf(options.destination) !== placeOf(task.destination) && 'destination',
    digests(options.expectedDigests) !== digests(task.expectedDigests) && 'expectedDigest',
  ].filter((field) => field !== false)
  if (differs.length === 0) return
  throw new LonghaulError(
    'INVALID_ARGUMENT',
    `key: '${task.key}' belongs to task ${row.uid}, which has another ${differs.join(' and another ')}. Nothing was added. Use another key${row.outcome === null ? ', or cancel that task' : ''}.`,
    { task: row.uid },
  )
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '')
}

function placeOf(destination: Destination): string {
  return destination.kind === 'spool'
    ? 'spool'
    : JSON.stringify([destination.folder, destination.kind === 'file' ? destination.name : null])
}

function refresh(batch: Batch, row: TaskRow, request: RequestFacts): void {
  const { store } = batch.work
  const text = textOf(store, row.id)
  const next = JSON.stringify(request)
  if (next === (text.current_request ?? text.request)) return
  store.run('update task_text set current_request = ? where task = ?', next, row.id)
  batch.work.changed.add(row.uid)
}

function insertTask(batch: Batch, task: NewTask, earlier: Earlier | undefined): () => TaskRecord {
  const { work, session, at } = batch
  const { store } = work
  if (session.state !== 'open')
    throw new LonghaulError(
      'SESSION_INVALIDATED',
      `The session '${session.identifier}' was invalidated and takes no more tasks. Nothing was added.`,
    )
  if (task.destination.kind === 'spool' && session.keeps_events === 0)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `to: is missing. Nobody receives the events of the session '${session.identifier}' (no delegate, no launch command), so its files need a destination. Nothing was added.`,
    )
  const needs = (task.after ?? []).map((uid) => {
    const needed = findTask(store, uid)
    if (needed !== undefined) return needed
    throw new LonghaulError('INVALID_ARGUMENT', `after: there is no task ${uid}. Nothing was added.`)
  })
  if (earlier !== undefined && earlier.row.key !== null)
    store.run('update task set key = null where id = ?', earlier.row.id)
  const row = enter(work, {
    uid: task.id,
    session: session.id,
    number: batch.nextNumber,
    key: task.key ?? null,
    rank: -task.priority,
    lane: laneFor(batch, originOf(task.request.url)),
    suspends: task.start ? 0 : 1,
    blockers: needs.filter((needed) => needed.outcome === null).length,
    begin_at: task.earliestBeginMs !== undefined && task.earliestBeginMs > at.wallMs ? task.earliestBeginMs : null,
    give_up_after: task.giveUpAfterMs ?? null,
    retry_of: earlier?.row.id ?? null,
    revalidates: earlier?.revalidates === true ? 1 : 0,
    created_at: at.wallMs,
  })
  batch.nextNumber += 1
  const folder = task.destination.kind === 'spool' ? undefined : batch.folders.get(task.destination.folder)
  const options: TaskOptions = {
    destination: task.destination,
    ...(folder !== undefined && { folder }),
    ifExists: task.ifExists,
    umask: task.umask,
    ...(task.description !== undefined && { description: task.description }),
    ...(task.metadata !== undefined && { metadata: task.metadata }),
    ...(task.tags !== undefined && { tags: task.tags }),
    ...(task.key !== undefined && { key: task.key }),
    ...(task.expectedDigests !== undefined && { expectedDigests: task.expectedDigests }),
    ...(task.expectedLength !== undefined && { expectedLength: task.expectedLength }),
    policy: task.policy,
  }
  const text = { request: JSON.stringify(task.request), options: JSON.stringify(options) }
  store.run('insert into task_text(task, request, options) values (?, ?, ?)', row.id, text.request, text.options)
  if (task.destination.kind === 'file')
    reserveAtEnqueue(store, row, pathKey(task.destination.folder, task.destination.name), task)
  for (const needed of needs)
    if (needed.outcome === null) store.run('insert or ignore into dependency values (?, ?)', needed.id, row.id)
  if (earlier !== undefined) adopt(work, earlier.row, row, at)
  const failed = needs.find((needed) => needed.outcome === 'failed' || needed.outcome === 'cancelled')
  if (failed !== undefined)
    endTask(work, row, {}, at, { outcome: 'failed', error: dependencyError(store, row, failed) })
  if (earlier !== undefined || failed !== undefined) return () => findRecord(store, 't.id = ?', row.id)!
  const record: RecordRow = {
    ...row,
    ...text,
    current_request: null,
    response: null,
    error: null,
    result: null,
    delivered: null,
    identifier: session.identifier,
    retried: null,
    retried_by: null,
  }
  return () => recordOf(record)
}

function laneFor(batch: Batch, origin: string): number {
  let lane = batch.lanes.get(origin)
  if (lane === undefined) batch.lanes.set(origin, (lane = laneOf(batch.work.store, batch.session.id, origin)))
  return lane
}

/** @throws BAD_URL, UNSUPPORTED_URL */
export function originOf(url: string): string {
  const parsed = URL.parse(url)
  if (parsed === null)
    throw new LonghaulError(
      'BAD_URL',
      `url: ${JSON.stringify(url.slice(0, 80))} is not a valid URL. Nothing was changed.`,
    )
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')
    throw new LonghaulError(
      'UNSUPPORTED_URL',
      `url: the scheme ${parsed.protocol} is not supported. Nothing was changed.`,
    )
  return parsed.origin
}

/** `keepBoth` chooses its name later, when the one it wants is taken. */
function reserveAtEnqueue(store: Store, row: TaskRow, path: string, task: Pick<NewTask, 'ifExists'>): void {
  const busy = reserve(store, path, row.id)
  if (busy === undefined || task.ifExists === 'keepBoth') return
  throw new LonghaulError(
    'DESTINATION_BUSY',
    `Task ${busy} has not ended and writes to the same file (${path.replace('\0', '/')}). Nothing was added.`,
    { task: busy },
  )
}

/** The part, with its bytes and what proves them, goes over to the new task; the old one keeps its history. */
function adopt(work: Work, from: TaskRow, to: TaskRow, at: Moment): void {
  if (work.store.run('update part set task = ? where task = ?', to.id, from.id) === 0) return
  settle(work, to, { received: from.received, best: from.best, total: from.total }, at)
}

/** User and password of an address are not shown to the origin of another one. */
export function freshRequest(
  current: RequestFacts,
  { url = current.url, headers, authorization }: FreshRequest,
): RequestFacts {
  const { authorization: made, ...kept } = current
  if (headers !== undefined) return { ...kept, url, headers, ...(authorization !== undefined && { authorization }) }
  if (made === undefined || originOf(url) === originOf(current.url)) return { ...current, url }
  return { ...kept, url, headers: kept.headers.filter(([name]) => name.toLowerCase() !== 'authorization') }
}

export function retryTask(work: Work, input: CommandInput<'retryTask'>): CommandOutput<'retryTask'> {
  const { store } = work
  const repeated = findRecord(store, 't.uid = ?', input.newId)
  if (repeated !== undefined) return { task: repeated, isNew: false }
  const row = findTask(store, input.id)
  if (row === undefined)
    throw new LonghaulError('INVALID_ARGUMENT', `There is no task ${input.id}. Nothing was changed.`)
  if (row.outcome === null)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `Task ${input.id} has not ended, so there is nothing to retry. Use tryNow to end a wait, or resume. Nothing was changed.`,
      { task: input.id },
    )
  const text = textOf(store, row.id)
  const { key, folder, ...options } = parse<TaskOptions>(text.options)
  const current = maybe<RequestFacts>(text.current_request) ?? parse<RequestFacts>(text.request)
  const session = neededSession(store, row.session)
  const destination = input.destination ?? options.destination
  // The place stays what it was, unless somebody gives one, if only the same.
  const settled = new Map(destination.kind === 'spool' || folder === undefined ? [] : [[destination.folder, folder]])
  const folders = input.destination === undefined ? settled : storedFolders(store, input.folders)
  const batch: Batch = { work, session, at: input.at, lanes: new Map(), folders, nextNumber: session.next_number }
  const task: NewTask = {
    id: input.newId,
    kind: 'download',
    request: freshRequest(current, input),
    ...options,
    destination,
    // The key goes over, unless a newer task has it.
    ...(row.key !== null && key !== undefined && { key }),
    priority: 0 - row.rank,
    start: true,
    ...(row.give_up_after !== null && { giveUpAfterMs: row.give_up_after }),
  }
  // What was delivered to this place, and nobody touched, is not in the way: the server is asked whether it is still the newest.
  const revalidates = row.outcome === 'succeeded' && input.destination === undefined && input.url === undefined
  const record = insertTask(batch, task, { row, revalidates })()
  store.run('update session set next_number = ? where id = ?', batch.nextNumber, session.id)
  return { task: record, isNew: true }
}
