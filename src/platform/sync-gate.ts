/**
 * Syncs wait in turn, so that writes never wait behind them: each holds a thread of the pool for as long as the disk
 * takes, and with all threads in slow syncs every write and name look-up of the daemon stands still. Pure.
 */

/** Syncs under way at once, of all and of one device. */
export interface SyncLimits {
  readonly total: number
  readonly device: number
}

export class SyncGate {
  readonly #limits: SyncLimits
  readonly #running = new Map<string, number>()
  readonly #queue: { readonly device: string; start(): void }[] = []
  #total = 0

  constructor(limits: SyncLimits = { total: 8, device: 4 }) {
    this.#limits = limits
  }

  /** First come, first served, but for those whose device is busy. */
  async pass<T>(device: string, sync: () => Promise<T>): Promise<T> {
    if (!this.#mayRun(device)) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#queue.push({ device, start: resolve })
      await promise
    } else {
      this.#enter(device)
    }
    try {
      return await sync()
    } finally {
      this.#leave(device)
    }
  }

  #mayRun(device: string): boolean {
    return this.#total < this.#limits.total && (this.#running.get(device) ?? 0) < this.#limits.device
  }

  #enter(device: string): void {
    this.#total++
    this.#running.set(device, (this.#running.get(device) ?? 0) + 1)
  }

  #leave(device: string): void {
    this.#total--
    const left = (this.#running.get(device) ?? 1) - 1
    if (left === 0) this.#running.delete(device)
    else this.#running.set(device, left)
    const next = this.#queue.findIndex((waiting) => this.#mayRun(waiting.device))
    if (next === -1) return
    const [waiting] = this.#queue.splice(next, 1)
    if (waiting === undefined) return
    this.#enter(waiting.device)
    waiting.start()
  }
}
