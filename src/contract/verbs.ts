/**
 * All that can be asked of the daemon, seen by both ends of the socket. The daemon checks the parameters of each verb
 * (`daemon/checks`); the client trusts what it is answered. Adding a field is a minor change: unknown fields are ignored,
 * unknown verbs refused.
 */
import type { BandwidthChange, BandwidthStatus } from './bandwidth.ts'
import type { Credential } from './credential.ts'
import type { ErrorJson } from './errors.ts'
import type { DurableEventJson, PassingEventJson } from './events.ts'
import type { ExplanationJson } from './explanation.ts'
import type { TaskMetricsJson } from './metrics.ts'
import type {
  ExplicitConfiguration,
  LaunchCommand,
  LaunchWhen,
  ResolvedConfiguration,
  SessionSummaryJson,
} from './session.ts'
import type { NewTask, ProgressJson, RequestFacts, TaskCounts, TaskFilter, TaskRecord } from './task.ts'
import type { TaskId } from './words.ts'

/** Versions of the protocol that this build speaks, newest first. */
export const protocolVersions: readonly number[] = [1]

/** Some tasks: by id, or by filter within one session or (undefined) all of them. */
export type Targets = { readonly ids: readonly TaskId[] } | { readonly session?: string; readonly filter: TaskFilter }

/** What of a request is replaced. */
export type FreshRequest = Partial<Pick<RequestFacts, 'url' | 'headers' | 'authorization'>>

/** What can be done to tasks that exist. `hold`/`release` are a person's, `suspend`/`resume` the app's; both nest apart. */
export type Change =
  | { readonly kind: 'resume' | 'suspend' | 'hold' | 'release' | 'cancel' | 'tryNow' }
  | { readonly kind: 'priority'; readonly priority: number }
  /** In bytes per second, of the task alone; null: none. Holds at once. */
  | { readonly kind: 'bandwidthLimit'; readonly bytesPerSecond: number | null }
  | ({ readonly kind: 'request'; readonly restart: boolean } & FreshRequest)

export interface OpenedSession {
  readonly identifier: string
  readonly created: boolean
  readonly configuration: ResolvedConfiguration
  readonly changedConfiguration: readonly (keyof ResolvedConfiguration)[]
  readonly survives: 'installed' | 'on demand' | 'tethered'
  readonly launched: boolean
}

export interface DaemonStatus {
  readonly pid: number
  readonly version: string
  readonly protocol: string
  readonly node: string
  readonly home: string
  readonly socket: string
  readonly startedAtMs: number
  readonly survives: 'installed' | 'on demand' | 'tethered'
  readonly counts: TaskCounts
  readonly sessions: number
  readonly connections: number
  /** Why it stays, or when it leaves. */
  readonly keptBy: readonly string[]
  /** False while the journal cannot be written; `journalProblem` says why. */
  readonly journalWritable: boolean
  readonly journalProblem?: string
  /** Names and values of the listed environment that the daemon runs with; passwords of proxies are masked. */
  readonly environment: Readonly<Record<string, string>>
  readonly rssBytes: number
  /** Absent: a daemon of an older version, which has none. */
  readonly bandwidth?: BandwidthStatus
}

/** How a task ended, for one who waits. */
export interface TaskEnd {
  readonly task: TaskRecord
  readonly metrics: TaskMetricsJson
}

export interface Verbs {
  'session.open': {
    params: {
      readonly identifier: string
      readonly configuration: ExplicitConfiguration
      readonly strictConfiguration: boolean
      /** undefined keeps the stored one, null clears it. */
      readonly launch?: LaunchCommand | null
      readonly launchWhen?: LaunchWhen
      /** The environment that a later launch gets: display and bus variables of this process. */
      readonly launchEnvironment?: Readonly<Record<string, string>>
      /** Present: become the owner. `fence`: the owner that lost its connection attaches again with the fence it had. */
      readonly own?: {
        readonly methods: readonly string[]
        readonly takeover: boolean
        readonly fence?: number
        readonly launchToken?: string
        /** This process has received the `didFinishEvents` of its launch, on an earlier connection: it is not written again. */
        readonly finishSeen?: boolean
      }
    }
    result: OpenedSession & { readonly fence?: number }
  }
  /** Lets events flow to this owner. */
  'session.activate': { params: { readonly identifier: string; readonly fence: number }; result: null }
  /** Lets go of the ownership; work goes on. */
  'session.close': { params: { readonly identifier: string; readonly fence?: number }; result: null }
  'session.finish': {
    params: { readonly identifier: string; readonly how: 'finish' | 'cancel' }
    result: { readonly waitingFor: readonly TaskId[] }
  }
  'session.drop': {
    params: { readonly identifier: string }
    result: { readonly events: number; readonly files: number }
  }
  'session.hold': { params: { readonly identifier: string; readonly held: boolean }; result: null }
  /** Serves all tasks of the session. Null: forgotten. */
  'session.setCredential': {
    params: { readonly identifier: string; readonly origin: string; readonly credential: Credential | null }
    result: null
  }
  'session.counts': { params: { readonly identifier?: string; readonly filter?: TaskFilter }; result: TaskCounts }
  'session.list': { params: Record<string, never>; result: readonly SessionSummaryJson[] }
  /** The launched app's last word for this session: it has shown everything. */
  'session.launchCompleted': { params: { readonly identifier: string; readonly launchToken: string }; result: null }
  'session.stillWorking': { params: { readonly identifier: string; readonly foreground: boolean }; result: null }

  /** As `task.add`, for many rows: the answer stays small. */
  'task.enqueue': {
    params: {
      readonly session: string
      readonly tasks: readonly NewTask[]
      /** May be sent before the call before it was answered; done only when that one was. */
      readonly follows?: ChainLink
    }
    result: { readonly tasks: readonly { readonly id: TaskId; readonly isNew: boolean }[] }
  }
  /**
   * At most 1,000 rows and 1 MiB a call; all or none. A refused row names its `index` in the error. For few: a record says the
   * request twice, and the answer has to fit into a frame too.
   */
  'task.add': {
    params: { readonly session: string; readonly tasks: readonly NewTask[] }
    result: { readonly tasks: readonly AddedTask[] }
  }
  'task.get': {
    params: { readonly id: string } | { readonly session: string; readonly taskIdentifier: number }
    result: TaskRecord | null
  }
  /** By id, its last 4–26 characters, a unique prefix of the file name, `session/number`, or `@last`. */
  'task.find': { params: { readonly text: string }; result: readonly TaskRecord[] }
  'task.page': {
    params: {
      readonly session?: string
      readonly filter: TaskFilter
      readonly completed: boolean
      readonly sinceMs?: number
      readonly cursor?: string
      readonly limit: number
    }
    result: { readonly tasks: readonly TaskRecord[]; readonly cursor?: string }
  }
  'task.change': {
    params: { readonly targets: Targets; readonly change: Change }
    result: { readonly changed: number }
  }
  /** A new task that adopts the bytes of a completed one. */
  'task.retry': {
    params: FreshRequest & {
      readonly id: TaskId
      readonly newId: TaskId
      readonly destination?: NewTask['destination']
    }
    result: AddedTask
  }
  'task.explain': { params: { readonly id: TaskId }; result: ExplanationJson }
  /** Answers when the task has ended. Cancel the call to stop waiting. */
  'task.wait': { params: { readonly id: TaskId }; result: TaskEnd }

  'event.acknowledge': {
    params: { readonly session: string; readonly fence: number; readonly sequences: readonly number[] }
    result: { readonly acknowledged: number }
  }
  /** The callback threw for the last time: later events of its task stay back until the next attach. */
  'event.refuse': {
    params: { readonly session: string; readonly fence: number; readonly sequence: number; readonly reason: string }
    result: null
  }
  /** The callback runs longer than 10 s (or has come to its end after that): shown by `explain`. */
  'event.slow': {
    params: { readonly session: string; readonly fence: number; readonly sequence: number; readonly running: boolean }
    result: null
  }

  /**
   * `progress` notes for these tasks, or for all of a session, until `watch.stop` or the end of the connection. Of the tasks by id,
   * the answer has those for which there is room; the others come as notes.
   */
  'watch.start': {
    params: {
      readonly watch: number
      readonly ids?: readonly TaskId[]
      readonly session?: string
      readonly intervalMs: number
    }
    result: { readonly tasks: readonly TaskRecord[] }
  }
  'watch.stop': { params: { readonly watch: number }; result: null }

  'daemon.status': { params: Record<string, never>; result: DaemonStatus }
  /** The bandwidth limit of all sessions together; without a change it is only shown. */
  'daemon.limit': { params: { readonly change?: BandwidthChange }; result: BandwidthStatus }
  /** Stops at a checkpoint. Answers before it goes. */
  'daemon.stop': {
    params: Record<string, never>
    result: { readonly active: number; readonly waiting: number; readonly pid: number }
  }
}

/** The place of a call among those that follow each other on one connection. */
export interface ChainLink {
  /** Chosen by the client, for each chain another. */
  readonly chain: number
  /** From 0, without a gap. */
  readonly position: number
}

export interface AddedTask {
  readonly task: TaskRecord
  /** False when `key` (or a repeated id) found an existing task. */
  readonly isNew: boolean
}

export type Verb = keyof Verbs
export type Params<V extends Verb> = Verbs[V]['params']
export type Result<V extends Verb> = Verbs[V]['result']

/** What the daemon says without being asked. */
export interface Notes {
  event: { readonly session: string; readonly event: DurableEventJson }
  passing: { readonly session: string; readonly event: PassingEventJson }
  /** For a watch: facts that changed. `task` when more than progress changed. */
  progress: { readonly watch: number; readonly id: TaskId; readonly progress: ProgressJson; readonly task?: TaskRecord }
  /** This connection no longer owns the session. */
  ended: { readonly session: string; readonly error: ErrorJson }
}
