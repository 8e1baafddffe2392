import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ByteRanges } from '../../src/contract/bytes.ts'
import { countBytes, highestEnd, missing, normalised, prefixLength, withRange } from '../../src/transfer/ranges.ts'

const size = 60
const pairs = fc.array(fc.tuple(fc.nat(size), fc.nat(size)), { maxLength: 12 })

/** The same thing told with one flag a byte. */
function flags(list: ByteRanges): boolean[] {
  const set = Array<boolean>(size).fill(false)
  for (const [from, to] of list) for (let at = from; at < to; at++) set[at] = true
  return set
}

test('a set of ranges has the bytes that were added, sorted, disjoint and never touching', () => {
  fc.assert(
    fc.property(pairs, (list) => {
      let ranges: ByteRanges = []
      for (const [from, to] of list) ranges = withRange(ranges, from, to)
      assert.deepEqual(flags(ranges), flags(list))
      for (const [index, [from, to]] of ranges.entries()) {
        assert.ok(from < to)
        const next = ranges[index + 1]
        if (next !== undefined) assert.ok(to < next[0])
      }
      assert.deepEqual(normalised(list), ranges)
    }),
  )
})

test('the missing bytes of a set and the set itself make up the whole', () => {
  fc.assert(
    fc.property(pairs, fc.nat(size), (list, total) => {
      const ranges = normalised(list)
      const gaps = missing(ranges, total)
      const expected = flags(ranges).map((has, at) => !has && at < total)
      assert.deepEqual(flags(gaps), expected)
    }),
  )
})

test('prefix, count and end agree with the bytes of the set', () => {
  fc.assert(
    fc.property(pairs, (list) => {
      const ranges = normalised(list)
      const set = flags(ranges)
      const gap = set.indexOf(false)
      assert.equal(prefixLength(ranges), gap === -1 ? size : gap)
      assert.equal(countBytes(ranges), set.filter(Boolean).length)
      assert.equal(highestEnd(ranges), set.lastIndexOf(true) + 1)
    }),
  )
})

test('pairs that are no byte positions are left out of a set', () => {
  assert.deepEqual(
    normalised([
      [-5, 3],
      [2, Number.NaN],
      [0.5, 2],
      [4, 9],
    ]),
    [[4, 9]],
  )
})
