/** The events as an app sees them, made from the plain ones of the wire. */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LonghaulError } from '../contract/errors.ts'
import type { DurableEventJson, PassingEventJson } from '../contract/events.ts'
import { metricsFromJson } from '../contract/metrics.ts'
import type { TaskRecord } from '../contract/task.ts'
import { moveFile } from '../platform/move-file.ts'
import type { RetryEvent, WriteDataEvent } from './session-events.ts'
import type { DownloadTask } from './task.ts'

/** An event without what each door adds; `task` is absent for events of the session. */
export interface EventObject<M> {
  readonly type: DurableEventJson['kind']
  readonly task?: DownloadTask<M>
  readonly sequence: number
  readonly redelivered: boolean
  readonly time: Date
  readonly signal: AbortSignal
}

/** @param handleOf the session's handle for a record */
export function eventObject<M>(
  json: DurableEventJson,
  handleOf: (record: TaskRecord) => DownloadTask<M>,
  signal: AbortSignal,
): EventObject<M> {
  return {
    type: json.kind,
    ...(json.task !== undefined && { task: handleOf(json.task) }),
    ...fieldsOf(json),
    sequence: json.sequence,
    redelivered: json.redelivered,
    time: new Date(json.timeMs),
    signal,
  }
}

function fieldsOf(json: DurableEventJson): object {
  switch (json.kind) {
    case 'didResumeAtOffset':
      return json.body
    case 'didFinishDownloading': {
      const { location } = json.body
      return {
        location,
        moveTo: (path: string | URL) => moveFile(location, resolve(path instanceof URL ? fileURLToPath(path) : path)),
      }
    }
    case 'didFinishCollectingMetrics':
      return { metrics: metricsFromJson(json.body.metrics) }
    case 'didFinishEvents':
      return { blocked: json.body.blocked }
    case 'didComplete':
    case 'didBecomeInvalid':
      return json.body.error === undefined ? {} : { error: LonghaulError.fromJSON(json.body.error) }
  }
}

export function writeDataEvent(json: Extract<PassingEventJson, { readonly kind: 'didWriteData' }>): WriteDataEvent {
  return {
    bytesWritten: json.bytesWritten,
    totalBytesWritten: json.totalBytesWritten,
    ...(json.totalBytesExpectedToWrite !== undefined && { totalBytesExpectedToWrite: json.totalBytesExpectedToWrite }),
    afterSequence: json.afterSequence,
    time: new Date(json.timeMs),
  }
}

export function retryEvent(json: Extract<PassingEventJson, { readonly kind: 'didRetry' }>): RetryEvent {
  return {
    attempt: json.attempt,
    cause: LonghaulError.fromJSON(json.cause),
    nextAt: new Date(json.nextAtMs),
    afterSequence: json.afterSequence,
    time: new Date(json.timeMs),
  }
}
