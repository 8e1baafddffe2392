// A clock that stands still until a test moves it.
import type { Clock, Timer } from '../../src/world/clock.ts'

export class ManualClock implements Clock {
  #now: number
  readonly #wallLead: number
  #timers: { readonly at: number; readonly run: () => void }[] = []

  constructor(startMs = 1_000_000, wallMs = 1_700_000_000_000) {
    this.#now = startMs
    this.#wallLead = wallMs - startMs
  }

  steady(): number {
    return this.#now
  }

  wall(): number {
    return this.#now + this.#wallLead
  }

  timer(at: number, run: () => void): Timer {
    const entry = { at, run }
    this.#timers.push(entry)
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== entry)
      },
    }
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = this.timer(this.#now + ms, resolve)
    signal?.addEventListener(
      'abort',
      () => {
        timer.cancel()
        reject(signal.reason as Error)
      },
      { once: true },
    )
    return promise
  }

  /** Timers that are set. */
  get waiting(): number {
    return this.#timers.length
  }

  /** When the next of them is due. */
  get nextAt(): number | undefined {
    return this.#next()?.at
  }

  /** Moves time on and runs what becomes due, in order. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (;;) {
      const next = this.#next()
      if (next === undefined || next.at > until) break
      this.#now = Math.max(this.#now, next.at)
      this.#timers = this.#timers.filter((other) => other !== next)
      next.run()
    }
    this.#now = until
  }

  #next(): { readonly at: number; readonly run: () => void } | undefined {
    return this.#timers.toSorted((a, b) => a.at - b.at)[0]
  }
}
