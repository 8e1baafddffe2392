/**
 * How many connections an origin takes, where that is fewer than it may have. One that answers 429 or 503 while several are open has
 * too many of us: tasks that wait stay in their queue until others have ended, instead of finding it out for themselves, each with
 * a wait that grows.
 *
 * After a while one attempt more is tried. Where it is served, the next one is tried at once; where it is refused, the next try is
 * twice as far away. One that refuses also whoever comes alone by 503 is not crowded, whatever else is the matter with it.
 *
 * It lives in memory, a day at most: a daemon that begins anew finds out anew, at the cost of a few questions.
 */
import type { Crowded } from '../scheduler/view.ts'

const firstTryMs = 10_000
const longestTryMs = 600_000
/** So long an origin that is not crowded is not taken for one again. */
const doubtedMs = 600_000
const keptMs = 86_400_000
const mostOrigins = 1000

interface Known {
  /** Connections that it takes; of one that is not crowded, as many as it may have. */
  readonly takes: number
  /** Steady ms; before, no more than that are opened. */
  readonly tryAtMs: number
  readonly stepMs: number
  /** An attempt more than it takes is under way, and nobody knows yet how it goes. */
  readonly isTrying: boolean
  /** Steady ms. */
  readonly untilMs: number
}

export interface Refusal {
  /** To the origin, when it came; the refused one included. */
  readonly open: number
  /** 429, or 503. */
  readonly status: number
  /** So long the server asked everybody to wait. */
  readonly waitMs: number
  /** It was the attempt more that was tried. */
  readonly isTry: boolean
  /** The task was not told so the last time: else it may be the task, an address that always answers 503. */
  readonly isNews: boolean
}

const nobody: ReadonlyMap<string, Crowded> = new Map()

export class Crowding {
  readonly #maximum: number
  /** The one that refused last stands last. */
  readonly #known = new Map<string, Known>()

  /** @param maximumPerOrigin of the whole daemon */
  constructor(maximumPerOrigin: number) {
    this.#maximum = maximumPerOrigin
  }

  get size(): number {
    return this.#known.size
  }

  /** Connections that the origin takes. @param nowMs steady */
  takes(origin: string, nowMs: number): number {
    return this.#living(origin, nowMs)?.takes ?? this.#maximum
  }

  /** All that take fewer than they may have. @param nowMs steady */
  crowded(nowMs: number): ReadonlyMap<string, Crowded> {
    if (this.#known.size === 0) return nobody
    const crowded = new Map<string, Crowded>()
    for (const origin of this.#known.keys()) {
      const known = this.#living(origin, nowMs)
      if (known === undefined || known.takes >= this.#maximum) continue
      const { takes, tryAtMs, isTrying } = known
      const mayTry = isTrying || tryAtMs <= nowMs
      crowded.set(origin, mayTry ? { most: takes + 1 } : { most: takes, untilMs: tryAtMs })
    }
    return crowded
  }

  /**
   * An attempt begins. True: it is one more than the origin takes, and what becomes of it will be told.
   *
   * @param open it included, those that are being closed not
   * @param nowMs steady
   */
  began(origin: string, open: number, nowMs: number): boolean {
    const known = this.#living(origin, nowMs)
    if (known === undefined || known.isTrying || open <= known.takes) return false
    this.#known.set(origin, { ...known, isTrying: true })
    return true
  }

  /** The one more was served: another may be tried at once. */
  served(origin: string): void {
    const known = this.#known.get(origin)
    if (known === undefined) return
    const takes = known.takes + 1
    if (takes >= this.#maximum) this.#known.delete(origin)
    else this.#known.set(origin, { ...known, takes, stepMs: firstTryMs, isTrying: false })
  }

  /** The one more ended otherwise: another one may be tried. */
  undecided(origin: string): void {
    const known = this.#known.get(origin)
    if (known !== undefined) this.#known.set(origin, { ...known, isTrying: false })
  }

  /** @param nowMs steady */
  refused(origin: string, { open, status, waitMs, isTry, isNews }: Refusal, nowMs: number): void {
    const known = this.#living(origin, nowMs)
    if (isTry && known !== undefined) {
      // Of a task that was told so before it says little, if it costs the others nothing; by then it waits for itself, and another is tried.
      const counts = isNews || waitMs > 0
      const stepMs = counts ? Math.min(2 * known.stepMs, longestTryMs) : known.stepMs
      // Not in the first moments after a wait either: a try that is refused then would make everybody wait again.
      const tryAtMs = nowMs + waitMs + (counts ? stepMs : firstTryMs)
      this.#remember(origin, { ...known, tryAtMs, stepMs, isTrying: false, untilMs: nowMs + keptMs })
      return
    }
    const isDoubted = known !== undefined && known.takes >= this.#maximum
    if (!isNews || isDoubted) return
    if (open > 1) {
      const { stepMs = firstTryMs, isTrying = false } = known ?? {}
      const takes = Math.max(1, Math.min(open, this.takes(origin, nowMs)) - 1)
      this.#remember(origin, { takes, tryAtMs: nowMs + waitMs + stepMs, stepMs, isTrying, untilMs: nowMs + keptMs })
    } else if (status === 503 && known !== undefined) {
      const more = { takes: this.#maximum, tryAtMs: nowMs, stepMs: firstTryMs, isTrying: false }
      this.#remember(origin, { ...more, untilMs: nowMs + doubtedMs })
    }
  }

  /** What still counts: whatever has had its day is forgotten. */
  #living(origin: string, nowMs: number): Known | undefined {
    const known = this.#known.get(origin)
    if (known === undefined || known.untilMs > nowMs) return known
    this.#known.delete(origin)
    return undefined
  }

  /** Who asks for a wait beyond that day is forgotten with it, and the next one is tried then. */
  #remember(origin: string, known: Known): void {
    this.#known.delete(origin)
    this.#known.set(origin, { ...known, tryAtMs: Math.min(known.tryAtMs, known.untilMs) })
    if (this.#known.size > mostOrigins) this.#known.delete(this.#known.keys().next().value!)
  }
}
