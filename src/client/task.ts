/**
 * A task as an app holds it: a handle whose every method asks the daemon, and a snapshot that each answer replaces whole.
 * The class behind {@link DownloadTask} stays in this room; only the shape is public.
 */
import type { Explanation } from '../contract/explanation.ts'
import type { TaskMetrics } from '../contract/metrics.ts'
import type { RequestUpdate, WaitOptions } from '../contract/task.ts'
import type { DurationLike } from '../contract/units.ts'
import type { TaskKind } from '../contract/words.ts'
import type { Progress, ResponseFacts, TaskSnapshot } from './snapshot.ts'

/** A handle of a task. `snapshot` is immutable and replaced whole by each answer; `updates()` watches. */
export interface Task<M = undefined> {
  /** 26 characters, unique everywhere, sortable by time. */
  readonly id: string
  /** Unique in the session. */
  readonly taskIdentifier: number
  readonly kind: TaskKind
  /** False when `key` found an existing task. */
  readonly isNew: boolean
  /** What the last answer said. */
  get snapshot(): TaskSnapshot<M>
  /** Asks anew. @throws INVALID_ARGUMENT when the daemon has forgotten the task (30 days after its end by default) */
  refresh(): Promise<TaskSnapshot<M>>
  /**
   * Undoes one `suspend()`; a new task has one. Resolves when it is on disk: from then on the transfer survives this
   * process. One too many does nothing.
   */
  resume(): Promise<void>
  /**
   * Stops at a checkpoint: bytes are kept, both timers stand still. Nests: n suspends want n resumes.
   */
  suspend(): Promise<void>
  /** Final. Resolves at the task's end with the true answer: a transfer that was just being published may still succeed. */
  cancel(): Promise<{ readonly cancelled: boolean }>
  /** A person's pause, apart from `suspend()`; does not nest. */
  hold(): Promise<void>
  release(): Promise<void>
  /** Ends a wait that nobody asked for (back-off, parked). */
  tryNow(): Promise<void>
  /**
   * A new task that adopts the bytes of this completed one, with a fresh address, headers or destination if given.
   * @throws INVALID_ARGUMENT while it has not completed
   */
  retry(
    changes?: Pick<RequestUpdate, 'url' | 'headers'> & { readonly to?: string | URL | undefined },
  ): Promise<AnyTask<M>>
  /** @param priority 0–1, among the tasks of the session */
  setPriority(priority: number): Promise<void>
  /**
   * A fresh address or token for the same file. Used from the next attempt, or at once with `restart: true`; proven to be
   * the same bytes before any are joined.
   */
  updateRequest(update: RequestUpdate): Promise<void>
  /** Why the task does what it does, what blocks it, when it wakes, what can be done. */
  explain(): Promise<Explanation>
  /**
   * Progress from now on, newest only, until the task has completed. Leaving the loop ends it; the signal throws its reason.
   * @param options `interval` between two updates, 50 ms at least. @default '250ms'
   */
  updates(options?: WaitOptions & { readonly interval?: DurationLike | undefined }): AsyncIterableIterator<Progress>
}

/** A transfer from a URL to a file. */
export interface DownloadTask<M = undefined> extends Task<M> {
  readonly kind: 'download'
  /**
   * Waits for the end, over restarts of the daemon. Rejects with the task's `LonghaulError` when it failed or was cancelled.
   * The signal ends the wait (rejects with its reason), never the transfer.
   */
  finished(options?: WaitOptions): Promise<DownloadResult>
}

/** Uploads come in a later version. */
export type AnyTask<M = undefined> = DownloadTask<M>

/** What a finished download left. */
export interface DownloadResult {
  /** Absolute. In the spool (no `to`) it stays until 24 h after the delegate has had it. */
  readonly path: string
  readonly bytes: number
  readonly response: ResponseFacts
  /** 'sha-256:HEX', or another: the strongest that was expected or announced, and verified. */
  readonly digest?: string
  /** Whether the size, the last chunk or a digest proved that nothing is missing. */
  readonly lengthVerified: boolean
  /** The file that was there already is the newest: nothing was fetched. */
  readonly notModified: boolean
  readonly metrics: TaskMetrics
}
