/** The public, immutable picture of a task at one moment, made from the daemon's record. Pure. */
import { sep, join } from 'node:path'
import { LonghaulError } from '../contract/errors.ts'
import type { HeaderPairs, ProgressJson, RequestFacts, ResponseJson, TaskRecord } from '../contract/task.ts'
import type { Phase, TaskKind, TaskState } from '../contract/words.ts'

/** How far a transfer is. `fraction` is 0–1; `rate` is bytes per second and 0 when nothing moves; sizes are bytes. */
export interface Progress {
  readonly received: number
  readonly sent: number
  /** Absent while the size is not known. */
  readonly total?: number
  readonly fraction?: number
  readonly rate: number
  readonly etaMs?: number
}

/** A server's answer. */
export interface ResponseFacts {
  /** The final address, after redirects. */
  readonly url: string
  readonly status: number
  readonly headers: HeaderPairs
  /** The value of a header, by its name in any case; several are joined by a comma. */
  header(name: string): string | undefined
  /** A safe name made from Content-Disposition or the address. */
  readonly suggestedFilename?: string
}

export type TaskJson = { readonly [field: string]: unknown }

/** What is known of a task at one moment. Never changes; ask the handle for a newer one. */
export interface TaskSnapshot<M = undefined> {
  /** 26 characters, unique everywhere, sortable by time. */
  readonly id: string
  /** Unique in the session. */
  readonly taskIdentifier: number
  /** Identifier of the session. */
  readonly session: string
  readonly kind: TaskKind
  readonly state: TaskState
  readonly phase: Phase
  readonly taskDescription?: string
  readonly metadata: M
  readonly tags: readonly string[]
  readonly key?: string
  /** 0–1. */
  readonly priority: number
  readonly originalRequest: RequestFacts
  readonly currentRequest: RequestFacts
  readonly response?: ResponseFacts
  /** Why it ended without success. */
  readonly error?: LonghaulError
  readonly result?: {
    /** Absolute. */
    readonly path?: string
    /** 'sha-256:HEX', or another: the strongest that was expected or announced, and verified. */
    readonly digest?: string
    /** Whether the size, the last chunk or a digest proved that nothing is missing. */
    readonly lengthVerified: boolean
    /** The file that was there already is the newest. */
    readonly notModified: boolean
  }
  readonly countOfBytesReceived: number
  readonly countOfBytesExpectedToReceive?: number
  readonly countOfBytesSent: number
  readonly countOfBytesExpectedToSend?: number
  readonly progress: Progress
  /** Where the file goes: a path, with a separator at its end for a folder; absent when it waits in the spool. */
  readonly to?: string
  readonly createdAt: Date
  readonly completedAt?: Date
  /** The task whose bytes this one adopted. */
  readonly retryOf?: string
  /** What `longhaul ls --json` prints: dates as ISO texts. */
  toJSON(): TaskJson
}

/** `metadata` is whatever the app stored: only the app knows its type. */
export function snapshotOf<M>(record: TaskRecord): TaskSnapshot<M> {
  const to = destinationText(record)
  const { result, progress } = record
  const fields = {
    id: record.id,
    taskIdentifier: record.taskIdentifier,
    session: record.session,
    kind: record.kind,
    state: record.state,
    phase: record.phase,
    ...(record.description !== undefined && { taskDescription: record.description }),
    metadata: (record.metadata === undefined ? undefined : JSON.parse(record.metadata)) as M,
    tags: record.tags,
    ...(record.key !== undefined && { key: record.key }),
    priority: record.priority,
    originalRequest: record.originalRequest,
    currentRequest: record.currentRequest,
    ...(record.response !== undefined && { response: responseFacts(record.response) }),
    ...(record.error !== undefined && { error: LonghaulError.fromJSON(record.error) }),
    ...(result !== undefined && {
      result: {
        ...(result.path !== undefined && { path: result.path }),
        ...(result.digest !== undefined && { digest: result.digest }),
        lengthVerified: result.lengthVerified,
        notModified: result.notModified,
      },
    }),
    countOfBytesReceived: progress.received,
    ...(progress.total !== undefined && { countOfBytesExpectedToReceive: progress.total }),
    countOfBytesSent: progress.sent,
    progress: progressOf(progress),
    ...(to !== undefined && { to }),
    createdAt: new Date(record.createdAtMs),
    ...(record.completedAtMs !== undefined && { completedAt: new Date(record.completedAtMs) }),
    ...(record.retryOf !== undefined && { retryOf: record.retryOf }),
  }
  const snapshot: TaskSnapshot<M> = Object.defineProperty({ ...fields, toJSON: () => snapshotJson(fields) }, 'toJSON', {
    enumerable: false,
  })
  return Object.freeze(snapshot)
}

export function progressOf(json: ProgressJson): Progress {
  return json
}

export function responseFacts(json: ResponseJson): ResponseFacts {
  const header = (name: string): string | undefined => {
    const wanted = name.toLowerCase()
    const values = json.headers.filter(([field]) => field.toLowerCase() === wanted).map(([, value]) => value)
    return values.length === 0 ? undefined : values.join(', ')
  }
  return Object.freeze(Object.defineProperty({ ...json, header }, 'header', { enumerable: false }))
}

function snapshotJson(fields: object): TaskJson {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]: [string, unknown]) => [name, value instanceof Date ? value.toISOString() : value]),
  )
}

function destinationText({ destination }: TaskRecord): string | undefined {
  if (destination.kind === 'spool') return undefined
  if (destination.kind === 'file') return join(destination.folder, destination.name)
  return destination.folder.endsWith(sep) ? destination.folder : destination.folder + sep
}
