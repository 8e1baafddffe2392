/**
 * The messages between `service/transfers` and the engine: plain data both ways, so that engines can move to threads.
 * One assignment is one attempt; its end is always exactly one outcome.
 */
import type {
  ByteRanges,
  Delivered,
  DeliveredBefore,
  KeptBytes,
  Part,
  PartIdentity,
  Place,
  PublishIntent,
  Representation,
  RestartCause,
} from '../contract/bytes.ts'
import type { ExpectedDigest } from '../contract/digests.ts'
import type { LonghaulError } from '../contract/errors.ts'
import type { ProxyJson } from '../contract/proxy.ts'
import type { CookiePolicy, StatusRule, TlsOptions } from '../contract/session.ts'
import type { IfExists, RequestFacts, ResponseJson, TaskResult } from '../contract/task.ts'
import type { TransactionJson } from '../contract/metrics.ts'
import type { Proof, TaskId } from '../contract/words.ts'
import type { Access } from './access.ts'
import type { OriginFacts } from './origins.ts'

export interface Assignment {
  readonly task: TaskId
  /** Whose bandwidth limit it shares with others. */
  readonly session: number
  readonly fence: number
  readonly attempt: number
  readonly request: RequestFacts
  /** Already merged: session's additional headers under the request's own. */
  readonly policy: {
    readonly stallMs: number
    readonly cookies: CookiePolicy
    readonly acceptableStatusCodes: readonly StatusRule[] | 'any'
    readonly tls: TlsOptions
    readonly proxy: ProxyJson
    readonly keepHeadersAcrossOrigins: readonly string[]
    readonly allowPrivateRedirects: boolean
    readonly maximumSegments: number
    /** Bytes per second, of this task alone; undefined: no limit of its own. */
    readonly bandwidthLimit: number | undefined
  }
  readonly expectedDigests: readonly ExpectedDigest[]
  readonly expectedLength: number | undefined
  /** Where the finished file goes; `name` undefined: the server's safe name. */
  readonly folder: string
  /** What the folder was when the place was settled; its device is known within one boot only. */
  readonly folderIdentity: PartIdentity | undefined
  readonly name: string | undefined
  readonly spooled: boolean
  readonly ifExists: IfExists
  readonly umask: number
  readonly part: Part | undefined
  /** Set: publishing was under way when the daemon ended; finish it first. */
  readonly intent: PublishIntent | undefined
  readonly delivered: DeliveredBefore | undefined
  readonly restarts: number
}

export type Fenced = 'fenced'

/** What the engine says while an attempt runs. Durable ones are awaited by the attempt; progress is not. */
export interface Report {
  /** Before the first byte. Answers the name granted at the destination. */
  reserve(facts: {
    readonly response: ResponseJson
    readonly representation: Representation
    readonly folder: string
    /** The folder itself. */
    readonly place?: Place
    readonly names: readonly string[]
    readonly part: { readonly folder: string; readonly name: string }
    /** As `Journal.reserve`. */
    readonly kept: KeptBytes
  }): Promise<
    | {
        readonly name: string
        /** Has a name there that is the same one if the file system folds names. */
        readonly alike?: TaskId
      }
    | { readonly busyWith: TaskId }
    | Fenced
  >
  resumed(facts: {
    readonly offset: number
    readonly total?: number
    readonly proof: Proof
  }): Promise<'recorded' | Fenced>
  checkpoint(facts: {
    readonly identity: PartIdentity
    readonly ranges: ByteRanges
    readonly representation: Representation
    /** The file that they are in; they may have been copied into it from another. */
    readonly part: { readonly folder: string; readonly name: string }
  }): Promise<'recorded' | Fenced>
  restart(why: string, because: RestartCause): Promise<'recorded' | Fenced>
  /**
   * Asks for one more connection to the server beside the first, which comes with the attempt. Answers how to give it back, or
   * `undefined`: there is none to be had now. `giveUp` is called when another task needs it; it is closed and given back then.
   */
  more(giveUp: () => void): (() => void) | undefined
  /**
   * All bytes are there, if only in memory, and every connection is free: the attempt needs none any more, whatever comes. Said again
   * when they are written.
   */
  fetched(): void
  intent(intent: PublishIntent): Promise<'recorded' | 'cancelled' | { readonly busyWith: TaskId } | Fenced>
  progress(facts: {
    readonly phase: 'connecting' | 'transferring' | 'verifying' | 'delivering'
    readonly received: number
    readonly total?: number
  }): void
}

export interface Measure {
  readonly bytes: number
  readonly proof?: Proof
  readonly transactions: readonly TransactionJson[]
  readonly redirects: number
}

export type Outcome = { readonly measure: Measure } & (
  | {
      readonly kind: 'finished'
      readonly result: TaskResult
      /** Undefined: no answer was had in this attempt (recovered, skipped); the one given to `reserve`, if any, stands. */
      readonly response: ResponseJson | undefined
      readonly delivered?: Delivered
    }
  /** `progressed`: bytes became safe in this attempt, which starts the back-off anew. */
  | { readonly kind: 'failed'; readonly error: LonghaulError; readonly failure: Failure; readonly progressed: boolean }
  | { readonly kind: 'stopped' }
  /** A newer attempt or a cancel took over: tell nobody. */
  | { readonly kind: 'fenced' }
)

/** What retry has to know about a failure, beside its error. */
export type Failure =
  | {
      readonly kind: 'network'
      /** Steady-free: ms to wait that the server asked for. */ readonly retryAfterMs?: number
      /** It speaks of this whole origin, to which redirects may have led: what was asked for holds for all tasks there. */
      readonly ofOrigin?: string
      /** Nobody knows what the disk kept of what was written last, names included. */
      readonly diskFailed?: boolean
    }
  /** Broken HTTP: tried a second time, then final. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'disk full' }
  | { readonly kind: 'destination unavailable' }
  /** The representation changed or proof failed; starts from zero. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'digest'; /** Whether the bytes came in one piece; then it is final. */ readonly joined: boolean }
  | { readonly kind: 'final' }

export type { OriginFacts } from './origins.ts'

/** Whose bandwidth limit: a node of the tree in `rates/`. */
export type RateNode =
  | { readonly level: 'daemon' }
  | { readonly level: 'session'; readonly session: number }
  | { readonly level: 'task'; readonly task: TaskId }

/** The limit that slows a transfer down. */
export interface SlowedBy {
  readonly level: RateNode['level']
  readonly bytesPerSecond: number
}

/** Runs attempts. Knows no journal, no session, no socket. */
export interface Engine {
  /** Resolves with the outcome; never rejects. */
  run(assignment: Assignment, report: Report, signal: AbortSignal, access?: Access): Promise<Outcome>
  /** In bytes per second; undefined: no limit. Holds at once; of a task, for the attempt that runs. */
  limit(node: RateNode, bytesPerSecond: number | undefined): void
  /** The bandwidth limit for which a running task waits now, or has just waited. */
  slowedBy(task: TaskId): SlowedBy | undefined
  /** What was learnt of an origin (scheme, host and port) and still counts. */
  learnt(origin: string): OriginFacts | undefined
}
