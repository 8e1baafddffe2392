// What happens in a run, as plain data: who lives on the machine, what servers are like, and what goes wrong when. The run is a
// function of its plan, so a run that fails can be made shorter by leaving parts of the plan out. `make-plan.ts` makes one from a
// seed.
import type { Limits } from '../../src/scheduler/view.ts'
import type { AppPlan } from './app-plan.ts'
import type { DiskFault } from './medium.ts'
import type { ServerPlan } from './server-plan.ts'

/** When a life ends: at a moment of the timeline, or at the nth call of its kind, just before or after its effect. */
export type Death =
  | { readonly atMs: number }
  | { readonly call: string; readonly nth: number; readonly moment: 'before' | 'after' }

export type Fault =
  | ({ readonly kind: 'daemon dies' } & Death)
  | ({ readonly kind: 'power cut'; readonly darkMs: number } & Death)
  /** The users of all apps that run do it just when the daemon makes that call. */
  | { readonly kind: 'users act'; readonly act: UserAct; readonly call: string; readonly nth: number }
  /** A person starts an app that runs already, just when the daemon makes that call. */
  | { readonly kind: 'app starts twice'; readonly app: number; readonly call: string; readonly nth: number }
  | { readonly kind: 'daemon stops'; readonly atMs: number }
  | { readonly kind: 'wall jumps'; readonly atMs: number; readonly byMs: number }
  | { readonly kind: 'machine sleeps'; readonly atMs: number; readonly forMs: number }
  | { readonly kind: 'network changes'; readonly atMs: number }
  | { readonly kind: 'disk fills up'; readonly atMs: number; readonly forMs: number }
  /** The nth launch, the nth start of the daemon. */
  | { readonly kind: 'launch fails'; readonly nth: number }
  | { readonly kind: 'daemon does not start'; readonly nth: number }

export type UserAct = 'cancel all' | 'hold all' | 'release all' | 'try all now' | 'close' | 'take over'

export interface Plan {
  readonly seed: number
  readonly limits: Limits
  readonly servers: readonly { readonly url: string; readonly server: ServerPlan }[]
  readonly folders: readonly string[]
  /** There before anything begins, and nobody's but the user's. */
  readonly files: readonly { readonly path: string; readonly text: string }[]
  readonly apps: readonly PlannedApp[]
  readonly faults: readonly Fault[]
  readonly diskFaults: readonly DiskFault[]
  /** COMMITs that fail, counted over the run, with SQLite's result code: 13 no room, 10 input/output. */
  readonly journalFailures: readonly { readonly from: number; readonly times: number; readonly code: number }[]
  /** The nth connection breaks at its nth frame. */
  readonly breaks: readonly Break[]
  /** Calls of the daemon that take so many times as long: what rarely meets by chance then often does. */
  readonly slow: readonly { readonly call: string; readonly times: number }[]
  /** Faults stop here. */
  readonly calmAtMs: number
}

export interface Break {
  readonly connection: number
  readonly frame: number
  /** Whether that frame still arrives. */
  readonly delivered: boolean
}

export interface PlannedApp extends AppPlan {
  /** What it registers as its launch command; undefined: it is never launched. */
  readonly command?: string
  /** When a person starts it, unless it runs. */
  readonly startsAtMs: readonly number[]
}
