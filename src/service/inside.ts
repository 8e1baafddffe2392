/** What the verbs are given: the parts of the inside, composed in `create-service`. */
import type { Caller } from '../contract/caller.ts'
import { LonghaulError } from '../contract/errors.ts'
import type { Params, Result, Verb } from '../contract/verbs.ts'
import type { Delivery } from '../delivery/delivery.ts'
import type { Journal, SessionFacts } from '../journal/journal.ts'
import type { Limits } from '../scheduler/view.ts'
import type { World } from '../world/world.ts'
import type { Engine } from '../transfer/assignment.ts'
import type { Bandwidth } from './bandwidth.ts'
import type { Accounts } from './accounts.ts'
import type { Crowding } from './crowding.ts'
import type { Housekeeping } from './housekeeping.ts'
import type { Loop } from './loop.ts'
import type { Progress } from './progress.ts'
import type { DaemonFacts } from './service.ts'
import type { Transfers } from './transfers.ts'
import type { Waiting } from './waiting.ts'
import type { Watching } from './watching.ts'

export interface Inside {
  readonly world: World
  readonly journal: Journal
  readonly delivery: Delivery
  readonly facts: DaemonFacts
  readonly limits: Limits
  readonly crowding: Crowding
  readonly bandwidth: Bandwidth
  readonly engine: Engine
  readonly loop: Loop
  readonly housekeeping: Housekeeping
  readonly transfers: Transfers
  readonly accounts: Accounts
  readonly progress: Progress
  readonly watching: Watching
  readonly waiting: Waiting
  /** Why the daemon must stay. */
  keptBy(): Promise<readonly string[]>
  /** Wall ms. */
  readonly startedAtMs: number
}

/** Who asks, and how the asking is ended. */
export interface Asking {
  readonly caller: Caller
  readonly signal: AbortSignal
}

/** One function a verb. `params` were checked at the door. */
export type Verbs<V extends Verb> = {
  readonly [K in V]: (params: Params<K>, asking: Asking) => Promise<Result<K>>
}

/** @throws INVALID_ARGUMENT when there is none */
export async function sessionNamed(journal: Journal, identifier: string): Promise<SessionFacts> {
  const found = await journal.findSession({ identifier })
  if (found !== undefined) return found
  throw new LonghaulError(
    'INVALID_ARGUMENT',
    `There is no session '${identifier}'. Nothing was changed; open it first, or look at \`longhaul ls\` for those that exist.`,
  )
}
