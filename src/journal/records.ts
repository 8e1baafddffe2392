/** A task as everybody else sees it, built from its rows. */
import type { PartIdentity } from '../contract/bytes.ts'
import type { ErrorJson } from '../contract/errors.ts'
import type {
  Destination,
  NewTask,
  RequestFacts,
  ResponseJson,
  TaskCounts,
  TaskPolicy,
  TaskRecord,
  TaskResult,
} from '../contract/task.ts'
import { type Gate, phaseOf, type TaskId, type TaskState } from '../contract/words.ts'
import type { TaskRow, TextRow } from './rows.ts'
import type { Store, Value } from './store.ts'

/** With the boot in which its device number holds. */
export interface StoredFolder {
  readonly boot: string
  readonly identity: PartIdentity
}

/** What is kept of a task but never searched. */
export interface TaskOptions {
  readonly destination: Destination
  /** What its folder was when that was settled; absent: nobody looked. */
  readonly folder?: StoredFolder
  readonly ifExists: NewTask['ifExists']
  readonly umask: number
  readonly description?: string
  readonly metadata?: string
  readonly tags?: readonly string[]
  readonly key?: string
  readonly expectedDigests?: NonNullable<NewTask['expectedDigests']>
  readonly expectedLength?: number
  readonly policy: TaskPolicy
}

/** A row with all that a record shows. */
export interface RecordRow extends TaskRow, TextRow {
  readonly identifier: string
  readonly retried: TaskId | null
  readonly retried_by: TaskId | null
}

export const recordColumns =
  't.*, x.request, x.current_request, x.options, x.response, x.error, x.result, x.delivered, s.identifier, r.uid as retried, (select n.uid from task n where n.retry_of = t.id order by n.id desc limit 1) as retried_by'
/** The inner joins of {@link recordColumns}: tasks of a session that is gone are not found. */
export const recordTables = `task t join task_text x on x.task = t.id join session s on s.id = t.session and s.identifier is not null
  left join task r on r.id = t.retry_of`

export function parse<T>(json: string): T {
  return JSON.parse(json) as T
}

export function maybe<T>(json: string | null): T | undefined {
  return json === null ? undefined : (JSON.parse(json) as T)
}

export function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}

export function recordOf(row: RecordRow): TaskRecord {
  const options = parse<TaskOptions>(row.options)
  const originalRequest = parse<RequestFacts>(row.request)
  const response = maybe<ResponseJson>(row.response)
  const error = maybe<ErrorJson>(row.error)
  const result = maybe<TaskResult>(row.result)
  const received = result === undefined ? row.received : result.bytes
  const total = row.total ?? result?.bytes
  return {
    id: row.uid,
    taskIdentifier: row.number,
    session: row.identifier,
    kind: 'download',
    state: stateOf(row),
    phase: phaseOf(row.gate),
    gate: row.gate,
    ...(options.description !== undefined && { description: options.description }),
    ...(options.metadata !== undefined && { metadata: options.metadata }),
    tags: options.tags ?? [],
    ...(options.key !== undefined && { key: options.key }),
    priority: 0 - row.rank,
    originalRequest,
    currentRequest: maybe<RequestFacts>(row.current_request) ?? originalRequest,
    ...(response !== undefined && { response }),
    ...(error !== undefined && { error }),
    ...(result !== undefined && { result }),
    progress: {
      received,
      sent: 0,
      ...(total !== undefined && { total, fraction: total === 0 ? 1 : Math.min(1, received / total) }),
      rate: 0,
    },
    destination: options.destination,
    attempts: row.attempts,
    createdAtMs: row.created_at,
    ...(row.completed_at !== null && { completedAtMs: row.completed_at }),
    ...(row.retried !== null && { retryOf: row.retried }),
    ...(row.retried_by !== null && { retriedBy: row.retried_by }),
  }
}

function stateOf(row: TaskRow): TaskState {
  if (row.gate === 'done') return 'completed'
  if (row.cancel_asked !== 0) return 'canceling'
  return row.gate === 'suspended' || row.gate === 'held' ? 'suspended' : 'running'
}

export function groupOf(gate: Gate): keyof TaskCounts {
  const phase = phaseOf(gate)
  switch (phase) {
    case 'queued':
    case 'waiting':
    case 'suspended':
    case 'held':
    case 'completed':
      return phase
    default:
      return 'active'
  }
}

export function findRecord(store: Store, where: string, ...values: Value[]): TaskRecord | undefined {
  const row = store.get<RecordRow>(`select ${recordColumns} from ${recordTables} where ${where}`, ...values)
  return row === undefined ? undefined : recordOf(row)
}

export function findTask(store: Store, uid: TaskId): TaskRow | undefined {
  return store.get<TaskRow>(
    'select t.* from task t join session s on s.id = t.session and s.identifier is not null where uid = ?',
    uid,
  )
}

export function optionsOf(store: Store, task: number): TaskOptions {
  return parse<TaskOptions>(
    store.get<Pick<TextRow, 'options'>>('select options from task_text where task = ?', task)!.options,
  )
}

export function textOf(store: Store, task: number): TextRow {
  return store.get<TextRow>('select * from task_text where task = ?', task)!
}
