/**
 * The further connections of which nobody knows yet whether they give what they were asked for: a head alone does not show that
 * ranges work. Until one has shown it, the first waits for them before it ends, but not for long: it may be that the server answers
 * nobody else before that.
 */
import type { Clock } from '../../world/clock.ts'
import type { Claim } from './pieces.ts'

/** How long the first waits for another to bring its first byte. */
const patienceMs = 2000

export class Undecided {
  readonly #clock: Clock
  readonly #claims = new Set<Claim>()
  #decision = Promise.withResolvers<void>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get none(): boolean {
    return this.#claims.size === 0
  }

  /** A further one is to fetch it. */
  add(claim: Claim): void {
    this.#claims.add(claim)
  }

  has(claim: Claim): boolean {
    return this.#claims.has(claim)
  }

  /** Its first byte has come, or never will. */
  decided(claim: Claim): void {
    if (!this.#claims.delete(claim)) return
    this.#decision.resolve()
    this.#decision = Promise.withResolvers()
  }

  /** Resolves when one is decided. @param takeBack called when that takes too long; it has to decide them */
  async decision(takeBack: () => void): Promise<void> {
    const patience = this.#clock.timer(this.#clock.steady() + patienceMs, takeBack)
    await this.#decision.promise
    patience.cancel()
  }
}
