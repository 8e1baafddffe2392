/**
 * Which connection fetches which bytes of a file. Pieces are handed out in file order, so that a digest can follow and what is
 * kept after a crash is mostly one range; where no piece is left, whoever has nothing to do takes half of what would take
 * longest. A small rest is left to who has it, unless that one has fallen far behind the others: one slow connection must not hold up a
 * file that the others could have finished long ago. Pure: what is fetched, proven or written is known elsewhere.
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

type Held = { -readonly [F in keyof Claim]: Claim[F] } & {
  readonly sinceMs: number
  /** When its last byte came; at first `sinceMs`. */
  heardMs: number
  /** It waits until we take more: its silence is our own. */
  waits: boolean
  /** Somebody else fetches its rest, also what it may still bring. */
  relieved: boolean
}

const mebibyte = 1024 * 1024

/** All in bytes. */
export interface PieceSizes {
  /** Of what is missing, below which a second connection would cost more than it brings. */
  readonly worthJoining: number
  readonly smallestPiece: number
  readonly largestPiece: number
  /** A rest below this is fetched by who has it before another could have asked for half of it, unless it lags. */
  readonly smallestSplit: number
  /** A rest below this is not halved but taken over whole. */
  readonly smallestHalf: number
}

export const pieceSizes: PieceSizes = {
  worthJoining: 8 * mebibyte,
  smallestPiece: 4 * mebibyte,
  largestPiece: 32 * mebibyte,
  smallestSplit: 2 * mebibyte,
  smallestHalf: mebibyte / 8,
}

/** Who would need longer than this for its rest, or has been silent for so long, may lag. Longer each time that it was of no use. */
const firstPatienceMs = 3000
/** It does if the best of the others would need less than this part of the time. */
const farBehind = 1 / 4

export class Pieces {
  readonly #pieceBytes: number
  readonly #smallestSplit: number
  readonly #smallestHalf: number
  /** Neither there nor claimed. */
  #free: ByteRanges
  readonly #claims = new Set<Held>()
  /** The best that a connection has shown, in bytes per ms. */
  #bestPace = 0
  #patienceMs = firstPatienceMs

  /**
   * @param had what is there
   * @param total of the file; undefined: unknown, then there is one claim and nothing to share
   * @param connections the most that will share it
   */
  constructor(had: ByteRanges, total: number | undefined, connections: number, sizes: PieceSizes = pieceSizes) {
    this.#free = missing(had, total ?? Infinity)
    const { largestPiece, smallestPiece, smallestSplit, smallestHalf } = sizes
    const each = total === undefined ? largestPiece : Math.ceil(total / (2 * connections))
    this.#pieceBytes = Math.min(largestPiece, Math.max(smallestPiece, each))
    this.#smallestSplit = smallestSplit
    this.#smallestHalf = smallestHalf
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

  /** Whether anything is left that is worth asking. */
  offers(nowMs: number): boolean {
    return this.#free.length > 0 || this.#longest(nowMs) !== undefined
  }

  /** What an idle connection should ask for; undefined: nothing is left that is worth asking. */
  next(nowMs: number): Claim | undefined {
    const gap = this.#free[0]
    if (gap !== undefined) return this.#claim(gap[0], Math.min(gap[1], gap[0] + this.#pieceBytes), nowMs)
    const longest = this.#longest(nowMs)
    if (longest === undefined) return undefined
    const keeps = this.#keeps(longest, nowMs)
    if (keeps > 0) this.#shorten(longest, longest.position + keeps)
    else {
      this.relieve(longest)
      // Whoever asks for it anew may have to wait for its first byte as long: a server that is slow to answer must not be asked for ever.
      this.#patienceMs *= 2
    }
    return this.next(nowMs)
  }

  took(claim: Claim, bytes: number, nowMs: number): void {
    const held = claim as Held
    held.position += bytes
    held.heardMs = nowMs
  }

  /** Its connection is kept waiting, or no longer: what was taken has to be written first. */
  waits(claim: Claim, waits: boolean, nowMs: number): void {
    const held = claim as Held
    held.waits = waits
    held.heardMs = nowMs
  }

  /** Whether all that its connection could still bring is fetched by another. */
  isRelieved(claim: Claim): boolean {
    return (claim as Held).relieved
  }

  /** Its connection is to end, but what it has taken may have to be written first: its rest is free at once. */
  relieve(claim: Claim): void {
    const held = claim as Held
    if (!this.#claims.has(held)) return
    this.#shorten(held, held.position)
    held.relieved = true
  }

  /** Goes on behind its end, where nobody has claimed what follows. */
  extend(claim: Claim): boolean {
    const held = claim as Held
    const gap = this.#free.find(([from]) => from === held.to)
    if (gap === undefined || held.relieved || !this.#claims.has(held)) return false
    const to = Math.min(gap[1], gap[0] + this.#pieceBytes)
    this.#free = withoutRange(this.#free, gap[0], to)
    held.to = to
    return true
  }

  /** Its connection has ended: what it has not taken is free again. */
  release(claim: Claim): void {
    const held = claim as Held
    if (!this.#claims.delete(held)) return
    this.#bestPace = Math.max(this.#bestPace, (held.position - held.from) / Math.max(1, held.heardMs - held.sinceMs))
    if (held.position < held.to) this.#free = withRange(this.#free, held.position, held.to)
  }

  #claim(from: number, to: number, nowMs: number): Claim {
    const held: Held = { from, to, position: from, sinceMs: nowMs, heardMs: nowMs, waits: false, relieved: false }
    this.#free = withoutRange(this.#free, from, to)
    this.#claims.add(held)
    return held
  }

  #shorten(claim: Held, to: number): void {
    this.#free = withRange(this.#free, to, claim.to)
    claim.to = to
  }

  /** How many bytes a connection keeps of those that are left to it, when another takes the rest. */
  #keeps(claim: Held, nowMs: number): number {
    const left = claim.to - claim.position
    // A claim that is far longer than a piece gives all but the piece that it is at, not half.
    if (left > 2 * this.#pieceBytes) return this.#pieceBytes
    const isTaken = left < this.#smallestHalf || (left < this.#smallestSplit && this.#isSilent(claim, nowMs))
    return isTaken ? 0 : Math.ceil(left / 2)
  }

  /** The one whose rest takes longest at the rate that it has had so far. */
  #longest(nowMs: number): Held | undefined {
    let found: Held | undefined
    let longestMs = -1
    for (const claim of this.#claims) {
      const left = claim.to - claim.position
      const got = claim.position - claim.from
      const elapsedMs = nowMs - claim.sinceMs
      // Who has had nothing yet may be waiting for its first byte; it is judged as if it had got one byte a ms.
      const leftMs = left * (got === 0 ? 1 : elapsedMs / got)
      if (left < this.#smallestSplit && !this.#lags(claim, leftMs, nowMs)) continue
      if (leftMs > longestMs) [found, longestMs] = [claim, leftMs]
    }
    return found
  }

  #lags(claim: Held, leftMs: number, nowMs: number): boolean {
    const left = claim.to - claim.position
    if (claim.waits || left === 0 || nowMs - claim.sinceMs < this.#patienceMs) return false
    if (this.#isSilent(claim, nowMs)) return true
    return leftMs >= this.#patienceMs && left / this.#bestPace < leftMs * farBehind
  }

  #isSilent({ heardMs, waits }: Held, nowMs: number): boolean {
    return !waits && nowMs - heardMs >= this.#patienceMs
  }
}
