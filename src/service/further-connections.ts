/**
 * Connections that running attempts hold beside their first: whoever asks gets one while the origin and the session have room,
 * and gives it back as soon as a task that waits needs the place. So a file that is fetched over four connections never keeps
 * another task from starting, and the scheduler need not know of them.
 */
import type { SessionId } from '../journal/journal.ts'

/** An attempt, as far as its connections are counted. */
export interface Holder {
  readonly session: SessionId
  readonly origin: string
  /** Of the session, to one origin. */
  readonly maximumPerHost: number
}

interface Held {
  readonly holder: Holder
  readonly giveUp: () => void
}

export class FurtherConnections {
  readonly #mostOf: (origin: string) => number
  readonly #first = new Set<Holder>()
  readonly #closing = new Set<Holder>()
  /** The oldest first. */
  readonly #further = new Set<Held>()

  /** @param mostOf how many an origin takes now, of the whole daemon */
  constructor(mostOf: (origin: string) => number) {
    this.#mostOf = mostOf
  }

  /** All that are open to this origin. */
  count(origin: string): number {
    return this.#countThose((each) => each.origin === origin)
  }

  /** Those that are not about to be closed. */
  inUse(origin: string): number {
    return this.#countThose((each) => each.origin === origin && !this.#closing.has(each))
  }

  /** An attempt begins; it has a connection whatever runs, since the scheduler started it. Others make room. */
  begin(holder: Holder): void {
    this.#first.add(holder)
    while (
      this.count(holder.origin) > this.#mostOf(holder.origin) &&
      this.#reclaim((each) => each.origin === holder.origin)
    );
    while (this.#ofLane(holder) > holder.maximumPerHost && this.#reclaim((each) => isSameLane(each, holder)));
  }

  /** The attempt was told to stop: it only closes what it has. */
  closes(holder: Holder): void {
    if (this.#first.has(holder)) this.#closing.add(holder)
  }

  end(holder: Holder): void {
    this.#first.delete(holder)
    this.#closing.delete(holder)
    for (const held of this.#further) if (held.holder === holder) this.#further.delete(held)
  }

  /** One more, and how to give it back; `undefined` where there is no room. `giveUp` is called at most once. */
  further(holder: Holder, giveUp: () => void): (() => void) | undefined {
    if (!this.#first.has(holder)) return undefined
    if (this.count(holder.origin) >= this.#mostOf(holder.origin) || this.#ofLane(holder) >= holder.maximumPerHost)
      return undefined
    const held: Held = { holder, giveUp }
    this.#further.add(held)
    return () => this.#further.delete(held)
  }

  /** The newest goes: it has the least to lose. */
  #reclaim(fits: (holder: Holder) => boolean): boolean {
    const held = [...this.#further].findLast(({ holder }) => fits(holder))
    if (held === undefined) return false
    this.#further.delete(held)
    held.giveUp()
    return true
  }

  #ofLane(holder: Holder): number {
    return this.#countThose((each) => isSameLane(each, holder))
  }

  #countThose(fits: (holder: Holder) => boolean): number {
    let count = 0
    for (const holder of this.#first) if (fits(holder)) count++
    for (const { holder } of this.#further) if (fits(holder)) count++
    return count
  }
}

function isSameLane(one: Holder, other: Holder): boolean {
  return one.session === other.session && one.origin === other.origin
}
