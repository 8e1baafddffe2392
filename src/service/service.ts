/**
 * The inside of the daemon without its doors: what can be asked, verb by verb, and the loop that turns the scheduler's
 * answers into work. The simulator calls the same {@link Service} as the daemon does.
 */
import type { Caller } from '../contract/caller.ts'
import type { DaemonStatus, Params, Result, Verb } from '../contract/verbs.ts'

export interface Service {
  /** Recovers, then starts what may start. Called once. */
  start(): Promise<void>
  /** `params` were checked at the door. Rejects with LonghaulError. Aborting `signal` stops a wait. */
  call<V extends Verb>(caller: Caller, verb: V, params: Params<V>, signal: AbortSignal): Promise<Result<V>>
  /** The connection of `caller` ended. */
  gone(caller: Caller): void
  /** Why the daemon must stay; empty: nothing but connections. */
  keptBy(): Promise<readonly string[]>
  /** For so long (ms) nothing will happen by itself: nothing is due, no app is about to be launched. 0 while something runs. */
  restMs(): number
  /** Running attempts end at a checkpoint (5 s at most); nothing new starts. */
  stop(): Promise<void>
}

/** What only the process around the service knows. */
export interface DaemonFacts {
  readonly pid: number
  readonly version: string
  readonly home: string
  readonly socket: string
  readonly spool: string
  readonly bootId: string
  readonly survives: DaemonStatus['survives']
  readonly environment: Readonly<Record<string, string>>
  readonly node: string
  rssBytes(): number
  connections(): number
  /** Asked by `daemon.stop`: ends the process after the answer was sent. */
  requestStop(): void
}
