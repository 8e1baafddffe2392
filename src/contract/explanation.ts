/**
 * Why a task does what it does. The daemon gives codes and values; the client renders the sentence in its own language.
 */
import type { ErrorJson, LonghaulError } from './errors.ts'
import type { Phase, Proof, TaskId } from './words.ts'

export type BlockerCode =
  | 'suspended'
  | 'held'
  | 'sessionHeld'
  | 'dependency'
  | 'earliestBeginDate'
  | 'backoff'
  | 'serverAskedToWait'
  | 'challenge'
  | 'newRequest'
  | 'disk'
  | 'destination'
  | 'quota'
  | 'activeLimit'
  | 'hostLimit'
  | 'bandwidth'
  | 'network'
  | 'expensive'
  | 'power'
  | 'discretionary'
  | 'callback'
  | 'launchWait'
  | 'crashLoop'
  | 'earlierAttempt'

export interface BlockerJson {
  readonly code: BlockerCode
  /** Wall ms. */
  readonly untilMs?: number
  /** What or who: a task id, an origin, a folder, a session, a callback; of `bandwidth` whose limit: daemon, session, task. */
  readonly of?: string
  /** Of `bandwidth`. */
  readonly bytesPerSecond?: number
}

export type RemedyAction =
  | 'tryNow'
  | 'release'
  | 'resume'
  | 'updateRequest'
  | 'answer'
  | 'freeSpace'
  | 'reconnect'
  | 'cancel'
  | 'retry'

export interface AttemptJson {
  readonly number: number
  /** Wall ms. */
  readonly startedAtMs: number
  /** Of one that runs: until now. */
  readonly tookMs: number
  readonly bytes: number
  readonly proof?: Proof
  /** Without the body of the answer. */
  readonly cause?: ErrorJson
}

/** What was learnt of a server by asking it; kept for a day. */
export interface LearntOfOrigin {
  /** Scheme, host and port. */
  readonly origin: string
  /** The most connections that it served at once without complaint. */
  readonly connections?: number
  /** More than these it did not want. */
  readonly refusedAbove?: number
  /** `lies`: what it sent was not what was asked for. */
  readonly ranges?: 'yes' | 'no' | 'lies'
}

export interface ExplanationJson {
  readonly task: TaskId
  readonly phase: Phase
  /** Every rule that blocks, not only the first. */
  readonly blockers: readonly BlockerJson[]
  /** Ready tasks of the lane that stand before this one. */
  readonly ahead?: number
  /** Wall ms at which the last byte came; told of an attempt that has waited for the next one for seconds. */
  readonly silentSinceMs?: number
  /** Wall ms; absent only when nothing but a person or the app can wake it (suspended, held) or it has ended. */
  readonly nextWakeUpMs?: number
  /** Wall ms; absent while the deadline does not run. */
  readonly deadlineMs?: number
  readonly remedies: readonly RemedyAction[]
  readonly kept: {
    readonly bytes: number
    readonly total?: number
    readonly proof?: Proof
    readonly validator?: string
  }
  readonly attempts: readonly AttemptJson[]
  readonly server?: LearntOfOrigin
  /** The last failure, also of a completed task. */
  readonly cause?: ErrorJson
}

export interface Blocker {
  readonly code: BlockerCode
  readonly until?: Date
  readonly of?: string
  /** Of `bandwidth`: the limit. */
  readonly bytesPerSecond?: number
}

/** The public form: `explain()`. */
export interface Explanation {
  readonly phase: Phase
  /** One sentence in this process's language. */
  readonly why: string
  readonly blockers: readonly Blocker[]
  readonly nextWakeUp?: Date
  readonly deadline?: Date
  /**
   * What to type, or to call where only the app can do it; of `freeSpace` and `reconnect`, which no command does, a sentence in
   * this process's language.
   */
  readonly remedies: readonly { readonly action: RemedyAction; readonly command: string }[]
  readonly kept: {
    readonly bytes: number
    readonly total?: number
    readonly proof?: Proof
    readonly validator?: string
  }
  readonly attempts: readonly {
    readonly number: number
    readonly startedAt: Date
    /** Of one that runs: until now. */
    readonly tookMs: number
    readonly bytes: number
    readonly proof?: Proof
    /** Without the body of the answer. */
    readonly cause?: LonghaulError
  }[]
  readonly server?: LearntOfOrigin
}
