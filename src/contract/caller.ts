/**
 * One connection as the inside of the daemon sees it: somebody who asks, and can be told things. The door (`daemon/door`)
 * makes one for each socket; tests make their own.
 */
import type { Notes } from './verbs.ts'

export interface Caller {
  /** Told by the client; for messages only, never trusted. */
  readonly pid: number
  /** Ordered with everything else that is sent to this caller. */
  note<N extends keyof Notes>(name: N, params: Notes[N]): void
  /** Newest only: while the connection is full, a later value under the same key replaces the earlier one. */
  latest<N extends keyof Notes>(name: N, key: string, params: Notes[N]): void
  /**
   * Calls `send` when the connection has room, which may be at once: whoever has much to say that is ordered says it piece by
   * piece, or a reader who does keep up would be taken for one who does not. Never, once the connection is gone.
   */
  whenRoom(send: () => void): void
}
