/** The events as an app sees them, made from the plain ones of the wire. */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LonghaulError } from '../contract/errors.ts'
import type { DurableEventJson, PassingEventJson } from '../contract/events.ts'
import { metricsFromJson } from '../contract/metrics.ts'
import type { AppWorld } from '../world/app-world.ts'
import type { RetryEvent, WriteDataEvent } from './session-events.ts'
import type { DownloadTask } from './task.ts'
import type { TaskHandles } from './task-handles.ts'

/** An event without what each door adds; `task` is absent for events of the session. */
export interface EventObject<M> {
  readonly type: DurableEventJson['kind']
  readonly task?: DownloadTask<M>
  readonly sequence: number
  readonly redelivered: boolean
  readonly time: Date
  readonly signal: AbortSignal
}

export function eventObject<M>(json: DurableEventJson, handles: TaskHandles<M>, signal: AbortSignal): EventObject<M> {
  return {
    type: json.kind,
    ...(json.task !== undefined && { task: handles.handle(json.task) }),
    ...fieldsOf(json, handles.link.world),
    sequence: json.sequence,
    redelivered: json.redelivered,
    time: new Date(json.timeMs),
    signal,
  }
}

function fieldsOf(json: DurableEventJson, world: AppWorld): object {
  switch (json.kind) {
    case 'didResumeAtOffset':
      return json.body
    case 'didFinishDownloading': {
      const { location } = json.body
      return {
        location,
        moveTo: (path: string | URL) =>
          world.moveFile(location, resolve(path instanceof URL ? fileURLToPath(path) : path)),
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
