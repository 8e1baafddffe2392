import assert from 'node:assert/strict'
import test from 'node:test'
import { median, pairwiseRatio } from '../../bench/statistics.ts'

test('a median is the value in the middle, or between the two in the middle', () => {
  assert.equal(median([9, 1, 5]), 5)
  assert.equal(median([4, 1, 2, 8]), 3)
  assert.equal(median([7]), 7)
  assert.throws(() => median([]), RangeError)
})

test('a ratio compares what ran in the same round, so that a slow round of both does not count', () => {
  // The second round was ten times slower for everyone.
  assert.equal(pairwiseRatio([1, 20, 3], [2, 40, 6]), 0.5)
})
