/** Rows as SQL gives them: null where nothing is known, 0 and 1 for no and yes. They do not leave this room. */
import type { Gate } from '../contract/words.ts'

export interface TaskRow {
  readonly id: number
  readonly uid: string
  readonly session: number
  readonly number: number
  /** Held by the newest task of the key only. */
  readonly key: string | null
  readonly gate: Gate
  /** Minus priority, so that smaller is earlier. */
  readonly rank: number
  readonly lane: number | null
  readonly running: 'active' | 'publishing' | null
  readonly outcome: 'succeeded' | 'failed' | 'cancelled' | null
  readonly suspends: number
  readonly held: number
  /** Tasks it needs that have not succeeded yet. */
  readonly blockers: number
  readonly wait: 'backoff' | 'disk' | 'destination' | null
  /** Steady ms. While nothing is waited for any more: until when the back-off was. */
  readonly wait_until: number | null
  readonly server_asked: number
  readonly parked: number
  /** Wall ms; null once it has come. */
  readonly begin_at: number | null
  /** Steady ms; null while the deadline stands still. */
  readonly deadline_at: number | null
  /** Ms left of the deadline while it stands still; null before it began. */
  readonly budget_left: number | null
  readonly wake_at: number | null
  readonly fence: number
  readonly attempts: number
  /** Attempts that failed; then those of them since bytes last became safe. */
  readonly failed: number
  readonly failures: number
  readonly restarts: number
  readonly digest_failures: number
  readonly redirects: number
  readonly cancel_asked: number
  /** {@link StoredIntent} as JSON. */
  readonly intent: string | null
  /** Bytes safe on disk, and the most there ever were. */
  readonly received: number
  readonly best: number
  readonly total: number | null
  /**
   * Steady ms since when nothing came: bytes became safe, it first started, or was let go on; moved on at each start by the time
   * since then in which nobody tried (see silence). Of a task that is completed, of its end.
   */
  readonly last_progress_at: number | null
  readonly give_up_after: number | null
  /** The session's configuration when it first started. */
  readonly configuration: number | null
  readonly retry_of: number | null
  readonly revalidates: number
  /** Wall ms. */
  readonly created_at: number
  readonly completed_at: number | null
}

export interface TextRow {
  readonly request: string
  readonly current_request: string | null
  readonly options: string
  readonly response: string | null
  readonly error: string | null
  readonly result: string | null
  readonly delivered: string | null
}

export interface SessionRow {
  readonly id: number
  readonly identifier: string
  readonly state: 'open' | 'finishing' | 'invalid'
  readonly configuration: number
  readonly launch: string | null
  readonly launch_when: string | null
  readonly launch_environment: string | null
  readonly launch_state: string
  readonly next_number: number
  readonly next_sequence: number
  /** Not acknowledged. */
  readonly events: number
  /** `didComplete` among them. */
  readonly waiting_tasks: number
  readonly owner_fence: number
  readonly owner_pid: number | null
  readonly methods: string
  readonly keeps_events: number
  readonly held: number
  readonly became_invalid: number
  readonly last_start: number
  readonly attached_at: number
}

export interface PartRow {
  readonly task: number
  readonly folder: string
  readonly name: string
  readonly identity: string | null
  readonly boot: string | null
  readonly ranges: string
  readonly representation: string | null
}
