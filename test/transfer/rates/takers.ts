// Attempts that take bytes from a tree of limits as fast as they may, on a clock that runs its timers without anything else
// of the event loop: so thousands of seconds pass in a moment.
import type { Clock, Timer } from '../../../src/world/clock.ts'
import type { Throttle } from '../../../src/transfer/rates/throttle.ts'

/** Microtasks that a chain of promises needs to come to its end. */
const turns = 12

export class FastClock implements Clock {
  nowMs = 1000
  readonly #entries = new Set<{ readonly at: number; readonly run: () => void }>()

  steady(): number {
    return this.nowMs
  }
  wall(): number {
    return this.nowMs
  }
  sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.timer(this.nowMs + ms, resolve)
    return promise
  }
  timer(at: number, run: () => void): Timer {
    const entry = { at, run }
    this.#entries.add(entry)
    return { cancel: () => void this.#entries.delete(entry) }
  }

  get armed(): number {
    return this.#entries.size
  }

  async advance(ms: number): Promise<void> {
    const until = this.nowMs + ms
    await quiet()
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.nowMs = Math.max(this.nowMs, next.at)
      this.#entries.delete(next)
      next.run()
      await quiet()
    }
    this.nowMs = until
    await quiet()
  }

  #next(until: number): { readonly at: number; readonly run: () => void } | undefined {
    let best: { readonly at: number; readonly run: () => void } | undefined
    for (const entry of this.#entries) if (entry.at <= until && (best === undefined || entry.at < best.at)) best = entry
    return best
  }
}

async function quiet(): Promise<void> {
  for (let i = 0; i < turns; i++) await Promise.resolve()
}

/** Takes pieces over some connections until it is told to stop. */
export class Taker {
  readonly throttle: Throttle
  readonly #clock: FastClock
  readonly #chunk: number
  readonly #everyMs: number
  /** When, and how many bytes altogether by then. */
  readonly log: { readonly atMs: number; readonly bytes: number }[] = []
  bytes = 0
  #stopped = false

  /** @param everyMs what the network needs for a chunk, on each connection; 0: it brings as much as is taken */
  constructor(
    clock: FastClock,
    throttle: Throttle,
    how: { readonly connections?: number; readonly chunk?: number; readonly everyMs?: number } = {},
  ) {
    this.#clock = clock
    this.throttle = throttle
    this.#chunk = how.chunk ?? 65_536
    this.#everyMs = how.everyMs ?? 0
    for (let i = 0; i < (how.connections ?? 1); i++) void this.#run()
  }

  stop(): void {
    this.#stopped = true
    this.throttle.close()
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#everyMs > 0) await this.#clock.sleep(this.#everyMs)
      for (let left = this.#chunk; left > 0 && !this.#stopped;) {
        const piece = Math.min(left, this.throttle.step ?? left)
        const paid = this.throttle.take(piece)
        if (paid !== undefined) await paid
        // eslint-disable-next-line typescript/no-unnecessary-condition -- it may have been stopped while it waited
        if (this.#stopped) return
        left -= piece
        this.bytes += piece
        this.log.push({ atMs: this.#clock.nowMs, bytes: this.bytes })
      }
      // Without a limit it would take for ever in no time.
      if (this.throttle.step === undefined && this.#everyMs === 0) return
    }
  }
}

/** The most that was taken in any stretch of the time, beyond what `bytesPerSecond` gives in it. */
export function mostBeyond(takers: readonly Taker[], bytesPerSecond: number): number {
  const all = takers
    .flatMap(({ log }) => log.map(({ atMs, bytes }, index) => ({ atMs, taken: bytes - (log[index - 1]?.bytes ?? 0) })))
    .toSorted((a, b) => a.atMs - b.atMs)
  // Of sums S(t) - rate × t the largest rise: one pass (Kadane).
  let sum = 0
  let lowest = Infinity
  let most = 0
  for (const { atMs, taken } of all) {
    const line = (bytesPerSecond * atMs) / 1000
    lowest = Math.min(lowest, sum - line)
    sum += taken
    most = Math.max(most, sum - line - lowest)
  }
  return most
}
