/**
 * How many connections an origin takes, where that is fewer than it may have. One that answers 429 or 503 has too many of us; so
 * tasks that wait stay in their queue until others have ended, instead of finding it out for themselves, each with a wait that grows.
 *
 * After a while one more is tried, and another one if that went well. Where it did not, the next try is twice as far away. It
 * lives in memory: a daemon that begins anew finds out anew, at the cost of a few questions.
 */
import type { Crowded } from '../scheduler/view.ts'

const firstTryMs = 10_000
const longestTryMs = 600_000

interface Known {
  /** That it took when it last refused one. */
  readonly most: number
  /** Steady ms. */
  readonly refusedAtMs: number
  /** From one try to the next. */
  readonly stepMs: number
}

export class Crowding {
  readonly #maximum: number
  readonly #known = new Map<string, Known>()

  /** @param maximumPerOrigin of the whole daemon */
  constructor(maximumPerOrigin: number) {
    this.#maximum = maximumPerOrigin
  }

  /** Origins that take fewer than they may have, and perhaps some that do no more. */
  get size(): number {
    return this.#known.size
  }

  /**
   * It refused one of those that it was asked over.
   * @param open that one included
   * @param nowMs steady
   */
  refused(origin: string, open: number, nowMs: number): void {
    // There was no crowd.
    if (open < 2) return
    const most = Math.min(open, this.at(origin, nowMs)?.most ?? this.#maximum)
    const known = this.#known.get(origin)
    let stepMs = firstTryMs
    if (known === undefined || this.at(origin, nowMs) === undefined) this.#forgetOthers(nowMs)
    // The one more that was tried was one too many.
    else stepMs = most > known.most ? Math.min(2 * known.stepMs, longestTryMs) : known.stepMs
    this.#known.set(origin, { most: Math.max(1, most - 1), refusedAtMs: nowMs, stepMs })
  }

  /** Undefined: as many as it may have. @param nowMs steady */
  at(origin: string, nowMs: number): Crowded | undefined {
    const known = this.#known.get(origin)
    if (known === undefined) return undefined
    const { refusedAtMs, stepMs } = known
    const steps = Math.floor((nowMs - refusedAtMs) / stepMs)
    const most = known.most + steps
    return most < this.#maximum ? { most, untilMs: refusedAtMs + (steps + 1) * stepMs } : undefined
  }

  #forgetOthers(nowMs: number): void {
    for (const origin of this.#known.keys()) if (this.at(origin, nowMs) === undefined) this.#known.delete(origin)
  }
}
