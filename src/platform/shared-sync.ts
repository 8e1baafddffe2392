/**
 * One sync for all who wait for it: whoever asks while one is under way shares the next, which begins only then and so covers
 * all that was done before it was asked for. Sixty files that are published side by side cost a folder a few syncs, not sixty.
 *
 * A failed one is the last: what it was to make durable may be lost for ever, and a later one could report a success that is none.
 * Pure.
 */
export class SharedSync {
  readonly #sync: (begins: () => void) => Promise<void>
  /** Not begun yet. */
  #next: Promise<void> | undefined
  #latest: Promise<void> = Promise.resolve()
  #failed: { readonly why: unknown } | undefined

  /** @param sync calls `begins` when nothing lies between it and the system any more */
  constructor(sync: (begins: () => void) => Promise<void>) {
    this.#sync = sync
  }

  /** True after one that failed. */
  get isLost(): boolean {
    return this.#failed !== undefined
  }

  /** @param lost what a sync after a failed one is refused with */
  run(lost: (why: unknown) => Error): Promise<void> {
    if (this.#failed !== undefined) return Promise.reject(lost(this.#failed.why))
    if (this.#next !== undefined) return this.#next
    const begins = (): void => {
      // Whoever asks from now on may have done something that this one does not cover.
      if (this.#next === next) this.#next = undefined
    }
    const next = this.#after(this.#latest, begins, lost)
    this.#next = next
    this.#latest = next
    return next
  }

  async #after(earlier: Promise<void>, begins: () => void, lost: (why: unknown) => Error): Promise<void> {
    await earlier.catch(() => {})
    try {
      if (this.#failed !== undefined) throw lost(this.#failed.why)
      await this.#sync(begins)
    } catch (error) {
      this.#failed ??= { why: error }
      throw error
    } finally {
      begins()
    }
  }
}
