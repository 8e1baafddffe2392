/**
 * Download options as a user writes them, turned into the plain record that the daemon keeps. Everything is checked here,
 * before anything is enqueued; only the destination needs the disk and is resolved by the caller. Pure.
 */
import {
  type Destination,
  type DownloadOptions,
  type IfExists,
  type NewTask,
  type RequestFacts,
  type TaskPolicy,
} from '../contract/task.ts'
import { bytesPerSecond } from '../contract/units.ts'
import { isTaskId, type TaskId } from '../contract/words.ts'
import { expectedDigests } from './digests.ts'
import { checkNames, invalid, isFields, notYet, shown } from './known-names.ts'
import { flag, positiveDurationMs, retryPolicy, statusRules, tlsOptions, wholeNumber } from './policies.ts'
import { proxyChoice } from './proxy-choice.ts'

const nothingAdded = 'Nothing was added.'
/** Bytes of JSON that an app may keep with a task. */
const metadataLimit: number = 64 * 1024

const known: readonly (keyof DownloadOptions<unknown>)[] = [
  'to',
  'ifExists',
  'taskDescription',
  'metadata',
  'tags',
  'key',
  'priority',
  'earliestBeginDate',
  'after',
  'expectedDigest',
  'expectedLength',
  'timeoutIntervalForRequest',
  'timeoutIntervalForResource',
  'retry',
  'acceptableStatusCodes',
  'tls',
  'proxy',
  'keepHeadersAcrossOrigins',
  'allowPrivateRedirects',
  'maximumSegments',
  'bandwidthLimit',
]
const later: readonly string[] = [
  'discretionary',
  'allowsExpensiveNetworkAccess',
  'allowsConstrainedNetworkAccess',
  'countOfBytesClientExpectsToSend',
  'countOfBytesClientExpectsToReceive',
]
const existing: readonly IfExists[] = ['replace', 'keepBoth', 'fail', 'skip', 'revalidate']

/** What {@link newTask} cannot know by itself. */
export interface TaskMaking {
  readonly id: TaskId
  readonly request: RequestFacts
  readonly destination: Destination
  readonly umask: number
  readonly start: boolean
}

/** Names first, so that a misspelt option is told before a folder is made for the destination. @throws INVALID_ARGUMENT */
export function checkDownloadOptions(options: unknown, more: readonly string[] = []): void {
  if (!isFields(options)) throw invalid('options', `${shown(options)} is not an object`, nothingAdded)
  checkNames(options, 'download options', { known: [...known, ...more], later }, nothingAdded)
}

/** @throws INVALID_ARGUMENT naming the option; a name that is not known is the affair of {@link checkDownloadOptions} */
export function newTask(options: DownloadOptions<unknown>, making: TaskMaking): NewTask {
  const { taskDescription: description, key, tags, after } = options
  const digests = options.expectedDigest === undefined ? undefined : expectedDigests(options.expectedDigest)
  const metadata = metadataText(options.metadata)
  return {
    id: making.id,
    kind: 'download',
    request: making.request,
    destination: making.destination,
    ifExists: ifExistsOf(options.ifExists, making.destination),
    umask: making.umask,
    start: making.start,
    priority: priorityOf(options.priority),
    policy: policyOf(options),
    ...(description !== undefined && { description: text(description, 'taskDescription', 4096) }),
    ...(metadata !== undefined && { metadata }),
    ...(tags !== undefined && { tags: texts(tags, 'tags', 255) }),
    ...(key !== undefined && { key: text(key, 'key', 1024) }),
    ...(options.earliestBeginDate !== undefined && { earliestBeginMs: dateMs(options.earliestBeginDate) }),
    ...(after !== undefined && { after: taskIds(after) }),
    ...(digests !== undefined && { expectedDigests: digests }),
    ...(options.expectedLength !== undefined && {
      expectedLength: wholeNumber(
        options.expectedLength,
        'expectedLength',
        { from: 0, to: Number.MAX_SAFE_INTEGER },
        nothingAdded,
      ),
    }),
  }
}

/** @throws INVALID_ARGUMENT */
export function priorityOf(value: unknown): number {
  if (value === undefined) return 0.5
  if (typeof value !== 'number' || !(value >= 0 && value <= 1))
    throw invalid('priority', `${shown(value)} is not a number from 0 to 1`, nothingAdded)
  return value
}

function policyOf(options: DownloadOptions<unknown>): TaskPolicy {
  return {
    ...(options.timeoutIntervalForRequest !== undefined && {
      timeoutIntervalForRequestMs: positiveDurationMs(
        options.timeoutIntervalForRequest,
        'timeoutIntervalForRequest',
        nothingAdded,
      ),
    }),
    ...(options.timeoutIntervalForResource !== undefined && {
      timeoutIntervalForResourceMs: positiveDurationMs(
        options.timeoutIntervalForResource,
        'timeoutIntervalForResource',
        nothingAdded,
      ),
    }),
    ...(options.retry !== undefined && { retry: retryPolicy(options.retry, 'retry', nothingAdded) }),
    ...(options.acceptableStatusCodes !== undefined && {
      acceptableStatusCodes: statusRules(options.acceptableStatusCodes, 'acceptableStatusCodes', nothingAdded),
    }),
    ...(options.tls !== undefined && { tls: tlsOptions(options.tls, 'tls', nothingAdded) }),
    ...(options.proxy !== undefined && { proxy: proxyChoice(options.proxy, 'proxy', nothingAdded) }),
    ...(options.keepHeadersAcrossOrigins !== undefined && {
      keepHeadersAcrossOrigins: texts(options.keepHeadersAcrossOrigins, 'keepHeadersAcrossOrigins', 255),
    }),
    ...(options.allowPrivateRedirects !== undefined && {
      allowPrivateRedirects: flag(options.allowPrivateRedirects, 'allowPrivateRedirects', nothingAdded),
    }),
    ...(options.maximumSegments !== undefined && {
      maximumSegments: wholeNumber(options.maximumSegments, 'maximumSegments', { from: 1, to: 64 }, nothingAdded),
    }),
    ...(options.bandwidthLimit !== undefined && {
      bandwidthLimit: bytesPerSecond(options.bandwidthLimit, 'bandwidthLimit', nothingAdded),
    }),
  }
}

/** No file is ever replaced by a name that a server chose, unless that was asked for. */
function ifExistsOf(value: unknown, destination: Destination): IfExists {
  if (value === undefined) return destination.kind === 'folder' ? 'fail' : 'replace'
  const found = existing.find((each) => each === value)
  if (found === undefined)
    throw invalid('ifExists', `${shown(value)} is not one of ${existing.join(', ')}`, nothingAdded)
  if (destination.kind === 'spool')
    throw invalid('ifExists', "without 'to' the file waits in the spool, where no other is", nothingAdded)
  return found
}

function metadataText(value: unknown): string | undefined {
  if (value === undefined) return undefined
  let json: string | undefined
  try {
    json = JSON.stringify(value) as string | undefined
  } catch (cause) {
    throw invalid(
      'metadata',
      `it cannot be written as JSON (${cause instanceof Error ? cause.message : String(cause)})`,
      nothingAdded,
    )
  }
  if (json === undefined) throw invalid('metadata', `${shown(value)} cannot be written as JSON`, nothingAdded)
  const bytes = Buffer.byteLength(json)
  if (bytes > metadataLimit)
    throw invalid('metadata', `it takes ${bytes} bytes as JSON, and ${metadataLimit} are allowed`, nothingAdded)
  return json
}

function dateMs(value: Date | string): number {
  const ms = value instanceof Date ? value.getTime() : typeof value === 'string' ? Date.parse(value) : Number.NaN
  if (!Number.isFinite(ms))
    throw invalid(
      'earliestBeginDate',
      `${shown(value)} is not a date; give a Date or an ISO text such as 2026-12-24T18:00:00Z`,
      nothingAdded,
    )
  return ms
}

function taskIds(value: unknown): readonly TaskId[] {
  return texts(value, 'after', 26).map((id) => {
    if (!isTaskId(id))
      throw invalid('after', `${shown(id)} is not the id of a task (26 characters, task.id)`, nothingAdded)
    return id
  })
}

function texts(value: unknown, name: string, limit: number): readonly string[] {
  if (!Array.isArray(value)) throw invalid(name, `${shown(value)} is not an array of strings`, nothingAdded)
  return value.map((each: unknown) => text(each, name, limit))
}

function text(value: unknown, name: string, limit: number): string {
  if (typeof value !== 'string' || value.length === 0)
    throw invalid(name, `${shown(value)} is not a text`, nothingAdded)
  if (value.length > limit)
    throw invalid(name, `it has ${value.length} characters, and ${limit} are allowed`, nothingAdded)
  return value
}

/** What of a `RequestUpdate` is not built yet. @throws INVALID_ARGUMENT */
export function checkRequestUpdate(update: unknown, more: readonly string[] = []): void {
  const nothingChanged = 'Nothing was changed.'
  if (!isFields(update)) throw invalid('update', `${shown(update)} is not an object`, nothingChanged)
  if (update['ifDifferent'] === 'restart') throw notYet("ifDifferent: 'restart'", nothingChanged)
  checkNames(
    update,
    'fields of a request update',
    { known: ['url', 'headers', 'restart', ...more], later: ['ifDifferent'] },
    nothingChanged,
  )
}
