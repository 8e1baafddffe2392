/**
 * How many connections one file is given. It begins with two, doubles while that does not cost goodput, and halves when the
 * server says that it is too much or when more connections bring less. Pure; who opens and closes them is `laying`.
 */

/** Long enough to tell rates apart, short enough that a fast network is full at once. */
const lookEveryMs = 100
/** More connections count as harmless while the rate stays above this part of the best. */
const stillPays = 0.9
/** Below this part of the best rate, they are in each other's way. */
const inTheWay = 0.6
/** How long it stays smaller: what was in the way may have gone. */
const cautiousMs = 10_000
const refusedMs = 60_000

export class Crew {
  #most: number
  #wanted: number
  /** Steady ms; before, it does not grow. */
  #growsFrom = -Infinity
  #bestRate = 0
  #slowLooks = 0
  #bytes = 0
  #since: number | undefined

  /**
   * @param most never more than so many
   * @param known what the server served at once before, if it is known
   */
  constructor(most: number, known: number | undefined) {
    this.#most = Math.max(1, most)
    this.#wanted = Math.min(this.#most, Math.max(1, known ?? 2))
  }

  /** How many there should be, the first included. */
  get wanted(): number {
    return this.#wanted
  }

  /** Bytes came over `running` connections. True: now and then, while fewer run than are wanted; there may be room by now. */
  took(bytes: number, running: number, nowMs: number): boolean {
    // How long the first of all took to come, nobody knows.
    if (this.#since === undefined) {
      this.#since = nowMs
      return false
    }
    this.#bytes += bytes
    const elapsedMs = nowMs - this.#since
    if (elapsedMs < lookEveryMs) return false
    const rate = this.#bytes / elapsedMs
    this.#bytes = 0
    this.#since = nowMs
    return this.#look(rate, running, nowMs)
  }

  /** A connection was added: what comes while it finds its speed says nothing. */
  added(nowMs: number): void {
    this.#bytes = 0
    this.#since = nowMs
  }

  /** The server refused one more while `running` were open: there will never be more. @param waitMs how long it asked us to wait */
  refused(running: number, nowMs: number, waitMs: number = 0): void {
    this.#most = Math.max(1, Math.min(this.#most, running))
    this.#wanted = Math.max(1, Math.min(Math.floor(this.#wanted / 2), running))
    this.#growsFrom = Math.max(this.#growsFrom, nowMs + Math.max(refusedMs, waitMs))
  }

  /** One broke off and left `running`: they take over what it had to fetch. */
  failed(running: number, nowMs: number): void {
    this.#wanted = Math.max(1, Math.min(this.#wanted, running))
    this.#growsFrom = Math.max(this.#growsFrom, nowMs + cautiousMs)
  }

  /** It gives this file to one connection alone. */
  alone(): void {
    this.#wanted = 1
    this.#growsFrom = Infinity
  }

  #look(rate: number, running: number, nowMs: number): boolean {
    if (rate >= this.#bestRate * inTheWay) this.#slowLooks = 0
    if (running >= this.#wanted && nowMs >= this.#growsFrom) {
      if (rate >= this.#bestRate * stillPays) this.#wanted = Math.min(this.#most, this.#wanted * 2)
      // Once may be a hiccup of the network.
      else if (rate < this.#bestRate * inTheWay && ++this.#slowLooks > 1) {
        this.#wanted = Math.max(1, Math.floor(this.#wanted / 2))
        this.#growsFrom = nowMs + cautiousMs
        this.#bestRate = 0
      }
    }
    this.#bestRate = Math.max(this.#bestRate, rate)
    return running < this.#wanted
  }
}
