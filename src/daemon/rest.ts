/**
 * When the daemon comes to rest: nothing runs, and for a while nobody has asked for anything. Then it gives back what its work left in
 * memory, once, whether or not apps are connected: also the code that V8 has compiled, so it does not rest between two batches of
 * work. One timer is armed after work; none while something runs, nor at rest.
 */
import type { Clock, Timer } from '../world/clock.ts'

const afterMs = 30_000

export interface RestOptions {
  readonly clock: Clock
  /** Called at each rest that follows work. */
  readonly rests: () => void
}

export class Rest {
  readonly #options: RestOptions
  #runs = false
  #stirredMs = 0
  #timer: Timer | undefined
  #over = false

  constructor(options: RestOptions) {
    this.#options = options
  }

  /** Somebody asked for something. */
  stirred(): void {
    this.#stirredMs = this.#options.clock.steady()
    if (!this.#runs) this.#timer ??= this.#arm()
  }

  /** @param runs whether an attempt does */
  turned(runs: boolean): void {
    const ran = this.#runs
    this.#runs = runs
    if (runs) this.#disarm()
    else if (ran) this.stirred()
  }

  stop(): void {
    this.#over = true
    this.#disarm()
  }

  #arm(): Timer | undefined {
    if (this.#over) return undefined
    const { clock, rests } = this.#options
    return clock.timer(this.#stirredMs + afterMs, () => {
      this.#timer = undefined
      if (clock.steady() < this.#stirredMs + afterMs) this.#timer = this.#arm()
      else rests()
    })
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}
