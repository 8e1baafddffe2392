/**
 * The journal's contract: everything durable, behind commands. One command is one state change with its guards and its
 * events in one commit; nobody reads, decides and writes in three calls, because the guard is inside the command.
 *
 * A promise resolves after the commit that carries its command. Commands are grouped: many may share one commit. Inputs and
 * outputs are plain data, so that the journal can live in a thread (it does) or on another machine.
 *
 * It is long because it is one table: what can be asked, with what, and what is answered.
 *
 * Everybody outside this room sees this file only, and only its types; `daemon/life` also sees `thread`.
 */
import type { BandwidthChange, DaemonBandwidth } from '../contract/bandwidth.ts'
import type {
  ByteRanges,
  Delivered,
  DeliveredBefore,
  KeptBytes,
  Part,
  Place,
  PartIdentity,
  PublishIntent,
  Representation,
  RestartCause,
} from '../contract/bytes.ts'
import type { ErrorCode, ErrorJson } from '../contract/errors.ts'
import type { DurableEventJson } from '../contract/events.ts'
import type { AttemptJson } from '../contract/explanation.ts'
import type { TaskMetricsJson, TransactionJson } from '../contract/metrics.ts'
import type { ExplicitConfiguration, LaunchCommand, LaunchWhen, ResolvedConfiguration } from '../contract/session.ts'
import type {
  Destination,
  NewTask,
  RequestFacts,
  ResponseJson,
  TaskCounts,
  TaskFilter,
  TaskPolicy,
  TaskRecord,
  TaskResult,
} from '../contract/task.ts'
import type { AddedTask, Change, FreshRequest } from '../contract/verbs.ts'
import type { Gate, Proof, TaskId } from '../contract/words.ts'

/** The time at which a command happens; the journal itself reads no clock. */
export interface Moment {
  readonly steadyMs: number
  readonly wallMs: number
}

export type SessionId = number

export interface SessionFacts {
  readonly id: SessionId
  readonly identifier: string
  readonly state: 'open' | 'finishing' | 'invalid'
  readonly configuration: ResolvedConfiguration
  readonly launch?: LaunchCommand
  readonly launchWhen?: LaunchWhen
  readonly launchEnvironment?: Readonly<Record<string, string>>
  readonly ownerFence: number
  readonly held: boolean
  /** Whether durable events are kept: from the first owner or launch command on. */
  readonly keepsEvents: boolean
  /** Delegate methods of the last owner. */
  readonly methods: readonly string[]
}

/** What `delivery/launches` stores of a session; it alone gives it meaning. */
export interface LaunchState {
  readonly failures: number
  /** Steady ms before which no launch may happen. */
  readonly notBeforeMs: number
  readonly last?: {
    readonly atWallMs: number
    readonly pid?: number
    readonly exitCode?: number
    readonly signal?: string
    readonly problem?: string
  }
  /** A launch under way: recognises its app again after a restart of the daemon. */
  readonly current?: { readonly token: string }
}

/** Whether a session's app is wanted. */
export interface LaunchFacts {
  readonly session: SessionFacts
  readonly state: LaunchState
  /** Durable events not acknowledged. */
  readonly events: number
  /** Tasks whose `didComplete` is among them: what `launchWhen.atLeast` counts. */
  readonly waitingTasks: number
  /** Wall ms of the oldest of them: what `launchWhen.afterMs` measures. */
  readonly oldestEventMs?: number
  /** Tasks not completed. */
  readonly unfinished: number
  /** Up to 8 of them, for explanations. */
  readonly blocking: readonly { readonly id: TaskId; readonly gate: Gate }[]
}

/** Of a session; only the service can open it. */
export interface SealedSecret {
  readonly kind: 'credential' | 'cookies'
  /** Of a credential its origin, else empty. */
  readonly name: string
  readonly sealed: string
}

/** What the folders of destinations are, by path; one that nobody could look at is missing. */
export type Folders = ReadonlyMap<string, PartIdentity>

export type Targets =
  | { readonly ids: readonly TaskId[] }
  | { readonly session?: SessionId; readonly filter: TaskFilter }

// ---------------------------------------------------------------- attempts

/** All that an attempt has to know, read in the commit that starts it. */
export interface StartedAttempt {
  readonly task: TaskId
  readonly session: SessionId
  readonly sessionIdentifier: string
  readonly taskIdentifier: number
  readonly fence: number
  readonly attempt: number
  readonly request: RequestFacts
  readonly configuration: ResolvedConfiguration
  readonly policy: TaskPolicy
  readonly destination: Destination
  /** What the folder of the destination was when that was settled. */
  readonly folderIdentity: PartIdentity | undefined
  readonly ifExists: NewTask['ifExists']
  readonly umask: number
  readonly expectedDigests: NewTask['expectedDigests']
  readonly expectedLength: number | undefined
  readonly part: Part | undefined
  readonly intent: PublishIntent | undefined
  /**
   * What the earlier task of this key left: a conditional request may find that it is still the newest. Present for
   * `ifExists: 'revalidate'`, and whatever `ifExists` says when `again` found a finished task; where that file is no longer as
   * it was left, `ifExists` decides.
   */
  readonly delivered: DeliveredBefore | undefined
  /** Restarts in a row that gained nothing. */
  readonly restarts: number
  /** Of DIGEST_MISMATCH after a resume: fetched once more only. */
  readonly digestFailures: number
  /** What the decision about a next attempt has to know of the ones before. */
  readonly past: {
    /** Attempts that failed, of those that are kept; one that we stopped is none. */
    readonly failed: number
    /** Of these the last ones in a row, since bytes last became safe: the exponent of the back-off. */
    readonly failures: number
    /** Code of the last failure. */
    readonly lastCode: ErrorCode | undefined
    /** Steady ms. */
    readonly deadlineAtMs: number | undefined
    readonly giveUpAfterMs: number | undefined
    /** Steady ms of this start. */
    readonly startedAtMs: number
    /** For how long it was tried before this start without a byte becoming safe. */
    readonly silentMs: number
    /** No longer can this attempt be silent; what it lasts beyond is not counted. */
    readonly stallMs: number
    /** The most bytes that were ever safe at once; what an attempt has to exceed to have gained something. */
    readonly bestBytes: number
  }
}

/** `fenced`: this attempt is no longer the one; close, tell nobody. */
export type Fenced = { readonly found: 'fenced' }
export type Recorded = { readonly found: 'recorded' } | Fenced

export type AttemptEnd =
  /**
   * Tried again by itself: not before `wakeAtMs` (steady). `serverAsked`: a Retry-After, which a change of network does not end.
   * `origin`: of the address that was asked; the task may have another by now. `reopensAtMs`: until then (steady) all tasks of
   * that origin wait.
   */
  | {
      readonly kind: 'retry'
      readonly cause: ErrorJson
      readonly origin: string
      readonly wakeAtMs: number
      readonly serverAsked: boolean
      readonly reopensAtMs?: number
      readonly progressed: boolean
    }
  /** Waits for room or for the folder; looked at again at `wakeAtMs`. */
  | {
      readonly kind: 'wait'
      readonly gate: 'disk' | 'destination'
      readonly cause: ErrorJson
      readonly wakeAtMs: number
    }
  /** Ends the task. */
  | { readonly kind: 'fail'; readonly error: ErrorJson }
  /** Stopped by us (daemon stops, suspended, held): ready again by its gate. */
  | { readonly kind: 'stopped' }

export interface AttemptMeasure {
  /** Body bytes received in this attempt. */
  readonly bytes: number
  readonly proof?: Proof
  readonly transactions: readonly TransactionJson[]
  readonly redirects: number
}

// ---------------------------------------------------------------- scheduling

/** The best ready task of a lane (session × origin). */
export interface LaneHead {
  readonly session: SessionId
  readonly origin: string
  readonly task: TaskId
  /** Higher first, then older first. */
  readonly priority: number
  readonly ready: number
  /** Steady ms; the origin asked us to wait until then. */
  readonly closedUntilMs?: number
}

export interface ActiveTask {
  readonly task: TaskId
  readonly session: SessionId
  /** Absent when its bytes are all there: it needs no connection any more. */
  readonly origin?: string
}

export interface SessionShare {
  readonly session: SessionId
  readonly maximumActiveTasks: number
  readonly maximumConnectionsPerHost: number
  readonly held: boolean
  /** Counts up with each start; the smallest is the longest unserved. */
  readonly lastStart: number
}

export interface ScheduleView {
  readonly sessions: readonly SessionShare[]
  /** The best task of each lane, and behind it those that come next, as far as places for them may be free. */
  readonly lanes: readonly LaneHead[]
  /** There are more sessions, or more lanes of one, than are shown. */
  readonly isCut: boolean
  readonly active: readonly ActiveTask[]
  /** Steady ms of the next row that is due (back-off, date, deadline, reopening lane). */
  readonly wakeAtMs?: number
  /** A task waits for another try, which a change of network may bring forward. */
  readonly backingOff: boolean
}

/** What a commit caused; one subscriber in `service/` turns it into work. Nothing stands still because a nudge was forgotten. */
export interface Consequences {
  /**
   * Something is ready that was not, or the next wake-up changed: whatever was seen of the queue is out of date. Not that a place is
   * free again, nor when a task that starts has to be over: whoever runs the attempts knows both. Nor that a ready task is so no longer:
   * its start is refused.
   */
  readonly schedule: boolean
  /** Sessions with new durable events. */
  readonly events: readonly SessionId[]
  /** Sessions whose tasks, owner or launch command changed: the launch rule is looked at again. */
  readonly sessions: readonly SessionId[]
  /** Sessions that are no more. */
  readonly gone: readonly SessionId[]
  /** Attempts that must end, and why. */
  readonly stop: readonly { readonly task: TaskId; readonly why: StopReason }[]
  /** Tasks whose record changed, for those who watch or wait; `ended` of them have completed. */
  readonly changed: readonly TaskId[]
  readonly ended: readonly TaskId[]
  /** Files to unlink were recorded. */
  readonly owed: boolean
}

export type StopReason = 'cancelled' | 'suspended' | 'held' | 'deadline' | 'request changed' | 'daemon stops'

export interface OwedFile {
  readonly id: number
  readonly folder: string
  readonly name: string
  readonly identity?: PartIdentity
  /** Steady ms since which it is to be unlinked. */
  readonly dueMs: number
}

export interface Recovery {
  /** The daemon before this one did not end cleanly. */
  readonly unclean: boolean
  /** Attempts that it left behind were ended; tasks parked because they were active in three unclean ends within 10 min. */
  readonly interrupted: number
  readonly parked: readonly TaskId[]
  /** Had an owner when the daemon before this one ended, whose process may live on. */
  readonly owned: readonly SessionId[]
}

// ---------------------------------------------------------------- the commands

export interface Commands {
  /** First of a life: ends attempts of the last one (ready at once), repairs derived rows after an unclean end. */
  openLife: { input: { readonly at: Moment; readonly bootId: string; readonly pid: number }; output: Recovery }
  /**
   * Saves `steady()` so that the next life goes on from it. Called each minute while attempts run, each ten while tasks wait for
   * something, and at a clean end.
   */
  saveClock: { input: { readonly at: Moment; readonly cleanEnd: boolean }; output: null }

  /** Creates or re-associates. Without `owns` and `launch`, no events are kept. @throws CONFIGURATION_MISMATCH */
  openSession: {
    input: {
      readonly at: Moment
      readonly identifier: string
      readonly configuration: ExplicitConfiguration
      readonly strict: boolean
      /** Only an owner (or the creator) applies other explicit values; a controller's are ignored for an existing session. */
      readonly owner: boolean
      readonly launch?: LaunchCommand | null
      readonly launchWhen?: LaunchWhen
      readonly launchEnvironment?: Readonly<Record<string, string>>
    }
    output: {
      readonly session: SessionFacts
      readonly created: boolean
      readonly changed: readonly (keyof ResolvedConfiguration)[]
    }
  }
  /** A new owner: owner fence + 1; durable events are kept from now on. Whether there is another one is `delivery`'s to know. */
  attach: {
    input: { readonly session: SessionId; readonly pid: number; readonly methods: readonly string[] }
    output: { readonly fence: number }
  }
  detach: { input: { readonly session: SessionId; readonly fence: number }; output: Recorded }
  findSession: { input: { readonly identifier: string }; output: SessionFacts | undefined }
  listSessions: {
    input: Record<string, never>
    output: readonly {
      readonly session: SessionFacts
      readonly counts: TaskCounts
      readonly unacknowledged: number
      readonly launchState: LaunchState
    }[]
  }
  /** No new tasks; `cancel`: all cancelled. When all have ended, `didBecomeInvalid` is written; acknowledged, the row goes. */
  invalidate: {
    input: { readonly session: SessionId; readonly how: 'finish' | 'cancel'; readonly at: Moment }
    output: { readonly waitingFor: readonly TaskId[] }
  }
  /** Discards events, spooled files and the session. Refused (SESSION_IN_USE) for one that has unfinished tasks. */
  dropSession: {
    input: { readonly session: SessionId; readonly at: Moment }
    output: { readonly events: number; readonly files: number }
  }
  /** Nothing of it starts from this commit on; attempts end, but for those that publish. */
  holdSession: { input: { readonly session: SessionId; readonly held: boolean; readonly at: Moment }; output: null }
  /** What is sealed of a session; it goes with it. */
  secrets: { input: { readonly session: SessionId }; output: readonly SealedSecret[] }
  /** `sealed: null`: it is forgotten. */
  keepSecret: {
    input: Omit<SealedSecret, 'sealed'> & { readonly session: SessionId; readonly sealed: string | null }
    output: { readonly found: 'recorded' } | { readonly found: 'gone' }
  }

  /** All or none. @throws with `index`: INVALID_ARGUMENT, DESTINATION_BUSY, SESSION_INVALIDATED */
  addTasks: {
    input: {
      readonly session: SessionId
      readonly tasks: readonly NewTask[]
      readonly folders?: Folders
      readonly at: Moment
    }
    output: { readonly tasks: readonly AddedTask[] }
  }
  /** As `addTasks`, for many rows whose records nobody reads. */
  enqueueTasks: {
    input: CommandInput<'addTasks'>
    output: { readonly tasks: readonly { readonly id: TaskId; readonly isNew: boolean }[] }
  }
  /** Nesting counts of suspend; a person's hold; cancel (before the intent: at once; after it: remembered). */
  change: {
    input: { readonly targets: Targets; readonly change: Change; readonly at: Moment }
    output: { readonly changed: number }
  }
  retryTask: {
    input: FreshRequest & {
      readonly id: TaskId
      readonly newId: TaskId
      readonly destination?: Destination
      readonly folders?: Folders
      readonly at: Moment
    }
    output: AddedTask
  }
  /** Back-offs that are over, dates that have come, deadlines that have passed: at most 1,000 a call. `more`: call again. */
  wakeDue: { input: { readonly at: Moment }; output: { readonly woken: number; readonly more: boolean } }
  /** A change of network: ends back-offs that no server asked for. */
  networkChanged: { input: { readonly at: Moment }; output: { readonly woken: number } }

  startAttempt: {
    input: { readonly task: TaskId; readonly at: Moment }
    output:
      | ({ readonly found: 'started' } & StartedAttempt)
      | { readonly found: 'not ready'; readonly gate: Gate | undefined }
  }
  /** Before the first byte: the name at the destination and the part file's, the response and its representation. */
  reserve: {
    input: {
      readonly task: TaskId
      readonly fence: number
      readonly at: Moment
      readonly response: ResponseJson
      readonly representation: Representation
      /** Names to try in turn (keepBoth, folder). */
      readonly destination:
        | { readonly folder: string; readonly names: readonly string[]; readonly place?: Place | undefined }
        | 'spool'
      readonly part: { readonly folder: string; readonly name: string }
      /**
       * What becomes of the part of the assignment. `in place`: it goes on. `to be copied`: it counts until a checkpoint says that its
       * copy does; until then `part` is owed. `none`: it is owed, and `part` starts from zero.
       */
      readonly kept: KeptBytes
    }
    output:
      /** `alike`: another live task's name in this folder is the same one where names fold. */
      | { readonly found: 'reserved'; readonly name: string; readonly alike?: TaskId }
      | { readonly found: 'busy'; readonly by: TaskId }
      | Fenced
  }
  /** Proven to go on from `offset`: writes `didResumeAtOffset`. */
  resumed: {
    input: {
      readonly task: TaskId
      readonly fence: number
      readonly at: Moment
      readonly offset: number
      readonly total?: number
      readonly proof: Proof
    }
    output: Recorded
  }
  /** The bytes in `ranges` are on disk (fdatasync returned). */
  checkpoint: {
    input: {
      readonly task: TaskId
      readonly fence: number
      readonly at: Moment
      readonly identity: PartIdentity
      readonly ranges: ByteRanges
      readonly representation: Representation
      /** Where they are. Another one than before: they were copied, and the old file is owed. */
      readonly part: { readonly folder: string; readonly name: string }
    }
    output: Recorded
  }
  /** Kept bytes are given up; the part is owed. Only `bytes changed` counts among the restarts. */
  restart: {
    input: {
      readonly task: TaskId
      readonly fence: number
      readonly at: Moment
      readonly why: string
      readonly because: RestartCause
    }
    output: Recorded
  }
  /** `cancelled`: a cancel was committed before; nothing may be published. */
  intent: {
    input: { readonly task: TaskId; readonly fence: number; readonly at: Moment; readonly intent: PublishIntent }
    output: Recorded | { readonly found: 'cancelled' } | { readonly found: 'busy'; readonly by: TaskId }
  }
  /** Result and its events in one commit. */
  finish: {
    input: {
      readonly task: TaskId
      readonly fence: number
      readonly at: Moment
      readonly result: TaskResult
      /** Undefined: this attempt had none (a recovered publishing, a skip); the one that `reserve` recorded stands. */
      readonly response: ResponseJson | undefined
      readonly delivered?: Delivered
      readonly measure: AttemptMeasure
    }
    output: Recorded
  }
  endAttempt: {
    input: {
      readonly task: TaskId
      readonly fence: number
      readonly at: Moment
      readonly end: AttemptEnd
      readonly measure: AttemptMeasure
      /** Nobody knows what the disk kept: if names were being changed, the bytes of the part count no longer. @default false */
      readonly diskFailed?: boolean
    }
    /** `fresh`: a server asked for a wait that the task does not keep, since its next attempt asks another one. */
    output: { readonly found: 'recorded'; readonly fresh?: true } | Fenced
  }

  /** Counts a delivery of each (in the commit), then gives them: `redelivered` can never lie. */
  takeEvents: {
    input: { readonly session: SessionId; readonly fence: number; readonly after: number; readonly limit: number }
    /** `more`: others come behind these. */
    output: { readonly found: 'taken'; readonly events: readonly DurableEventJson[]; readonly more: boolean } | Fenced
  }
  acknowledge: {
    input: {
      readonly session: SessionId
      readonly fence: number
      readonly sequences: readonly number[]
      readonly at: Moment
    }
    output: { readonly found: 'recorded'; readonly acknowledged: number } | Fenced
  }
  /** After a launch, when everything else was acknowledged or is blocked. */
  queueDidFinishEvents: {
    input: {
      readonly session: SessionId
      readonly fence: number
      readonly at: Moment
      readonly blocked: readonly TaskId[]
    }
    output: Recorded
  }
  launchFacts: { input: { readonly session: SessionId }; output: LaunchFacts | undefined }
  /** Sessions that may want a launch, at start, and those that an earlier life launched an app for, which may run still. */
  launchable: { input: Record<string, never>; output: readonly SessionId[] }
  launchChanged: { input: { readonly session: SessionId; readonly state: LaunchState }; output: null }

  schedule: {
    input: {
      readonly at: Moment
      readonly lanesPerSession: number
      /**
       * How many may be active; where more of them are free than lanes are open, those behind the heads are shown as well.
       * `ahead`: so many more of those. `closing`: so many more of each lane, as that many of those shown may not start yet.
       */
      readonly places?: {
        readonly total: number
        readonly perOrigin: number
        readonly ahead?: number
        readonly closing?: number
      }
      /** Active tasks whose bytes are all there, which the journal learns only from the intent. @default none */
      readonly fetched?: readonly TaskId[]
      /** Origins that take no more connections for now: sessions that wait for nothing else are shown behind the others. @default none */
      readonly full?: readonly string[]
    }
    output: ScheduleView
  }
  getTask: {
    input: { readonly id: TaskId } | { readonly session: SessionId; readonly taskIdentifier: number }
    output: TaskRecord | undefined
  }
  findTasks: { input: { readonly text: string }; output: readonly TaskRecord[] }
  page: {
    input: {
      readonly session?: SessionId
      readonly filter: TaskFilter
      readonly completed: boolean
      readonly sinceMs?: number
      readonly cursor?: string
      readonly limit: number
    }
    output: { readonly tasks: readonly TaskRecord[]; readonly cursor?: string }
  }
  counts: { input: { readonly session?: SessionId; readonly filter?: TaskFilter }; output: TaskCounts }
  taskEnd: {
    input: { readonly id: TaskId }
    output: { readonly task: TaskRecord; readonly metrics: TaskMetricsJson } | undefined
  }
  explainFacts: { input: { readonly at: Moment; readonly id: TaskId }; output: ExplainFacts | undefined }

  owed: { input: { readonly limit: number; readonly at: Moment }; output: readonly OwedFile[] }
  paid: { input: { readonly ids: readonly number[] }; output: null }
  /** Forgets completed tasks and undelivered files that are older than is kept. At most 1,000 a call. */
  retire: { input: { readonly at: Moment }; output: { readonly retired: number; readonly more: boolean } }
  /** Whether the daemon may leave: nothing ready, active, waiting or dated, nothing owed to a launch. */
  idle: { input: Record<string, never>; output: { readonly unfinished: number } }

  /** The daemon's own bandwidth limit and its timetable. */
  bandwidth: { input: Record<string, never>; output: DaemonBandwidth }
  changeBandwidth: { input: { readonly change: BandwidthChange }; output: DaemonBandwidth }
}

export interface ExplainFacts {
  readonly record: TaskRecord
  readonly session: SessionFacts
  readonly gate: Gate
  readonly origin: string
  readonly suspends: number
  readonly held: boolean
  /** Steady ms: when its own wait is over. */
  readonly wakeAtMs?: number
  /** Wall ms: `earliestBeginDate` that has not come. */
  readonly beginAtWallMs?: number
  /** Steady ms; absent while the deadline stands still. */
  readonly deadlineAtMs?: number
  readonly serverAsked: boolean
  readonly parked: boolean
  readonly unmet: readonly TaskId[]
  readonly laneClosedUntilMs?: number
  /** Ready tasks before it in its lane, counted up to 10,000. */
  readonly ahead: number
  readonly part?: Part
  readonly attempts: readonly AttemptJson[]
  readonly lastCause?: ErrorJson
}

export type CommandName = keyof Commands
export type CommandInput<N extends CommandName> = Commands[N]['input']
export type CommandOutput<N extends CommandName> = Commands[N]['output']

export type Journal = {
  readonly [N in CommandName]: (input: CommandInput<N>) => Promise<CommandOutput<N>>
} & {
  /** One subscriber; called after the commit, before the promises of its commands resolve. */
  watch(changed: (consequences: Consequences) => void): void
  /** Undefined while commits succeed; else why they do not. */
  readonly problem: string | undefined
  /** The saved `steady()` of the last life; read once at start. */
  readonly savedSteadyMs: number
  close(): Promise<void>
}
