/**
 * After a failure: another attempt, and when, or the end.
 *
 * The back-off is exponential with full jitter: a delay is drawn evenly from nothing up to a cap, which doubles with each
 * failure and starts anew once bytes became safe. A thousand tasks that lost one server thus come back spread out, not in
 * waves. What a server asks for is obeyed and never shortened.
 */
import { type ErrorCode, LonghaulError } from '../contract/errors.ts'
import type { RetryJson } from '../contract/session.ts'
import type { Random } from '../world/clock.ts'

/** What went wrong, as far as it matters here. */
export type Failure =
  | {
      readonly kind: 'network'
      readonly retryAfterMs?: number
      readonly originWide?: boolean
      /** Nobody knows what it kept of what was written last, names included. */
      readonly diskFailed?: boolean
    }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'disk full' }
  | { readonly kind: 'destination unavailable' }
  | { readonly kind: 'changed' }
  | { readonly kind: 'digest'; readonly joined: boolean }
  | { readonly kind: 'final' }

export interface AttemptHistory {
  readonly policy: RetryJson
  /** This attempt's own bytes became safe: the back-off starts anew. */
  readonly progressed: boolean
  /** Attempts that failed before this one. */
  readonly failed: number
  /** Of these the last ones in a row, since bytes last became safe. */
  readonly failures: number
  /** Code of the failure before this one. */
  readonly lastCode: ErrorCode | undefined
  /** Restarts in a row that gained nothing, those of this attempt included. */
  readonly restarts: number
  /** Digests that did not match, before this one. */
  readonly digestFailures: number
  /** Steady ms. */
  readonly deadlineAtMs: number | undefined
  readonly giveUpAfterMs: number | undefined
  /** Steady ms of this attempt's start. */
  readonly startedAtMs: number
  /** For how long it was tried before this attempt, since bytes last became safe. */
  readonly silentMs: number
  /** Of its stall timer: an attempt that lasted longer was not silent all the time, or the machine slept in the middle of it. */
  readonly stallMs: number
}

export type NextAttempt =
  | {
      readonly kind: 'retry'
      /** Steady ms. */
      readonly wakeAtMs: number
      /** A change of network does not end this wait. */
      readonly serverAsked: boolean
      /** Steady ms: until then all tasks of the origin wait, as the server asked; without the back-off of this one task. */
      readonly reopensAtMs?: number
    }
  /** For room or for a folder; looked at again then. */
  | { readonly kind: 'wait'; readonly gate: 'disk' | 'destination'; readonly wakeAtMs: number }
  | { readonly kind: 'fail'; readonly error: LonghaulError }

/** At so many restarts in a row without gain the task is given up. */
export const maximumRestarts = 5

/** A full disk or a missing folder is looked at again after so long; then, if it is still so, more rarely. */
const firstLookMs = 5000
const laterLooksMs = 20_000

export function nextAttempt(
  history: AttemptHistory,
  failure: Failure,
  error: LonghaulError,
  nowMs: number,
  random: Random,
): NextAttempt {
  switch (failure.kind) {
    case 'final':
      return fail(error)
    case 'disk full':
      return look('disk', history.lastCode === 'DISK_FULL', nowMs)
    case 'destination unavailable':
      return look('destination', history.lastCode === 'DESTINATION_UNAVAILABLE', nowMs)
    case 'malformed':
      // RFC 9112 leaves no doubt about what was received; a second one in a row is no accident of one connection. No other kind has
      // its codes.
      if (history.lastCode === error.code && history.failures > 0 && !history.progressed) return fail(error)
      break
    case 'digest':
      // Bytes that came in one piece are what the server has. Joined ones may be our mistake: once more, from zero.
      if (!failure.joined || history.digestFailures > 0) return fail(error)
      break
    case 'changed':
      if (history.restarts >= maximumRestarts) return fail(unstable(error, history.restarts))
      break
    case 'network':
      // It started over that often and then lost the connection each time: the sixth would be no better.
      if (history.restarts >= maximumRestarts && !history.progressed) return fail(unstable(error, history.restarts))
      break
  }
  const { policy } = history
  if (policy.maximumAttempts !== undefined && history.failed + 1 >= policy.maximumAttempts) return fail(error)

  const silentMs = history.progressed ? 0 : history.silentMs + Math.min(nowMs - history.startedAtMs, history.stallMs)
  const failures = history.progressed ? 0 : history.failures
  const { giveUpAfterMs } = history
  // "Over several attempts": one that hung for long is given a second chance.
  if (giveUpAfterMs !== undefined && silentMs >= giveUpAfterMs && failures > 0) return fail(error)

  const backoffMs = random.fraction() * backoffCapMs(policy, failures)
  const askedMs = failure.kind === 'network' ? failure.retryAfterMs : undefined
  if (askedMs !== undefined && history.deadlineAtMs !== undefined && nowMs + askedMs > history.deadlineAtMs)
    return fail(tooLate(error, askedMs, history.deadlineAtMs - nowMs))
  // No sense in sleeping past the moment at which it would be given up.
  const delayMs = giveUpAfterMs === undefined ? backoffMs : Math.min(backoffMs, Math.max(0, giveUpAfterMs - silentMs))
  const asked = askedMs !== undefined && askedMs > 0
  const originWide = failure.kind === 'network' && asked && failure.originWide === true
  return {
    kind: 'retry',
    wakeAtMs: nowMs + Math.max(delayMs, askedMs ?? 0),
    serverAsked: asked,
    ...(originWide && { reopensAtMs: nowMs + askedMs }),
  }
}

/** The most that may be waited after so many failures in a row, in ms. */
export function backoffCapMs(policy: RetryJson, failures: number): number {
  // 2 ** 1024 is Infinity, and Infinity times 0 is not a number.
  return Math.min(policy.maximumDelayMs, policy.initialDelayMs * 2 ** Math.min(failures, 60))
}

function fail(error: LonghaulError): NextAttempt {
  return { kind: 'fail', error }
}

function look(gate: 'disk' | 'destination', again: boolean, nowMs: number): NextAttempt {
  return { kind: 'wait', gate, wakeAtMs: nowMs + (again ? laterLooksMs : firstLookMs) }
}

function unstable(cause: LonghaulError, restarts: number): LonghaulError {
  return new LonghaulError(
    'REPRESENTATION_UNSTABLE',
    `The server gave other bytes ${restarts} times in a row, so that a whole file never came together. The task was given up; try it again when the file no longer changes.`,
    { cause },
  )
}

function tooLate(cause: LonghaulError, askedMs: number, leftMs: number): LonghaulError {
  return new LonghaulError(
    'TIMED_OUT',
    `The server asked to wait ${seconds(askedMs)}, but the deadline of the task is in ${seconds(leftMs)}, so it was given up now. Retry it later, or with a longer timeoutIntervalForResource; whatever it has of the file is kept for that.`,
    { cause, ...(cause.status !== undefined && { status: cause.status }) },
  )
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1000))} s`
}
