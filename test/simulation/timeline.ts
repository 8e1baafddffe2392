// Virtual time: one heap of moments, ordered by time and then by who came first. One step runs one of them and then everything
// that it caused (promises, nextTicks), so that nothing of the simulation ever depends on how fast the machine is.

/** Every microtask and nextTick that a step caused has run when this resolves. */
const drained = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export interface Entry {
  readonly at: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

export class Timeline {
  /** Ms since the simulation began. */
  now = 0
  steps = 0
  readonly #heap: Entry[] = []
  #order = 0
  #cancelled = 0

  /** Runs at that moment, or now if it is over; after everything that was set for the same moment before. */
  at(moment: number, run: () => void): { cancel(): void } {
    const entry: Entry = { at: onGrid(Math.max(moment, this.now)), order: this.#order++, run, cancelled: false }
    this.#push(entry)
    return {
      cancel: () => {
        if (entry.cancelled) return
        entry.cancelled = true
        this.#cancelled++
      },
    }
  }

  after(ms: number, run: () => void): { cancel(): void } {
    return this.at(this.now + ms, run)
  }

  /** Nothing happens from now on: `moment` comes at once, and whatever was due until then is late. */
  skipTo(moment: number): void {
    this.now = Math.max(this.now, onGrid(moment))
  }

  /** How much is still set to happen. */
  get pending(): number {
    return this.#heap.length - this.#cancelled
  }

  /** One step. False: nothing is set to happen before `until` (included). */
  async step(until: number): Promise<boolean> {
    for (let next = this.#heap[0]; next !== undefined && next.at <= until; next = this.#heap[0]) {
      this.#pop()
      if (next.cancelled) {
        this.#cancelled--
        continue
      }
      // Once run it can no longer be cancelled.
      next.cancelled = true
      this.now = Math.max(this.now, next.at)
      this.steps++
      next.run()
      await drained()
      return true
    }
    return false
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let i = heap.push(entry) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(heap[i]!, heap[parent]!)) break
      ;[heap[i], heap[parent]] = [heap[parent]!, heap[i]!]
      i = parent
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    for (let i = 0; ;) {
      let first = i
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < heap.length && before(heap[child]!, heap[first]!)) first = child
      if (first === i) return
      ;[heap[i], heap[first]] = [heap[first]!, heap[i]!]
      i = first
    }
  }
}

/** Moments are whole 1024ths of a ms, so that sums and differences of them are exact, and no timer runs a hair too early. */
function onGrid(ms: number): number {
  return Math.ceil(ms * 1024) / 1024
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
