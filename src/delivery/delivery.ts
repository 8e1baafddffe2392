/**
 * Delivery: durable events reach the one owner of a session, in order, until acknowledged; when nobody owns a session that
 * needs its app, the app is launched. Composes `owners` (who), `pump` (a window of events) and `launches` (when, once, how long).
 *
 * State that matters lives in the journal; what is here is derived and may be lost at any moment.
 */
import type { Caller } from '../contract/caller.ts'
import type { PassingEventJson } from '../contract/events.ts'
import type { BlockerJson } from '../contract/explanation.ts'
import type { TaskId } from '../contract/words.ts'
import type { Params } from '../contract/verbs.ts'
import type { SessionFacts, SessionId } from '../journal/journal.ts'

export type OwnRequest = NonNullable<Params<'session.open'>['own']>

export interface Delivery {
  /**
   * Makes `caller` the owner (not yet active). With `own.fence` equal to the current owner's of the journal and nobody else
   * attached, a reconnecting owner keeps its place under a new fence. `takeover` waits up to 5 s for running callbacks of the
   * present owner, then fences it (`ended` note with SESSION_TAKEN_OVER). @throws SESSION_IN_USE naming the owner's pid
   */
  attach(
    caller: Caller,
    session: SessionFacts,
    own: OwnRequest,
  ): Promise<{ readonly fence: number; readonly launched: boolean }>
  activate(caller: Caller, session: SessionFacts, fence: number): Promise<void>
  close(caller: Caller, session: SessionFacts, fence: number): Promise<void>
  acknowledge(
    caller: Caller,
    session: SessionFacts,
    fence: number,
    sequences: readonly number[],
  ): Promise<{ readonly acknowledged: number }>
  refuse(caller: Caller, session: SessionFacts, fence: number, sequence: number, reason: string): void
  slow(caller: Caller, session: SessionFacts, fence: number, sequence: number, running: boolean): void
  launchCompleted(session: SessionFacts, token: string): Promise<void>
  stillWorking(caller: Caller, session: SessionFacts, how: { readonly foreground: boolean }): void
  /** The connection of `caller` ended: it owns nothing any more. */
  gone(caller: Caller): void

  /** After each commit: sessions with new events, sessions whose launch rule is to be looked at again. */
  changed(sessions: { readonly events: readonly SessionId[]; readonly launch: readonly SessionId[] }): void
  /** To the active owner, if there is one; may be lost. The owner's `afterSequence` is filled in here. */
  pass(session: SessionId, event: PassingEventInput): void
  ownerPid(session: SessionId): number | undefined
  /** Callbacks that run long or were refused, waiting launches: for `explain`. */
  blockers(session: SessionId, task: TaskId): readonly BlockerJson[]
  nextLaunchMs(session: SessionId): number | undefined
  /** Why the daemon must stay: a launch is due or under way. Empty: nothing. */
  keptBy(): readonly string[]
  /** Looks at every session that may want a launch; for those that were `owned` the owner is given time to come back. */
  start(owned: readonly SessionId[]): Promise<void>
  /** Ends timers; launched apps are left alone. */
  stop(): Promise<void>
}

type WithoutSequence<E> = E extends PassingEventJson ? Omit<E, 'afterSequence'> : never
export type PassingEventInput = WithoutSequence<PassingEventJson>
