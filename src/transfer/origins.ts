/**
 * What was learnt of an origin by asking it: how many connections it serves at once, and whether its ranges can be relied on.
 * So the second download from a server that wants one connection does not ask for four again. It lives in memory, each fact
 * for a day after it was last seen: servers change, and a wrong memory must not outlive its day.
 */

/** A day, in ms of `steady()`. */
const keptMs = 86_400_000
const mostOrigins = 1000

/** What one exchange, or a few together, can show. */
export type OriginFact =
  /** It served so many at once without complaint. */
  | { readonly kind: 'served'; readonly connections: number }
  /** It answered with an error, or not at all, when there were more than so many. */
  | { readonly kind: 'refused'; readonly above: number }
  /** `lies`: what it sent was not the range that was asked for, or not of the same representation. */
  | { readonly kind: 'ranges'; readonly ranges: 'yes' | 'no' | 'lies' }

export interface OriginFacts {
  /** The most that it served at once without complaint. */
  readonly connections?: number
  /** More than these it did not want. */
  readonly refusedAbove?: number
  readonly ranges?: 'yes' | 'no' | 'lies'
  /** Steady ms at which the first of these is forgotten. */
  readonly untilMs: number
}

interface Kept<T> {
  readonly value: T
  readonly untilMs: number
}

interface Memory {
  served?: Kept<number> | undefined
  refused?: Kept<number> | undefined
  ranges?: Kept<'yes' | 'no' | 'lies'> | undefined
}

/** Of one daemon, for all its sessions: that a server wants less is the server's affair, whoever asked. */
export class Origins {
  /** The one that was told of last stands last. */
  readonly #known = new Map<string, Memory>()

  get size(): number {
    return this.#known.size
  }

  /**
   * @param origin scheme, host and port, as `URL.origin` gives them
   * @param atMs steady
   */
  remember(origin: string, fact: OriginFact, atMs: number): void {
    const memory = this.#living(origin, atMs) ?? {}
    const untilMs = atMs + keptMs
    switch (fact.kind) {
      case 'served': {
        const { connections } = fact
        if (connections >= (memory.served?.value ?? 0)) memory.served = { value: connections, untilMs }
        // It has changed its mind.
        if (memory.refused !== undefined && connections > memory.refused.value) memory.refused = undefined
        break
      }
      case 'refused':
        memory.refused = { value: fact.above, untilMs }
        if (memory.served !== undefined && memory.served.value > fact.above)
          memory.served = { ...memory.served, value: fact.above }
        break
      case 'ranges':
        // An honest answer in between does not make a liar reliable.
        if (fact.ranges !== 'yes' || memory.ranges?.value !== 'lies') memory.ranges = { value: fact.ranges, untilMs }
    }
    this.#known.delete(origin)
    this.#known.set(origin, memory)
    if (this.#known.size > mostOrigins) this.#known.delete(this.#known.keys().next().value!)
  }

  /** Undefined: nothing that still counts. @param atMs steady */
  recall(origin: string, atMs: number): OriginFacts | undefined {
    const memory = this.#living(origin, atMs)
    if (memory === undefined) return undefined
    const { served, refused, ranges } = memory
    const ends = [served, refused, ranges].flatMap((kept) => (kept === undefined ? [] : [kept.untilMs]))
    return {
      ...(served !== undefined && { connections: served.value }),
      ...(refused !== undefined && { refusedAbove: refused.value }),
      ...(ranges !== undefined && { ranges: ranges.value }),
      untilMs: Math.min(...ends),
    }
  }

  /** Without what has had its day. */
  #living(origin: string, atMs: number): Memory | undefined {
    const memory = this.#known.get(origin)
    if (memory === undefined) return undefined
    if (memory.served !== undefined && memory.served.untilMs <= atMs) memory.served = undefined
    if (memory.refused !== undefined && memory.refused.untilMs <= atMs) memory.refused = undefined
    if (memory.ranges !== undefined && memory.ranges.untilMs <= atMs) memory.ranges = undefined
    if (memory.served !== undefined || memory.refused !== undefined || memory.ranges !== undefined) return memory
    this.#known.delete(origin)
    return undefined
  }
}
