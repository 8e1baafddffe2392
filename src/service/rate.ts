/** Bytes per second over the last seconds: an average that forgets (time constant 5 s), and 0 once nothing has come for 3 s. */

const memoryMs = 5000
const silenceMs = 3000
/** Bytes are gathered so long before they count: a burst of small chunks is one observation. */
const gatherMs = 100

export class Rate {
  readonly #startedMs: number
  #countedMs: number
  #lastByteMs: number
  #gathered = 0
  /** Weighted sum; too small at the start, when less than the memory has passed: corrected when it is read. */
  #average = 0

  /** @param nowMs steady */
  constructor(nowMs: number) {
    this.#startedMs = nowMs
    this.#countedMs = nowMs
    this.#lastByteMs = nowMs
  }

  get lastByteMs(): number {
    return this.#lastByteMs
  }

  add(bytes: number, nowMs: number): void {
    if (bytes <= 0) return
    this.#lastByteMs = nowMs
    this.#gathered += bytes
    if (nowMs - this.#countedMs >= gatherMs) this.#count(nowMs)
  }

  /** Bytes per second, whole. */
  at(nowMs: number): number {
    if (nowMs - this.#lastByteMs >= silenceMs) return 0
    if (nowMs - this.#countedMs >= gatherMs) this.#count(nowMs)
    const seen = 1 - Math.exp(-(this.#countedMs - this.#startedMs) / memoryMs)
    return seen === 0 ? 0 : Math.round(this.#average / seen)
  }

  #count(nowMs: number): void {
    const passedMs = nowMs - this.#countedMs
    const kept = Math.exp(-passedMs / memoryMs)
    this.#average = this.#average * kept + ((this.#gathered * 1000) / passedMs) * (1 - kept)
    this.#gathered = 0
    this.#countedMs = nowMs
  }
}
