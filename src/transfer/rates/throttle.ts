/**
 * The end of the tree at which one attempt stands, with all its connections. It asks before a piece is taken; what it was
 * promised lies here until it is used, or until the next round takes it back.
 */
import { Bucket } from './bucket.ts'

/** What an attempt is given. */
export interface Throttle {
  /** The largest piece to ask for at once; undefined: no limit holds here, and nothing need be asked. */
  readonly step: number | undefined
  /** Before so many bytes are taken. The promise, if there is one, settles when they may be. */
  take(bytes: number): Promise<void> | undefined
  /** Nothing waits any more, and nothing is limited. */
  close(): void
}

interface Piece {
  readonly bytes: number
  readonly go: () => void
}

export class Leaf extends Bucket implements Throttle {
  step: number | undefined
  /** Paid and not used; below 0: used and not paid, which only a limit that was lowered meanwhile can cause. */
  promised = 0
  closed = false
  /** The limit for which it waited last, and when (steady ms). */
  slowed: { readonly by: Bucket; readonly atMs: number } | undefined
  readonly #pieces: Piece[] = []
  /** Used in the slot under way, and in the one before. */
  #used = 0
  #usedBefore = 0
  readonly #ask: (leaf: Leaf) => void
  readonly #gone: (leaf: Leaf) => void

  constructor(
    parent: Bucket,
    /** It has a piece for which its promise is not enough. */
    ask: (leaf: Leaf) => void,
    gone: (leaf: Leaf) => void,
  ) {
    super('task', parent)
    this.#ask = ask
    this.#gone = gone
  }

  get isWaiting(): boolean {
    return this.#pieces.length > 0
  }

  /** How much it could use until the next round: all there is while it waits, else twice what it used lately. */
  get demand(): number {
    return this.isWaiting ? Infinity : 2 * Math.max(this.#used, this.#usedBefore)
  }

  take(bytes: number): Promise<void> | undefined {
    if (this.closed || this.step === undefined) return undefined
    if (!this.isWaiting && this.promised >= bytes) {
      this.#use(bytes)
      return undefined
    }
    let isGone = false
    let go = (): void => {
      isGone = true
    }
    this.#pieces.push({ bytes, go: () => go() })
    if (this.#pieces.length === 1) {
      this.count('waiting', 1)
      this.#ask(this)
    }
    // Most of the time there is enough, and nobody has to wait for a promise.
    if (isGone) return undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    go = resolve
    return promise
  }

  /** Lets go of the pieces that are paid. Without a limit all are. */
  serve(): void {
    for (let piece = this.#pieces[0]; piece !== undefined; piece = this.#pieces[0]) {
      // A hair less is enough: sums of fractions are not exact.
      const price = this.step === undefined ? -Infinity : Math.min(piece.bytes, this.step) - 0.001
      if (this.promised < price) return
      if (this.step !== undefined) this.#use(piece.bytes)
      this.#pieces.shift()
      if (this.#pieces.length === 0) this.count('waiting', -1)
      piece.go()
    }
  }

  /** A slot has passed. */
  turn(): void {
    this.#usedBefore = this.#used
    this.#used = 0
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.step = undefined
    this.serve()
    this.#gone(this)
  }

  #use(bytes: number): void {
    this.promised -= bytes
    this.#used += bytes
  }
}
