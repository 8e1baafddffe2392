// What a rule is: a sentence that must hold at every moment of every run, and the few things it may look at. To add one, write
// a file beside this, and name it in `all.ts`; the README shows an example.
import type { Caller } from '../../../src/contract/caller.ts'
import type { Params, Result, Verb } from '../../../src/contract/verbs.ts'
import type { DurableKind } from '../../../src/contract/words.ts'
import type { Request } from '../../../src/journal/commands.ts'
import type { Store } from '../../../src/journal/store.ts'
import type { DaemonSight } from '../daemon.ts'
import type { Disk } from '../disk.ts'
import type { Internet } from '../internet.ts'
import type { Committed } from '../journal.ts'
import type { Plan } from '../plan.ts'

/** What a rule may look at: everything that outlives a life. */
export interface Sight {
  readonly plan: Plan
  /** Only to be read. */
  readonly store: Store
  readonly disk: Disk
  readonly internet: Internet
  /** Ms of the timeline. */
  readonly nowMs: () => number
  /** The machine's wall clock, which may jump. */
  readonly wallMs: () => number
  /** Faults have stopped. */
  readonly isCalm: () => boolean
  /** The daemon, when one lives. */
  readonly daemon: () => DaemonSight | undefined
  /** The rule was broken. `what`: one sentence, with names and numbers. The run ends there. */
  readonly broken: (what: string) => void
}

/** An event as an app's delegate is about to get it. */
export interface Handed {
  readonly session: string
  readonly sequence: number
  readonly kind: DurableKind
  readonly redelivered: boolean
  readonly task: string | undefined
  readonly location: string | undefined
  /** Of the app. */
  readonly pid: number
}

/** All optional: a rule takes what it needs. Each is called at once, in the step in which it happens. */
export interface Watch {
  /** Commands are about to run in one transaction. */
  before?(requests: readonly Request[]): void
  /** They were committed. */
  committed?(group: Committed): void
  /** The journal could not commit. */
  refused?(): void
  /** A step is over, with everything that it caused. Only what is cheap. */
  stepped?(): void
  /** The machine was asleep until now. */
  slept?(): void
  /** What stands at this path may have changed. */
  placed?(path: string): void
  /** The machine lost its power, and the disk has forgotten what was not synced. */
  powerCut?(): void
  /** A life of the daemon begins, or has ended. */
  daemon?(what: 'starts' | 'ended'): void
  /** The daemon answered a connection. */
  answered?<V extends Verb>(caller: Caller, verb: V, params: Params<V>, result: Result<V>): void
  /** A connection ended, as the daemon sees it. */
  gone?(caller: Caller): void
  /** The daemon starts an app for these sessions. */
  launched?(app: { readonly pid: number; readonly command: string; readonly sessions: readonly string[] }): void
  /** An app has ended, however it came to be. */
  appEnded?(pid: number): void
  /** The promise of an added task was kept: it has an id. */
  accepted?(task: string): void
  /** A delegate is about to be called. */
  handed?(event: Handed): void
  /** The call of the delegate ended well. */
  returned?(event: Handed): void
  /** The call of the delegate ended, well or not. */
  over?(event: Handed): void
  /** The daemon wrote an error into its log. */
  logged?(message: string, fields: Readonly<Record<string, unknown>>): void
  /** Long after faults have stopped. */
  atEnd?(): void
}

export interface Rule {
  readonly name: string
  readonly watch: (sight: Sight) => Watch
}
