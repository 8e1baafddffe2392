import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fairShares } from '../../../src/transfer/rates/fair-shares.ts'

test('what is divided goes in equal parts to those that want it, and nobody gets more than was asked for', () => {
  assert.deepEqual(fairShares(90, [Infinity, Infinity, Infinity]), [30, 30, 30])
  assert.deepEqual(fairShares(90, [10, Infinity, 50]), [10, 40, 40])
  assert.deepEqual(fairShares(90, [10, 20, 30]), [10, 20, 30])
  assert.deepEqual(fairShares(90, []), [])
})

test('of whatever amount and demands the shares are max-min fair: who has less than another has all that it asked for', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      fc.array(fc.double({ min: 0, max: 1e9, noNaN: true }), { maxLength: 8 }),
      (amount, demands) => {
        const shares = fairShares(amount, demands)
        const hair = 1e-6 * (1 + amount)
        const sum = shares.reduce((total, share) => total + share, 0)
        const asked = demands.reduce((total, demand) => total + demand, 0)
        assert.ok(Math.abs(sum - Math.min(amount, asked)) <= hair)
        for (const [index, share] of shares.entries()) {
          assert.ok(share >= 0 && share <= demands[index]! + hair)
          const isContent = share >= demands[index]! - hair
          assert.ok(isContent || shares.every((other) => other <= share + hair))
        }
      },
    ),
  )
})
