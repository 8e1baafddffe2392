/** What an app is told: the table of events, from which the delegate's methods and the union of `events()` come. */
import type { LonghaulError } from '../contract/errors.ts'
import type { TaskMetrics } from '../contract/metrics.ts'
import type { AnyTask, DownloadTask } from './task.ts'

type Awaitable<T> = T | PromiseLike<T>

/** One table from which the delegate, the union and the answers come. */
export interface EventMap<M> {
  /** An attempt goes on from kept bytes. Comes before its first `didWriteData`. */
  didResumeAtOffset: {
    fields: { readonly task: DownloadTask<M>; readonly fileOffset: number; readonly expectedTotalBytes?: number }
    answer: void
  }
  /** The whole, verified file is at `location`; once, on success. */
  didFinishDownloading: {
    fields: {
      readonly task: DownloadTask<M>
      /** Absolute. In the spool it stays until 24 h after the acknowledgement. */
      readonly location: string
      /**
       * Moves the file: idempotent, synced, across file systems; what is there is replaced whole. Resolves with the path.
       * @throws FILE_IS_DIRECTORY, CANNOT_MOVE_FILE; the file stays where it is then
       */
      readonly moveTo: (path: string | URL) => Promise<string>
    }
    answer: void
  }
  didFinishCollectingMetrics: { fields: { readonly task: AnyTask<M>; readonly metrics: TaskMetrics }; answer: void }
  /** The last event of every task, once. Without `error` it succeeded. */
  didComplete: { fields: { readonly task: AnyTask<M>; readonly error?: LonghaulError }; answer: void }
  /** After a launch: every other event is acknowledged, or its task is named in `blocked`. */
  didFinishEvents: { fields: { readonly blocked: readonly string[] }; answer: void }
  /** The last event of the session. */
  didBecomeInvalid: { fields: { readonly error?: LonghaulError }; answer: void }
}

/** Kept until acknowledged; comes again, with the same number, if this process dies before. */
export interface DurableEvent {
  /** Consecutive in the session. */
  readonly sequence: number
  /** It was delivered before, perhaps to another process: handle it so that twice does no harm. */
  readonly redelivered: boolean
  readonly time: Date
  /** Aborted when this process stops being the owner: an acknowledgement would come too late. */
  readonly signal: AbortSignal
}

/** Newest only; may be lost. */
export interface PassingEvent {
  readonly afterSequence: number
  readonly time: Date
}

/** A durable event as `events()` gives it. */
export type SessionEvent<M = undefined> = {
  [K in keyof EventMap<M>]: EventMap<M>[K]['fields'] &
    DurableEvent & {
      readonly type: K
      /** Resolves when the daemon has committed it: it never comes again then. */
      readonly acknowledge: (answer?: EventMap<M>[K]['answer']) => Promise<void>
    }
}[keyof EventMap<M>]

type TaskHandler<M, K extends keyof EventMap<M>> = EventMap<M>[K]['fields'] extends { readonly task: infer T }
  ? (task: T, event: EventMap<M>[K]['fields'] & DurableEvent) => Awaitable<EventMap<M>[K]['answer']>
  : (event: EventMap<M>[K]['fields'] & DurableEvent) => Awaitable<EventMap<M>[K]['answer']>

/** Of `didWriteData`. Sizes in bytes. */
export interface WriteDataEvent extends PassingEvent {
  /** Since the last of these events. */
  readonly bytesWritten: number
  readonly totalBytesWritten: number
  readonly totalBytesExpectedToWrite?: number
}

/** Of `didRetry`. */
export interface RetryEvent extends PassingEvent {
  /** Number of the attempt that failed. */
  readonly attempt: number
  readonly cause: LonghaulError
  readonly nextAt: Date
}

/**
 * The app's object whose methods receive the events. A method may return a promise: the event is acknowledged when it
 * resolves; one that throws is called again (three times, then at the next attach). A name that nearly matches one of these
 * throws at open; other members are the app's own.
 */
export type SessionDelegate<M = undefined> = { [K in keyof EventMap<M>]?: TaskHandler<M, K> } & {
  /** At most 20 a second for each task. */
  didWriteData?(task: DownloadTask<M>, event: WriteDataEvent): void
  /** An attempt failed and another follows. */
  didRetry?(task: AnyTask<M>, event: RetryEvent): void
  /** Local: another process took the session over. */
  didLoseOwnership?(error: LonghaulError): void
}
