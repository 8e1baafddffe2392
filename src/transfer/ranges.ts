/** Pure sets of byte ranges: sorted, disjoint, never touching, half-open. Every function answers a new set. */
import type { ByteRanges } from '../contract/bytes.ts'

/** `ranges` and the bytes from `from` up to `to`. */
export function withRange(ranges: ByteRanges, from: number, to: number): ByteRanges {
  if (from >= to) return ranges
  const before: (readonly [number, number])[] = []
  const after: (readonly [number, number])[] = []
  let start = from
  let end = to
  for (const range of ranges) {
    if (range[1] < start) before.push(range)
    else if (range[0] > end) after.push(range)
    else {
      start = Math.min(start, range[0])
      end = Math.max(end, range[1])
    }
  }
  return [...before, [start, end], ...after]
}

/** `ranges` less the bytes from `from` up to `to`. */
export function withoutRange(ranges: ByteRanges, from: number, to: number): ByteRanges {
  return ranges.flatMap(([start, end]) => {
    if (end <= from || start >= to) return [[start, end] as const]
    const rest: (readonly [number, number])[] = []
    if (start < from) rest.push([start, from])
    if (end > to) rest.push([to, end])
    return rest
  })
}

/** Any list of pairs as a set; pairs that are empty or no byte positions are left out. */
export function normalised(pairs: ByteRanges): ByteRanges {
  let ranges: ByteRanges = []
  for (const [from, to] of pairs)
    if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0) ranges = withRange(ranges, from, to)
  return ranges
}

/** How many bytes are there from the very start without a gap. */
export function prefixLength(ranges: ByteRanges): number {
  const first = ranges[0]
  return first !== undefined && first[0] === 0 ? first[1] : 0
}

export function countBytes(ranges: ByteRanges): number {
  return ranges.reduce((sum, [from, to]) => sum + to - from, 0)
}

/** The first position after every byte of the set. */
export function highestEnd(ranges: ByteRanges): number {
  return ranges.at(-1)?.[1] ?? 0
}

/** The bytes of [0, total) that the set lacks. */
export function missing(ranges: ByteRanges, total: number): ByteRanges {
  const gaps: (readonly [number, number])[] = []
  let next = 0
  for (const [from, to] of ranges) {
    if (from >= total) break
    if (from > next) gaps.push([next, from])
    next = to
  }
  if (next < total) gaps.push([next, total])
  return gaps
}
