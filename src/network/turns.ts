/**
 * In one turn of the event loop a socket reads its share. One whose bytes are taken as fast as they come would otherwise be read
 * as long as anything comes, and everybody else wait for it: other sockets, timers, whoever asks the daemon something.
 */

export interface TurnLimits {
  /** Of all sockets in a turn. */
  readonly budgetBytes: number
  /** Of one socket, however many there are. */
  readonly smallestBytes: number
}

/**
 * Some twelve milliseconds of work. A large share is quick to read, as what has just come is still in the processor's cache;
 * one that is very small costs more to wait for than it takes to read.
 */
const usual: TurnLimits = { budgetBytes: 16 * 1024 * 1024, smallestBytes: 128 * 1024 }

export class Turns {
  readonly #limits: TurnLimits
  /** Those that read in this turn. */
  #readers: Share[] = []
  /** How many did in the last one in which any did. */
  #before = 0

  constructor(limits: TurnLimits = usual) {
    this.#limits = limits
  }

  join(reader: Share): void {
    if (this.#readers.length === 0) setImmediate(() => this.#next())
    this.#readers.push(reader)
  }

  get shareBytes(): number {
    const { budgetBytes, smallestBytes } = this.#limits
    return Math.max(smallestBytes, budgetBytes / Math.max(this.#before, this.#readers.length))
  }

  #next(): void {
    const readers = this.#readers
    this.#readers = []
    this.#before = readers.length
    for (const reader of readers) reader.renew()
  }
}

/** What one socket reads in a turn. */
export class Share {
  readonly #turns: Turns
  readonly #again: () => void
  #bytes = 0
  #isSpent = false

  /** @param again called in the next turn of one that was spent */
  constructor(turns: Turns, again: () => void) {
    this.#turns = turns
    this.#again = again
  }

  /** So many bytes were read. False: it is spent, and the socket waits until `again`. */
  spend(bytes: number): boolean {
    if (this.#bytes === 0) this.#turns.join(this)
    this.#bytes += bytes
    this.#isSpent = this.#bytes >= this.#turns.shareBytes
    return !this.#isSpent
  }

  /** Called by the turns. */
  renew(): void {
    const wasSpent = this.#isSpent
    this.#bytes = 0
    this.#isSpent = false
    if (wasSpent) this.#again()
  }
}
