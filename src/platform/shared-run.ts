/**
 * One run for all who ask: whoever asks while one is under way shares the next, which begins only then, so that it tells of what was
 * so after it was asked. One at a time: where a disk hangs, it holds one thread of the pool and not one for everybody who asked.
 */
export class SharedRun<T> {
  readonly #run: (begins: () => void) => Promise<T>
  readonly #patienceMs: number | undefined
  /** Not begun yet. */
  #next: Promise<T> | undefined
  #latest: Promise<unknown> = Promise.resolve()

  /**
   * @param run calls `begins` where nothing lies between it and the system any more
   * @param patienceMs after which the next begins beside one that has not come back. @default it waits
   */
  constructor(run: (begins: () => void) => Promise<T>, patienceMs?: number) {
    this.#run = run
    this.#patienceMs = patienceMs
  }

  /** Rejects with what the run rejected with. */
  run(): Promise<T> {
    if (this.#next !== undefined) return this.#next
    const begins = (): void => {
      // Whoever asks from now on may have done something that this one does not cover.
      if (this.#next === next) this.#next = undefined
    }
    const next = this.#after(this.#latest, begins)
    this.#next = next
    this.#latest = next
    return next
  }

  async #after(earlier: Promise<unknown>, begins: () => void): Promise<T> {
    await this.#itsTurn(earlier)
    try {
      return await this.#run(begins)
    } finally {
      begins()
    }
  }

  #itsTurn(earlier: Promise<unknown>): Promise<void> {
    const over = earlier.catch(() => {})
    if (this.#patienceMs === undefined) return over.then(() => {})
    const { promise, resolve } = Promise.withResolvers<void>()
    // Not an abortable pause: to make its error costs more than a look at a folder.
    const enough = setTimeout(resolve, this.#patienceMs).unref()
    void over.then(() => {
      clearTimeout(enough)
      resolve()
    })
    return promise
  }
}
