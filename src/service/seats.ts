/**
 * What running attempts hold of the limits: a place of the daemon's and of their session's, and with it a connection to their
 * origin until their bytes are there. Counted as it changes, since it is looked at for each small file.
 */
import type { SessionId } from '../journal/journal.ts'
import type { ActiveTask } from '../scheduler/view.ts'

export type Seat = 'connection' | 'place' | 'none'

/** Whose it is. */
export interface Sitter {
  readonly session: SessionId
  readonly origin: string
}

export class Seats {
  readonly #counts = new Map<string, ActiveTask & { count: number }>()
  #total = 0

  /** How many places are taken. */
  get total(): number {
    return this.#total
  }

  /** Those that are alike in one. */
  get taken(): readonly ActiveTask[] {
    return [...this.#counts.values()]
  }

  change(sitter: Sitter, from: Seat, to: Seat): void {
    this.#count(sitter, from, -1)
    this.#count(sitter, to, 1)
  }

  #count({ session, origin }: Sitter, seat: Seat, by: 1 | -1): void {
    if (seat === 'none') return
    this.#total += by
    const key = seat === 'place' ? String(session) : `${session} ${origin}`
    const found = this.#counts.get(key)
    if (found === undefined) this.#counts.set(key, { session, ...(seat === 'connection' && { origin }), count: by })
    else {
      found.count += by
      if (found.count === 0) this.#counts.delete(key)
    }
  }
}
