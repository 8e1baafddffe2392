/** A session's configuration and launch command, as written by a user and as stored. */
import { LonghaulError } from './errors.ts'
import type { RetryJson, RetryPolicy, StatusRule, TlsOptions } from './policy.ts'
import type { ProxyChoice, ProxyJson } from './proxy.ts'
import type { HeaderPairs, HeadersLike, TaskCounts } from './task.ts'
import type { DurationLike, RateLike } from './units.ts'

export type { RetryJson, RetryPolicy, StatusRule, TlsOptions } from './policy.ts'

export type CookiePolicy = 'session' | 'none'

/** As a user writes it; every field optional. It carries no identifier, so one object can serve many sessions. */
export interface SessionConfiguration {
  /** False: never launch; events wait for the next attach. @default true when `launch` is given */
  readonly sendsLaunchEvents?: boolean | undefined
  /** Stall timer: no byte for this long ends the attempt; the next begins by itself. @default '60s' */
  readonly timeoutIntervalForRequest?: DurationLike | undefined
  /** Deadline, from the first `resume()`; suspended, held and queued time excluded. @default '7d' */
  readonly timeoutIntervalForResource?: DurationLike | undefined
  /** Connections to one origin that this session may use, by the addresses of its tasks, wherever redirects lead. @default 6 */
  readonly maximumConnectionsPerHost?: number | undefined
  /** @default 16 */
  readonly maximumActiveTasks?: number | undefined
  /** @default 4 */
  readonly maximumSegmentsPerTask?: number | undefined
  /** Added to each request; the request's own header wins. Authorization, Connection, Host, Content-Length, Proxy-* are refused here. */
  readonly httpAdditionalHeaders?: HeadersLike | undefined
  /** @default false */
  readonly discretionary?: boolean | undefined
  /** @default true */
  readonly allowsExpensiveNetworkAccess?: boolean | undefined
  /** @default true */
  readonly allowsConstrainedNetworkAccess?: boolean | undefined
  /** For all its tasks together. Holds at once when an owner opens with another; `'none'` takes it away. @default none */
  readonly bandwidthLimit?: RateLike | 'none' | undefined
  readonly retry?: RetryPolicy | undefined
  /** @default [{ from: 200, to: 299 }] */
  readonly acceptableStatusCodes?: readonly StatusRule[] | 'any' | undefined
  readonly tls?: TlsOptions | undefined
  /** A jar for the session, kept by the daemon, or none: then Set-Cookie is left to the app. @default 'session' */
  readonly cookies?: CookiePolicy | undefined
  /** @default 'system' */
  readonly proxy?: ProxyChoice | undefined
  /** Bytes in flight. @default none */
  readonly quota?: number | undefined
  /** @default '5m' */
  readonly launchTimeLimit?: DurationLike | undefined
}

/** As stored and as `session.configuration` gives it: every field filled in. Durations in ms, sizes in bytes. */
export interface ResolvedConfiguration {
  readonly sendsLaunchEvents: boolean
  readonly timeoutIntervalForRequestMs: number
  readonly timeoutIntervalForResourceMs: number
  readonly maximumConnectionsPerHost: number
  readonly maximumActiveTasks: number
  readonly maximumSegmentsPerTask: number
  readonly httpAdditionalHeaders: HeaderPairs
  readonly discretionary: boolean
  readonly allowsExpensiveNetworkAccess: boolean
  readonly allowsConstrainedNetworkAccess: boolean
  readonly retry: RetryJson
  readonly acceptableStatusCodes: readonly StatusRule[] | 'any'
  readonly tls: TlsOptions
  readonly cookies: CookiePolicy
  /** Its credential is stored, and never given back. */
  readonly proxy: ProxyJson
  readonly launchTimeLimitMs: number
  /** Bytes per second; absent: none. */
  readonly bandwidthLimit?: number | undefined
}

/** Only the values that were written out; what crosses the wire at `session.open`. */
export type ExplicitConfiguration = Partial<Omit<ResolvedConfiguration, 'bandwidthLimit'>> & {
  /** `'none'` takes one away. */
  readonly bandwidthLimit?: number | 'none'
}

export const defaultConfiguration: ResolvedConfiguration = {
  sendsLaunchEvents: true,
  timeoutIntervalForRequestMs: 60_000,
  timeoutIntervalForResourceMs: 7 * 86_400_000,
  maximumConnectionsPerHost: 6,
  maximumActiveTasks: 16,
  maximumSegmentsPerTask: 4,
  httpAdditionalHeaders: [],
  discretionary: false,
  allowsExpensiveNetworkAccess: true,
  allowsConstrainedNetworkAccess: true,
  retry: { initialDelayMs: 1000, maximumDelayMs: 600_000 },
  acceptableStatusCodes: [{ from: 200, to: 299 }],
  tls: {},
  cookies: 'session',
  proxy: 'system',
  launchTimeLimitMs: 300_000,
}

/** How to start the app: exactly this argv, no shell. */
export interface LaunchCommand {
  /** An executable; resolved to an absolute path when it is registered. */
  readonly command: string
  readonly args?: readonly string[] | undefined
  /** File mode bits that new files of the app do not get, 0–0o777. @default those of the process that registered it */
  readonly umask?: number | undefined
  /** @default the cwd of the process that registered it */
  readonly cwd?: string | undefined
  /** Added to the daemon's own listed environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

/** When events of completed tasks launch the app. */
export interface LaunchWhen {
  readonly atLeast?: number
  readonly afterMs?: number
}

export interface SessionSummary {
  readonly identifier: string
  readonly ownerPid?: number
  readonly counts: TaskCounts
  /** Durable events that nobody has acknowledged. */
  readonly unacknowledged: number
  readonly launch?: LaunchCommand
  readonly nextLaunch?: Date
}

/** `SessionSummary` on the wire. */
export interface SessionSummaryJson {
  readonly identifier: string
  readonly ownerPid?: number
  readonly counts: TaskCounts
  readonly unacknowledged: number
  readonly launch?: LaunchCommand
  /** Wall ms. */
  readonly nextLaunchMs?: number
}

/** @throws INVALID_ARGUMENT */
export function checkIdentifier(identifier: unknown): string {
  // Visible: neither control characters nor white space; a name that looks like another one must not be possible by spaces.
  if (
    typeof identifier !== 'string' ||
    identifier.length === 0 ||
    identifier.length > 255 ||
    /[\s\p{C}]/u.test(identifier)
  ) {
    const shown = typeof identifier === 'string' ? JSON.stringify(identifier.slice(0, 60)) : String(identifier)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `identifier: ${shown} is not 1–255 visible characters. Write it in reverse-DNS form, as in 'com.example.photos'. Nothing was opened.`,
    )
  }
  return identifier
}

/** Which daemon, and how it is started when none runs. */
export interface DaemonOptions {
  /** The Node that runs the daemon. @default LONGHAUL_NODE, else our own if new enough, else `node` on PATH */
  readonly execPath?: string | undefined
  /** Arguments of that Node. */
  readonly args?: readonly string[] | undefined
  /** Added to the daemon's listed environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** @default LONGHAUL_HOME, else the platform's folder for application state */
  readonly home?: string | undefined
  /** `never`: reject with DAEMON_UNAVAILABLE when none runs. @default 'if needed' */
  readonly start?: 'if needed' | 'never' | undefined
}
