/**
 * Watches the network while tasks wait for another try: a change of it ends the waits that no server asked for. At other times
 * nobody asks, so that an idle daemon is not woken for it.
 */
import type { Journal } from '../journal/journal.ts'
import type { Clock } from '../world/clock.ts'
import type { Environment } from '../world/environment.ts'
import type { Log } from '../world/log.ts'
import { now } from './moment.ts'

export interface NetworkWatchParts {
  readonly environment: Environment
  readonly journal: Journal
  readonly clock: Clock
  readonly log: Log
}

export class NetworkWatch {
  readonly #parts: NetworkWatchParts
  #unwatch: (() => void) | undefined

  constructor(parts: NetworkWatchParts) {
    this.#parts = parts
  }

  /** Told after each look at the queue. */
  looked({ backingOff }: { readonly backingOff: boolean }): void {
    if (backingOff) this.#unwatch ??= this.#watch()
    else this.stop()
  }

  stop(): void {
    this.#unwatch?.()
    this.#unwatch = undefined
  }

  #watch(): () => void {
    const { environment, journal, clock, log } = this.#parts
    let { networkId } = environment.now
    return environment.watch((state) => {
      if (state.networkId === networkId) return
      networkId = state.networkId
      // There is none to try by; the next one is another, be it the same.
      if (networkId === '') return
      log.info('the network has changed; what waits for another try is tried now')
      journal.networkChanged({ at: now(clock) }).catch((error: unknown) => {
        log.warn('waiting tasks could not be woken after a change of network', { error: String(error) })
      })
    })
  }
}
