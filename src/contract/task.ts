/**
 * A task in its two forms: what a user writes ({@link DownloadOptions}, {@link RequestLike}) and the plain record that
 * crosses sockets and threads and stands in the journal ({@link NewTask}, {@link TaskRecord}). The client turns the one
 * into the other; nobody else sees the first.
 */
import type { ExpectedDigest } from './digests.ts'
import type { ErrorJson } from './errors.ts'
import type { RetryJson, RetryPolicy, StatusRule, TlsOptions } from './policy.ts'
import type { ProxyChoice, ProxyJson } from './proxy.ts'
import type { DurationLike, RateLike } from './units.ts'
import type { Gate, Phase, TaskId, TaskKind, TaskState } from './words.ts'

// ---------------------------------------------------------------- what a user writes

export type HeadersLike = Headers | Readonly<Record<string, string>> | readonly (readonly [string, string])[]

/** Of a `Request` its URL, method and headers are taken; a body is refused for downloads, its signal is ignored. */
export type RequestLike =
  | string
  | URL
  | Request
  | { readonly url: string | URL; readonly method?: string | undefined; readonly headers?: HeadersLike | undefined }

/**
 * What happens when there is a file at the destination already. Checked at enqueue and again at the end.
 * `replace`: atomically replaced. `fail`: `DESTINATION_EXISTS`, bytes kept. `keepBoth`: ` (1)` before the extension.
 * `skip`: the task succeeds without a byte. `revalidate`: a conditional request; unchanged means `notModified`.
 */
export type IfExists = 'replace' | 'keepBoth' | 'fail' | 'skip' | 'revalidate'

export interface TaskOptions<M> {
  readonly taskDescription?: string | undefined
  /** JSON, at most 64 KiB. */
  readonly metadata?: M | undefined
  readonly tags?: readonly string[] | undefined
  /** Idempotent enqueue: the same key in the same session is the same task. */
  readonly key?: string | undefined
  /** 0–1. @default 0.5 */
  readonly priority?: number | undefined
  readonly earliestBeginDate?: Date | string | undefined
  /** Ids of tasks that must have succeeded. */
  readonly after?: readonly string[] | undefined
  readonly countOfBytesClientExpectsToSend?: number | undefined
  readonly countOfBytesClientExpectsToReceive?: number | undefined
  /** Stall timer of this task. @default the session's */
  readonly timeoutIntervalForRequest?: DurationLike | undefined
  /** Deadline of this task. @default the session's */
  readonly timeoutIntervalForResource?: DurationLike | undefined
  readonly maximumSegments?: number | undefined
  /** Of this task alone; the session's and the daemon's stand above it. @default none */
  readonly bandwidthLimit?: RateLike | undefined
  readonly retry?: RetryPolicy | undefined
  readonly acceptableStatusCodes?: readonly StatusRule[] | 'any' | undefined
  readonly tls?: TlsOptions | undefined
  /** @default the session's */
  readonly proxy?: ProxyChoice | undefined
  readonly keepHeadersAcrossOrigins?: readonly string[] | undefined
  readonly allowPrivateRedirects?: boolean | undefined
}

export interface DownloadOptions<M> extends TaskOptions<M> {
  /** File, or folder for the server's safe name (made at enqueue if missing). Without it the file waits in the spool for the delegate. */
  readonly to?: string | URL | undefined
  /** @default 'replace' when `to` names a file, 'fail' when the server chooses the name */
  readonly ifExists?: IfExists | undefined
  /**
   * What the file must have: 'sha-256:HEX', SRI 'sha256-BASE64', or an RFC 9530 field value 'sha-256=:BASE64:'. Also sha-512,
   * sha-384, sha-1, md5 and crc32. Several may be given, in an array or separated by spaces or commas; all have to match.
   */
  readonly expectedDigest?: string | readonly string[] | undefined
  /** Bytes. */
  readonly expectedLength?: number | undefined
}

/** One row of `enqueue`. */
export type BatchRow<M> = DownloadOptions<M> & {
  readonly url: string | URL
  readonly method?: string | undefined
  readonly headers?: HeadersLike | undefined
}

/** A fresh address or fresh headers for the same file; used from the next attempt. */
export interface RequestUpdate {
  readonly url?: string | URL | undefined
  readonly headers?: HeadersLike | undefined
  /** Now instead of at the next attempt. @default false */
  readonly restart?: boolean | undefined
}

export interface WaitOptions {
  /** Ends the wait, never the transfer. */
  readonly signal?: AbortSignal | undefined
}

// ---------------------------------------------------------------- plain records

export type HeaderPairs = readonly (readonly [name: string, value: string])[]

/** A request in its plain form. `url` is absolute and normalised, without a fragment. */
export interface RequestFacts {
  readonly url: string
  readonly method: string
  readonly headers: HeaderPairs
  /** Its Authorization was made of user and password in the address: these two answer Digest as well. */
  readonly authorization?: 'from address'
}

export interface ResponseJson {
  /** The final address, after redirects. */
  readonly url: string
  readonly status: number
  readonly headers: HeaderPairs
  /** A safe name made from Content-Disposition or the address. */
  readonly suggestedFilename?: string
}

/** Where a file goes. Folders are absolute and were resolved by the client. */
export type Destination =
  | { readonly kind: 'file'; readonly folder: string; readonly name: string }
  | { readonly kind: 'folder'; readonly folder: string }
  | { readonly kind: 'spool' }

/** What a task may set for itself; absent = the session's value. Durations in ms. */
export interface TaskPolicy {
  readonly timeoutIntervalForRequestMs?: number
  readonly timeoutIntervalForResourceMs?: number
  readonly retry?: RetryJson
  readonly acceptableStatusCodes?: readonly StatusRule[] | 'any'
  readonly tls?: TlsOptions
  readonly proxy?: ProxyJson
  readonly keepHeadersAcrossOrigins?: readonly string[]
  readonly allowPrivateRedirects?: boolean
  readonly maximumSegments?: number
  /** Bytes per second, of this task alone; the session's and the daemon's stand above it. */
  readonly bandwidthLimit?: number
}

/** A task as the client hands it to the daemon. The client makes the id. */
export interface NewTask {
  readonly id: TaskId
  readonly kind: 'download'
  readonly request: RequestFacts
  readonly destination: Destination
  readonly ifExists: IfExists
  /** Of the enqueuing process: a new file gets mode 0666 less this. */
  readonly umask: number
  readonly description?: string
  /** JSON text, so that nobody on the way has to understand or copy it. */
  readonly metadata?: string
  readonly tags?: readonly string[]
  readonly key?: string
  /** 0–1. */
  readonly priority: number
  /** Wall ms. */
  readonly earliestBeginMs?: number
  readonly after?: readonly TaskId[]
  readonly expectedDigests?: readonly ExpectedDigest[]
  /** Bytes. */
  readonly expectedLength?: number
  readonly policy: TaskPolicy
  /** False: suspended until `resume()`. */
  readonly start: boolean
  /**
   * The short way: a key that finds a failed or cancelled task makes a new one that adopts its bytes, and one that finds
   * a finished task makes a new one that revalidates (a conditional request) instead of answering with the old one.
   */
  readonly again?: boolean
  /**
   * Give up with the last error when nothing arrived for this long over several attempts (ms). The short way and
   * `longhaul get` set it; without it a task keeps trying until its deadline.
   */
  readonly giveUpAfterMs?: number
}

export interface ProgressJson {
  /** Bytes. */
  readonly received: number
  readonly sent: number
  /** Bytes; absent while unknown. */
  readonly total?: number
  /** 0–1. */
  readonly fraction?: number
  /** Bytes per second over the last seconds; 0 when nothing moves. */
  readonly rate: number
  readonly etaMs?: number
}

export interface TaskResult {
  /** Absolute; absent when the file never left the spool and the spool was cleaned. */
  readonly path?: string
  /** 'sha-256:HEX', or another: the strongest that was expected or announced, and verified. */
  readonly digest?: string
  readonly bytes: number
  readonly lengthVerified: boolean
  readonly notModified: boolean
  /** `ifExists: 'skip'` found a file. */
  readonly skipped?: boolean
}

/** What the daemon knows of a task at one moment. */
export interface TaskRecord {
  readonly id: TaskId
  /** Unique in the session. */
  readonly taskIdentifier: number
  readonly session: string
  readonly kind: TaskKind
  readonly state: TaskState
  readonly phase: Phase
  readonly gate: Gate
  readonly description?: string
  /** JSON text. */
  readonly metadata?: string
  readonly tags: readonly string[]
  readonly key?: string
  readonly priority: number
  readonly originalRequest: RequestFacts
  readonly currentRequest: RequestFacts
  readonly response?: ResponseJson
  readonly error?: ErrorJson
  readonly result?: TaskResult
  readonly progress: ProgressJson
  readonly destination: Destination
  readonly attempts: number
  /** Wall ms. */
  readonly createdAtMs: number
  readonly completedAtMs?: number
  readonly retryOf?: TaskId
  /** The newest task that was made to try this one again. */
  readonly retriedBy?: TaskId
}

/** Tasks in one of these groups; `queued` is ready behind our own limits, `waiting` any other reason. */
export interface TaskCounts {
  readonly suspended: number
  readonly held: number
  readonly queued: number
  readonly waiting: number
  readonly active: number
  readonly completed: number
}

export interface TaskFilter {
  readonly ids?: readonly string[] | undefined
  readonly group?: keyof TaskCounts | undefined
  readonly tag?: string | undefined
  readonly host?: string | undefined
  /** Glob (`*`, `?`) on file name or URL. */
  readonly match?: string | undefined
  readonly outcome?: 'succeeded' | 'failed' | 'cancelled' | undefined
}

/** What a person is shown: the query is masked, since signed addresses carry secrets there. */
export function maskUrl(url: string): string {
  try {
    const parsed = new URL(url)
    const credentials = parsed.username === '' && parsed.password === '' ? '' : '***@'
    return `${parsed.protocol}//${credentials}${parsed.host}${parsed.pathname}${parsed.search === '' ? '' : '?…'}`
  } catch {
    return '(not a URL)'
  }
}
