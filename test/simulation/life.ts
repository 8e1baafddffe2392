// One life of a process, a daemon's or an app's. Whatever it asks of the world is two steps, each at a time of its own: the
// effect and the answer. A death falls before the effect, between the two, or after; the lost answer in the middle is the case
// that finds bugs. Once it is dead nothing of it runs again: its calls never settle, its timers never fire.
import type { Clock, Timer } from '../../src/world/clock.ts'
import type { Seeded } from './seeded.ts'
import type { Timeline } from './timeline.ts'

/** Ms, both ends included. */
export type Span = readonly [from: number, to: number]

export interface LifeOptions {
  readonly name: string
  readonly timeline: Timeline
  readonly random: Seeded
  /** What its clock shows when the timeline shows 0. Ms. */
  readonly steadyLeadMs: number
  /** The wall clock is the machine's: it may jump. */
  readonly wall: () => number
  /** Told of each call just before and just after its effect; may end the life there. */
  readonly at?: (what: string, moment: 'before' | 'after') => void
  /** So many times as long as usual does a call take. @default 1 */
  readonly pace?: (what: string) => number
}

/** A clock that tells when its next timer is due. */
export interface WatchedClock {
  readonly clock: Clock
  /** Steady ms; undefined: none is armed. */
  readonly nextTimerMs: () => number | undefined
}

export class Life {
  readonly name: string
  readonly clock: Clock
  readonly #options: LifeOptions
  readonly #ended = new Set<() => void>()
  /** Calls that are under way, by name. */
  readonly #underWay = new Map<string, number>()
  #dead = false

  constructor(options: LifeOptions) {
    this.#options = options
    this.name = options.name
    this.clock = this.#makeClock(() => {})
  }

  get dead(): boolean {
    return this.#dead
  }

  get timeline(): Timeline {
    return this.#options.timeline
  }

  /** How many calls of that name it waits for. */
  underWay(what: string): number {
    return this.#underWay.get(what) ?? 0
  }

  /** The same time as on its other clock; but whose timers these are is known. */
  watchedClock(): WatchedClock {
    const armed = new Set<{ readonly atMs: number }>()
    const clock = this.#makeClock((atMs) => {
      const timer = { atMs }
      armed.add(timer)
      return () => armed.delete(timer)
    })
    const nextTimerMs = (): number | undefined =>
      armed.size === 0 ? undefined : Math.min(...[...armed].map(({ atMs }) => atMs))
    return { clock, nextTimerMs }
  }

  /**
   * Asks something of the world.
   * @param what names the call, as in `file.sync`: faults choose by it
   * @param effect what it does; what it throws is the answer. It must not wait
   * @param takes how long until the effect, and from there until the answer. @default 0 to 2 ms each
   */
  call<T>(what: string, effect: () => T, takes: { readonly effect?: Span; readonly answer?: Span } = {}): Promise<T> {
    const { random, timeline, pace } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    if (this.#dead) return promise
    const underWay = this.#underWay
    underWay.set(what, this.underWay(what) + 1)
    const times = pace?.(what) ?? 1
    const wait = ([from, to]: Span): number => times * (from + random.fraction() * (to - from))
    const answer = (run: () => void): void => {
      timeline.after(wait(takes.answer ?? [0, 2]), () => {
        underWay.set(what, this.underWay(what) - 1)
        if (!this.#dead) run()
      })
    }
    timeline.after(wait(takes.effect ?? [0, 2]), () => {
      if (this.#dead) return
      this.strike(what, 'before')
      // It may have died of that; the compiler does not know.
      if (this.dead) return
      try {
        const value = effect()
        answer(() => resolve(value))
      } catch (error) {
        answer(() => reject(error))
      }
      this.strike(what, 'after')
    })
    return promise
  }

  /** Asks what is answered in the same moment. A life that died of it waits for ever. */
  callAtOnce(what: string, effect: () => void): Promise<void> | undefined {
    this.strike(what, 'before')
    if (!this.dead) effect()
    this.strike(what, 'after')
    return this.dead ? new Promise(() => {}) : undefined
  }

  /** A moment at which a fault may end this life, beside those of its calls. */
  strike(what: string, moment: 'before' | 'after'): void {
    if (!this.#dead) this.#options.at?.(what, moment)
  }

  /** Something of this life that happens later; it does not when the life has ended by then. */
  later(ms: number, run: () => void): { cancel(): void } {
    return this.#options.timeline.after(ms, () => {
      if (!this.#dead) run()
    })
  }

  /** Runs once, when the life ends. Returns a function that takes it back. */
  onEnd(run: () => void): () => void {
    this.#ended.add(run)
    return () => this.#ended.delete(run)
  }

  /** The process is gone, in the middle of whatever it did. Idempotent. */
  end(): void {
    if (this.#dead) return
    this.#dead = true
    for (const run of this.#ended) run()
  }

  /** @param armed told of each timer; returns what is called when it is none any more */
  #makeClock(armed: (atMs: number) => (() => void) | void): Clock {
    const { timeline, steadyLeadMs, wall } = this.#options
    const steady = (): number => timeline.now + steadyLeadMs
    const timer = (at: number, run: () => void): Timer => {
      const over = armed(at)
      const set = this.later(Math.max(0, at - steady()), () => {
        over?.()
        run()
      })
      return {
        cancel: () => {
          over?.()
          set.cancel()
        },
      }
    }
    return {
      steady,
      wall,
      timer,
      sleep: (ms, signal) => {
        const { promise, resolve, reject } = Promise.withResolvers<void>()
        const abort = (): void => {
          set.cancel()
          reject(signal?.reason as Error)
        }
        const set = timer(steady() + ms, () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        })
        if (signal?.aborted === true) abort()
        else signal?.addEventListener('abort', abort, { once: true })
        return promise
      },
    }
  }
}
