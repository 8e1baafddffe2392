/** Events in their plain form. The delegate and the typed union that an app sees are built from these in `client/`. */
import type { ErrorJson } from './errors.ts'
import type { TaskMetricsJson } from './metrics.ts'
import type { ProgressJson, TaskRecord } from './task.ts'
import type { DurableKind, TaskId } from './words.ts'

/** What each durable event carries beside its number, time and task. */
export interface DurableBodies {
  readonly didResumeAtOffset: { readonly fileOffset: number; readonly expectedTotalBytes?: number }
  readonly didFinishDownloading: { readonly location: string; readonly spooled: boolean }
  readonly didFinishCollectingMetrics: { readonly metrics: TaskMetricsJson }
  readonly didComplete: { readonly error?: ErrorJson }
  readonly didFinishEvents: { readonly blocked: readonly TaskId[] }
  readonly didBecomeInvalid: { readonly error?: ErrorJson }
}

export type DurableEventJson = {
  [K in DurableKind]: {
    readonly kind: K
    /** Consecutive in the session. */
    readonly sequence: number
    readonly redelivered: boolean
    /** Wall ms at which it happened. */
    readonly timeMs: number
    /** Absent for events of the session. */
    readonly task?: TaskRecord
    readonly body: DurableBodies[K]
  }
}[DurableKind]

/** Newest only; may be lost. */
export type PassingEventJson =
  | {
      readonly kind: 'didWriteData'
      readonly afterSequence: number
      readonly timeMs: number
      readonly task: TaskId
      readonly bytesWritten: number
      readonly totalBytesWritten: number
      readonly totalBytesExpectedToWrite?: number
      readonly progress: ProgressJson
    }
  | {
      readonly kind: 'didRetry'
      readonly afterSequence: number
      readonly timeMs: number
      readonly task: TaskId
      readonly attempt: number
      readonly cause: ErrorJson
      /** Wall ms. */
      readonly nextAtMs: number
    }

/** Names of the delegate's methods; a name that nearly matches one of them is refused at open. */
export const delegateMethods = [
  'didWriteData',
  'didRetry',
  'didResumeAtOffset',
  'didFinishDownloading',
  'didFinishCollectingMetrics',
  'didComplete',
  'didFinishEvents',
  'didBecomeInvalid',
  'didLoseOwnership',
] as const

export type DelegateMethod = (typeof delegateMethods)[number]
