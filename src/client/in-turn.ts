/** What must not overlap for one name: each begins when the one before is over, however that ended. */
export class InTurn {
  /** The newest for each name; never rejects. */
  readonly #last = new Map<string, Promise<void>>()

  run<T>(name: string, begin: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(name) ?? Promise.resolve()).then(begin)
    const end = (): void => {
      if (this.#last.get(name) === over) this.#last.delete(name)
    }
    const over = turn.then(end, end)
    this.#last.set(name, over)
    return turn
  }
}
