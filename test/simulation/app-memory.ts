// What is counted over all lives of one app, for its plan to name: the app itself remembers nothing of it.
import type { DurableKind } from '../../src/contract/words.ts'

export class AppMemory {
  launches = 0
  /** Calls of the delegate. */
  readonly calls: Map<DurableKind, number> = new Map()
  /** How often it will throw yet, by session and number of the event. */
  readonly throws: Map<string, number> = new Map()
  /** By number of the task in the plan: the newest id that was given for it. */
  readonly ids: Map<number, string> = new Map()
  /** The same, as long as the key must find it. */
  readonly keys: Map<number, string> = new Map()
  /** Tasks that it has asked to be made anew, whether it heard the answer or not: their keys may give another. */
  readonly retried: Set<string> = new Set()
  /** Tasks without a key that were asked for; asked again they would be others. */
  readonly asked: Set<number> = new Set()
  /** It has asked for the end of its session: from then on there may be none. */
  invalidates = false
}
