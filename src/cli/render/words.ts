/**
 * What the command line says, in English (`words-en.ts`) and Simplified Chinese (`words-zh.ts`). JSON, codes, flags and help
 * are never translated. Sentences about why a task waits are the client's (`client/sentences.ts`); here is what stands
 * around them, and the short form that fits into a row.
 */
import type { BlockerCode, LearntOfOrigin } from '../../contract/explanation.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import type { DaemonStatus } from '../../contract/verbs.ts'
import type { Phase } from '../../contract/words.ts'

/** Tasks of one display, by what they do. */
export interface Totals {
  readonly active: number
  readonly waiting: number
  readonly queued: number
  readonly held: number
  readonly done: number
  readonly failed: number
}

export type Label =
  | 'about'
  | 'answer'
  | 'ahead'
  | 'bandwidth'
  | 'blocked'
  | 'bytes'
  | 'cause'
  | 'created'
  | 'deadline'
  | 'digest'
  | 'ended'
  | 'environment'
  | 'hint'
  | 'id'
  | 'journal'
  | 'kept'
  | 'memory'
  | 'metadata'
  | 'next'
  | 'request'
  | 'response'
  | 'retryOf'
  | 'server'
  | 'socket'
  | 'stays'
  | 'survives'
  | 'state'
  | 'to'
  | 'tries'
  | 'version'
  | 'what'
  | 'why'
  | 'work'
  | 'youCan'

/** Every duration and size comes as it is shown. */
export interface Words {
  // Progress, line by line.
  readonly started: (total: string | undefined) => string
  readonly resumed: (offset: string) => string
  readonly percentOf: (percent: number, got: string, total: string, rate: string, left: string | undefined) => string
  readonly got: (got: string, rate: string) => string
  readonly retry: (cause: string, attempt: number, wait: string | undefined, kept: string) => string

  // The state of one task, in a row.
  readonly phases: Readonly<Record<Phase, string>>
  readonly done: (size: string, took: string) => string
  /** That the file has its digest, by the name of its algorithm. */
  readonly verified: (algorithm: string) => string
  readonly lengthUnverified: string
  readonly notModified: string
  readonly skipped: string
  /** Joins two facts. */
  readonly and: string
  readonly failed: (what: string) => string
  readonly kept: (size: string) => string
  readonly nothingKept: string
  readonly stalled: (time: string, at: string | undefined) => string
  readonly waiting: (why: string) => string
  /** Why it waits, in a few words; `wait` is how long it still does. */
  readonly reasons: Readonly<Record<BlockerCode, (wait: string | undefined, of: string | undefined) => string>>
  /** What blocks, where the reason says when it ends. */
  readonly blocked: Readonly<Partial<Record<BlockerCode, string>>>
  /** A failure in two words; others are told by their code. */
  readonly causes: Readonly<Partial<Record<ErrorCode, string>>>
  readonly askedToWait: (cause: string) => string
  /** What to do about a task that has failed for good, where a person at a terminal can do other things than a program. */
  readonly hints: Readonly<Partial<Record<ErrorCode, string>>>
  /** In their place where nothing is kept. */
  readonly hintsOfNothing: Readonly<Partial<Record<ErrorCode, string>>>
  readonly nextTry: (cause: string, attempt: number, wait: string | undefined) => string

  // Around rows.
  readonly totals: (counts: Totals, rate: string, left: string | undefined) => string
  /** Of a list that moves nothing. */
  readonly keys: string
  readonly nothingHere: string
  readonly nothingRuns: string
  readonly more: (shown: number) => string
  /** Of the many that one command names. */
  readonly alreadyOnThem: (known: number, all: number) => string
  /** `here`: what has arrived, which a crash may still lose. */
  readonly alreadyOnIt: (code: string, here: string, started: string) => string
  readonly leftRunning: (count: number) => string
  readonly comeBack: string
  readonly end: string
  readonly cancelled: (count: number) => string
  readonly changed: Readonly<Record<'hold' | 'release' | 'cancel' | 'retry' | 'tryNow', (count: number) => string>>
  readonly nothingChanged: string
  /** Of `retry`. */
  readonly nothingToTry: string
  readonly sure: (verb: 'hold' | 'release' | 'cancel', count: number) => string

  // Sheets.
  readonly labels: Readonly<Record<Label, string>>
  readonly keptOf: (got: string, total: string | undefined, validator: string | undefined) => string
  readonly untilTime: (what: string, until: string) => string
  readonly deadline: (when: string) => string
  readonly number: (id: string, number: number, session: string) => string
  /** What was learnt of it. */
  readonly server: (learnt: LearntOfOrigin) => string
  readonly spool: string
  readonly serverNames: string

  // The daemon.
  readonly daemonRuns: (pid: number, home: string, since: string) => string
  readonly daemonStopped: (pid: number, waiting: number) => string
  readonly daemonAbsent: (home: string) => string
  readonly daemonStarted: (pid: number) => string
  readonly survives: Readonly<Record<DaemonStatus['survives'], string>>
  readonly work: (counts: DaemonStatus['counts'], sessions: number) => string
  readonly staysForNothing: string
  /** The daemon's bandwidth limit; `until`: when the timetable changes it. */
  readonly limitNow: (rate: string | undefined, until: string | undefined) => string
  readonly noLimit: string
  /** Outside the hours of the timetable. */
  readonly otherwise: string
  readonly daily: string
  /** Monday first. */
  readonly days: readonly string[]
  readonly journalBroken: (why: string) => string
}
