// Speed as people are shown it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Rate } from '../../src/service/rate.ts'

test('a steady stream is shown at its speed from the first second on', () => {
  const rate = new Rate(0)
  for (let at = 10; at <= 20_000; at += 10) {
    rate.add(10_000, at)
    if (at >= 1000) assert.ok(Math.abs(rate.at(at) - 1_000_000) < 10_000, `${rate.at(at)} at ${at} ms`)
  }
})

test('a new speed is taken over within seconds', () => {
  const rate = new Rate(0)
  for (let at = 100; at <= 30_000; at += 100) rate.add(100_000, at)
  for (let at = 30_100; at <= 45_000; at += 100) rate.add(1000, at)
  assert.ok(rate.at(45_000) < 80_000, String(rate.at(45_000)))
})

test('a speed is 0 once nothing has come for 3 s', () => {
  const rate = new Rate(0)
  for (let at = 100; at <= 5000; at += 100) rate.add(100_000, at)
  assert.ok(rate.at(7900) > 0)
  assert.equal(rate.at(8000), 0)
})

test('a speed is never negative, endless or faster than the fastest moment', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(5000), fc.nat(1_000_000)), { maxLength: 50 }), (steps) => {
      const rate = new Rate(0)
      let at = 0
      for (const [passed, bytes] of steps) {
        at += passed
        rate.add(bytes, at)
        const shown = rate.at(at)
        assert.ok(Number.isFinite(shown) && shown >= 0)
      }
    }),
  )
})
