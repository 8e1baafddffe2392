/**
 * Which connection fetches which bytes of a file. Pieces are handed out in file order, so that a digest can follow and what is
 * kept after a crash is mostly one range; where no piece is left, whoever has nothing to do takes half of what would take
 * longest. Pure: what is fetched, proven or written is known elsewhere.
 */
import type { ByteRanges } from '../../contract/bytes.ts'
import { missing, withoutRange, withRange } from '../ranges.ts'

/** Bytes that one connection fetches and nobody else. */
export interface Claim {
  readonly from: number
  /** Exclusive; Infinity while nobody knows where the file ends. It shrinks when another takes the rest. */
  readonly to: number
  /** After the last byte that was taken. */
  readonly position: number
}

type Held = { -readonly [F in keyof Claim]: Claim[F] } & { readonly sinceMs: number }

const mebibyte = 1024 * 1024

/** All in bytes. */
export interface PieceSizes {
  /** Of what is missing, below which a second connection would cost more than it brings. */
  readonly worthJoining: number
  readonly smallestPiece: number
  readonly largestPiece: number
  /** A rest below this is fetched by who has it before another could have asked for half of it. */
  readonly smallestSplit: number
}

export const pieceSizes: PieceSizes = {
  worthJoining: 8 * mebibyte,
  smallestPiece: 4 * mebibyte,
  largestPiece: 32 * mebibyte,
  smallestSplit: 2 * mebibyte,
}

export class Pieces {
  readonly #pieceBytes: number
  readonly #smallestSplit: number
  /** Neither there nor claimed. */
  #free: ByteRanges
  readonly #claims = new Set<Held>()

  /**
   * @param had what is there
   * @param total of the file; undefined: unknown, then there is one claim and nothing to share
   * @param connections the most that will share it
   */
  constructor(had: ByteRanges, total: number | undefined, connections: number, sizes: PieceSizes = pieceSizes) {
    this.#free = missing(had, total ?? Infinity)
    const { largestPiece, smallestPiece, smallestSplit } = sizes
    const each = total === undefined ? largestPiece : Math.ceil(total / (2 * connections))
    this.#pieceBytes = Math.min(largestPiece, Math.max(smallestPiece, each))
    this.#smallestSplit = smallestSplit
  }

  /** Every byte was taken. */
  get complete(): boolean {
    return this.#free.length === 0 && [...this.#claims].every((claim) => claim.position >= claim.to)
  }

  /** Bytes that nobody has taken yet. */
  get left(): number {
    let left = this.free
    for (const claim of this.#claims) left += claim.to - claim.position
    return left
  }

  /** Bytes that nobody fetches yet. */
  get free(): number {
    return this.#free.reduce((sum, [from, to]) => sum + to - from, 0)
  }

  /** All from `from` to the next byte that is there or claimed: what an answer without an end gives. */
  claimAll(from: number, nowMs: number): Claim {
    const to = this.#free.find(([start, end]) => start <= from && from < end)?.[1] ?? from
    return this.#claim(from, to, nowMs)
  }

  /** What an idle connection should ask for; undefined: nothing is left that is worth asking. */
  next(nowMs: number): Claim | undefined {
    const gap = this.#free[0]
    if (gap !== undefined) return this.#claim(gap[0], Math.min(gap[1], gap[0] + this.#pieceBytes), nowMs)
    const longest = this.#longest(nowMs)
    if (longest === undefined) return undefined
    const left = longest.to - longest.position
    // A claim that is far longer than a piece gives all but the piece that it is at, not half.
    const middle = longest.position + (left > 2 * this.#pieceBytes ? this.#pieceBytes : Math.ceil(left / 2))
    this.#free = withRange(this.#free, middle, longest.to)
    longest.to = middle
    return this.next(nowMs)
  }

  took(claim: Claim, bytes: number): void {
    ;(claim as Held).position += bytes
  }

  /** Goes on behind its end, where nobody has claimed what follows. */
  extend(claim: Claim): boolean {
    const held = claim as Held
    const gap = this.#free.find(([from]) => from === held.to)
    if (gap === undefined || !this.#claims.has(held)) return false
    const to = Math.min(gap[1], gap[0] + this.#pieceBytes)
    this.#free = withoutRange(this.#free, gap[0], to)
    held.to = to
    return true
  }

  /** Its connection has ended: what it has not taken is free again. */
  release(claim: Claim): void {
    const held = claim as Held
    if (!this.#claims.delete(held)) return
    if (held.position < held.to) this.#free = withRange(this.#free, held.position, held.to)
  }

  #claim(from: number, to: number, nowMs: number): Claim {
    const held: Held = { from, to, position: from, sinceMs: nowMs }
    this.#free = withoutRange(this.#free, from, to)
    this.#claims.add(held)
    return held
  }

  /** The one whose rest takes longest at the rate that it has had so far. */
  #longest(nowMs: number): Held | undefined {
    let found: Held | undefined
    let longestMs = -1
    for (const claim of this.#claims) {
      const left = claim.to - claim.position
      if (left < this.#smallestSplit) continue
      const got = claim.position - claim.from
      const elapsedMs = nowMs - claim.sinceMs
      // Who has had nothing yet may be waiting for its first byte; it is judged as if it had got one byte a ms.
      const leftMs = left * (got === 0 ? 1 : elapsedMs / got)
      if (leftMs > longestMs) [found, longestMs] = [claim, leftMs]
    }
    return found
  }
}
