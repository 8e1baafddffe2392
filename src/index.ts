/**
 * Longhaul: transfers that outlive the process that asked for them.
 *
 * The public surface; whatever is not exported here may change at any time. In short: {@link download} gets one file and
 * waits for it; {@link BackgroundSession} holds an app's tasks over its lives, and brings it the events that it missed;
 * {@link handleEventsForBackgroundSession} is for an app that the daemon started. Every duration taken is a
 * {@link DurationLike}, every one given is in ms and says so in its name; sizes are bytes; what is not known is undefined.
 */

/** One file, one call; the same call again goes on where the last one was. */
export { download, type ShortOptions } from './client/download.ts'

/** An app's tasks under one identifier, found again by whatever process opens it; and the list of all that exist. */
export { BackgroundSession, sessions } from './client/session.ts'
export type { OpenOptions } from './client/open-options.ts'
export type {
  DaemonOptions,
  LaunchCommand,
  ResolvedConfiguration,
  RetryPolicy,
  SessionConfiguration,
  SessionSummary,
  StatusRule,
  TlsOptions,
} from './contract/session.ts'

export type { Credential, CredentialReference } from './contract/credential.ts'
export type { ClientCertificate, SecretReference } from './contract/secret-reference.ts'
export type { ProxyChoice, ProxyCredential, ProxyJson, ProxyOptions } from './contract/proxy.ts'

/** One transfer: the handle that acts, and the immutable picture of it at one moment. */
export type { AnyTask, DownloadResult, DownloadTask, Task } from './client/task.ts'
export type { Progress, ResponseFacts, TaskJson, TaskSnapshot } from './client/snapshot.ts'
export type {
  BatchRow,
  DownloadOptions,
  HeadersLike,
  IfExists,
  RequestFacts,
  RequestLike,
  RequestUpdate,
  TaskCounts,
  TaskFilter,
  TaskOptions,
  WaitOptions,
} from './contract/task.ts'
export type { Phase, Proof, TaskState } from './contract/words.ts'

/** Why a task does what it does. */
export type { Blocker, BlockerCode, Explanation, LearntOfOrigin, RemedyAction } from './contract/explanation.ts'

/** What the delegate is told, one table for methods and for `events()`. */
export type {
  DurableEvent,
  EventMap,
  PassingEvent,
  RetryEvent,
  SessionDelegate,
  SessionEvent,
  WriteDataEvent,
} from './client/session-events.ts'

/** For an app that the daemon started because its session needs it. */
export { handleEventsForBackgroundSession } from './client/handle-events.ts'
export type { LaunchHandler } from './client/launched.ts'

/** The one class of everything that is thrown; `isLonghaulError` works across processes and copies of this package. */
export { type ErrorCode, isLonghaulError, LonghaulError } from './contract/errors.ts'

/** What was measured: Apple's task and transaction metrics. */
export type { TaskMetrics, TransactionFacts, TransactionMetrics } from './contract/metrics.ts'

/** `'60s'`, `'2MB/s'`. */
export type { DurationLike, RateLike } from './contract/units.ts'
