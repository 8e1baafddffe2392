// A clock whose time moves only when a test says so. `advance` runs each timer at its own moment, in order, and lets everything
// that it caused run to its end before the next: promises, nextTicks, and what these cause in turn.
import { setImmediate as immediate } from 'node:timers/promises'
import type { Clock, Timer } from '../../src/world/clock.ts'

interface Entry {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** Lets everything that is ready run. `setImmediate` comes after all promises that are settled by now. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await immediate()
}

export class VirtualClock implements Clock {
  #now: number
  #wallLead: number
  #order = 0
  readonly #entries = new Set<Entry>()

  constructor(startMs = 1_000_000, wallMs = 1_760_000_000_000) {
    this.#now = startMs
    this.#wallLead = wallMs - startMs
  }

  steady(): number {
    return this.#now
  }

  wall(): number {
    return this.#now + this.#wallLead
  }

  /** Somebody sets the wall clock. */
  jumpWall(ms: number): void {
    this.#wallLead += ms
  }

  /** The machine sleeps: time passes, and no timer runs. */
  sleepMachine(ms: number): void {
    this.#now += ms
  }

  /** Timers that are set. */
  get armed(): number {
    return this.#entries.size
  }

  /** When the next of them is due. */
  get nextAt(): number | undefined {
    return this.#next()?.at
  }

  timer(at: number, run: () => void): Timer {
    const entry = { at, run, order: this.#order++ }
    this.#entries.add(entry)
    return {
      cancel: () => {
        this.#entries.delete(entry)
      },
    }
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const fail = (): void => {
      timer.cancel()
      reject(signal?.reason as Error)
    }
    const timer = this.timer(this.#now + ms, () => {
      signal?.removeEventListener('abort', fail)
      resolve()
    })
    if (signal?.aborted === true) fail()
    else signal?.addEventListener('abort', fail, { once: true })
    return promise
  }

  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await settle()
    for (let next = this.#next(); next !== undefined && next.at <= until; next = this.#next()) {
      this.#now = Math.max(this.#now, next.at)
      this.#entries.delete(next)
      next.run()
      await settle()
    }
    this.#now = until
    await settle()
  }

  #next(): Entry | undefined {
    let best: Entry | undefined
    for (const each of this.#entries)
      if (best === undefined || each.at < best.at || (each.at === best.at && each.order < best.order)) best = each
    return best
  }
}

/** Lets time go by until it is over; how much. For what real sockets bring, which no clock knows of. */
export async function passed(clock: VirtualClock, running: Promise<unknown>): Promise<number> {
  const began = clock.steady()
  let over = false
  const end = (): void => {
    over = true
  }
  running.then(end, end)
  while (!over) {
    await settle()
    await clock.advance(50)
  }
  return clock.steady() - began
}
