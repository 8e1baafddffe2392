/**
 * The daemon leaves by itself: after a while without a connection and with nothing that keeps it. It is looked when the last
 * connection has been gone for that while, and then, as long as something keeps it, ever less often: down to once a minute, and once
 * an hour where nothing happens before. Each minute it looks whether its home is still its own, which asks nobody.
 */
import type { Clock, Timer } from '../world/clock.ts'
import type { Log } from '../world/log.ts'

/** Ms without connections after which it is looked whether anything keeps the daemon. */
export const leaveAfterMs = 10_000
const longestPauseMs = 60_000
/** As long as nothing is due it is only for what nobody tells: a task that was woken by a network and has ended. */
const longestRestMs = 3_600_000

export interface LeavingOptions {
  readonly clock: Clock
  readonly log: Log
  readonly afterMs: number
  readonly isBusy: () => boolean
  /** Its home may have been removed, or another daemon's files be in it. */
  readonly lookAtHome: () => void
  /** Why it must stay; empty: nothing. */
  readonly keptBy: () => Promise<readonly string[]>
  /** For so long (ms) nothing happens by itself. */
  readonly restMs: () => number
  readonly leave: () => void
}

export class Leaving {
  readonly #options: LeavingOptions
  #timer: Timer | undefined
  #pauseMs: number
  #over = false

  constructor(options: LeavingOptions) {
    this.#options = options
    this.#pauseMs = options.afterMs
  }

  /** The number of connections changed. */
  look(): void {
    if (this.#over || this.#options.isBusy()) {
      this.#timer?.cancel()
      this.#timer = undefined
      this.#pauseMs = this.#options.afterMs
      return
    }
    this.#timer ??= this.#arm()
  }

  stop(): void {
    this.#over = true
    this.#timer?.cancel()
  }

  #arm(dueMs: number = this.#options.clock.steady() + this.#pauseMs): Timer {
    const { clock, lookAtHome } = this.#options
    // On the full minute, when others are woken as well.
    const looksMs = (Math.floor(clock.steady() / longestPauseMs) + 1) * longestPauseMs
    return clock.timer(Math.min(dueMs, looksMs), () => {
      lookAtHome()
      if (clock.steady() < dueMs) {
        this.#timer = this.#arm(dueMs)
        return
      }
      this.#timer = undefined
      void this.#decide()
    })
  }

  async #decide(): Promise<void> {
    const { keptBy, restMs, isBusy, afterMs, leave, log } = this.#options
    let reasons: readonly string[]
    try {
      reasons = await keptBy()
    } catch (error) {
      // The journal cannot be asked just now. To stay is never wrong.
      log.warn('it could not be told whether the daemon may leave', { error })
      reasons = ['the journal']
    }
    // Somebody may have connected while it was asked.
    if (this.#over || isBusy()) return
    if (reasons.length > 0) {
      const restedMs = Math.min(restMs(), longestRestMs)
      this.#pauseMs = Math.max(restedMs, Math.min(this.#pauseMs * 2, Math.max(longestPauseMs, afterMs)))
      return this.look()
    }
    log.info('nobody is connected and nothing is to be done: the daemon leaves')
    leave()
  }
}
