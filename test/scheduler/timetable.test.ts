// Local time: this file runs in a zone whose clocks change.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type BandwidthWindow, changedBandwidth, type DaemonBandwidth } from '../../src/contract/bandwidth.ts'
import { limitAt, nextChange } from '../../src/scheduler/timetable.ts'

process.env['TZ'] = 'Europe/Berlin'

const workdays = [0, 1, 2, 3, 4]
const everyDay = [0, 1, 2, 3, 4, 5, 6]
const hour = 60

function at(text: string): number {
  const ms = Date.parse(text)
  assert.ok(Number.isFinite(ms))
  return ms
}

const office: DaemonBandwidth = {
  limit: 5_000_000,
  windows: [{ days: workdays, from: 8 * hour, to: 18 * hour, limit: 1_000_000 }],
}

test('a window holds from its first minute until right before its last, on its days', () => {
  // 30 November 2026 is a Monday.
  assert.equal(limitAt(office, at('2026-11-30T07:59:59.999')), 5_000_000)
  assert.equal(limitAt(office, at('2026-11-30T08:00')), 1_000_000)
  assert.equal(limitAt(office, at('2026-11-30T17:59:59.999')), 1_000_000)
  assert.equal(limitAt(office, at('2026-11-30T18:00')), 5_000_000)
  assert.equal(limitAt(office, at('2026-12-05T12:00')), 5_000_000)
})

test('the next change is where a window begins or ends, over a week-end too', () => {
  assert.equal(nextChange(office, at('2026-11-30T07:00')), at('2026-11-30T08:00'))
  assert.equal(nextChange(office, at('2026-11-30T08:00')), at('2026-11-30T18:00'))
  assert.equal(nextChange(office, at('2026-12-04T18:00')), at('2026-12-07T08:00'))
  assert.equal(nextChange({ limit: 7, windows: [] }, at('2026-12-04T18:00')), undefined)
  // It begins, and changes nothing.
  assert.equal(nextChange({ ...office, limit: 1_000_000 }, at('2026-11-30T07:00')), undefined)
})

test('a window over midnight belongs to the day on which it begins', () => {
  const nights: DaemonBandwidth = { limit: 1000, windows: [{ days: [4], from: 22 * hour, to: 6 * hour }] }
  assert.equal(limitAt(nights, at('2026-12-04T21:59')), 1000)
  assert.equal(limitAt(nights, at('2026-12-04T22:00')), undefined)
  assert.equal(limitAt(nights, at('2026-12-05T05:59')), undefined)
  assert.equal(limitAt(nights, at('2026-12-05T06:00')), 1000)
  assert.equal(limitAt(nights, at('2026-12-05T23:00')), 1000)
  assert.equal(nextChange(nights, at('2026-12-04T23:00')), at('2026-12-05T06:00'))
})

test('a window that ends with the day, and one of a whole day, leave no gap at midnight', () => {
  const late: DaemonBandwidth = { windows: [{ days: everyDay, from: 20 * hour, to: 24 * hour, limit: 1 }] }
  assert.equal(nextChange(late, at('2026-12-04T21:00')), at('2026-12-05T00:00'))
  const sunday: DaemonBandwidth = { windows: [{ days: [6], from: 0, to: 24 * hour, limit: 1 }] }
  assert.equal(nextChange(sunday, at('2026-12-05T21:00')), at('2026-12-06T00:00'))
  assert.equal(nextChange(sunday, at('2026-12-06T00:00')), at('2026-12-07T00:00'))
  const always: DaemonBandwidth = { windows: [{ days: everyDay, from: 0, to: 24 * hour, limit: 1 }] }
  assert.equal(nextChange(always, at('2026-12-06T00:00')), undefined)
})

test('where windows overlap the one that was given last holds', () => {
  const both = changedBandwidth(office, {
    kind: 'window',
    window: { days: everyDay, from: 12 * hour, to: 13 * hour },
  })
  assert.equal(limitAt(both, at('2026-11-30T12:30')), undefined)
  assert.equal(nextChange(both, at('2026-11-30T12:30')), at('2026-11-30T13:00'))
})

test('when the clocks change, hours that a day has not are left out and those that it has twice hold twice', () => {
  const night: DaemonBandwidth = { windows: [{ days: everyDay, from: 150, to: 180, limit: 1 }] }
  // 2027-03-28: 02:00 becomes 03:00. From 02:30 until 03:00 there is nothing.
  assert.equal(nextChange(night, at('2027-03-28T00:00')), at('2027-03-29T02:30'))
  // 2026-10-25: 03:00 becomes 02:00.
  const first = at('2026-10-25T00:45:00Z')
  const second = first + 3_600_000
  assert.equal(limitAt(night, first), 1)
  assert.equal(limitAt(night, second), 1)
  // And a limit that begins before and ends after such a night is as long as the night.
  const long: DaemonBandwidth = { windows: [{ days: everyDay, from: 22 * hour, to: 6 * hour, limit: 1 }] }
  assert.equal(nextChange(long, at('2027-03-27T22:00')), at('2027-03-27T22:00') + 7 * 3_600_000)
  assert.equal(nextChange(long, at('2026-10-24T22:00')), at('2026-10-24T22:00') + 9 * 3_600_000)
})

test('between now and the next change the limit is one, on any timetable', () => {
  const window: fc.Arbitrary<BandwidthWindow> = fc.record(
    {
      days: fc.subarray(everyDay, { minLength: 1 }),
      from: fc.integer({ min: 0, max: 1439 }),
      to: fc.integer({ min: 1, max: 1440 }),
      limit: fc.integer({ min: 1, max: 5 }),
    },
    { requiredKeys: ['days', 'from', 'to'] },
  )
  fc.assert(
    fc.property(
      fc.array(window, { maxLength: 4 }),
      // A fortnight without a change of the clocks.
      fc.integer({ min: at('2026-06-01T00:00'), max: at('2026-06-15T00:00') }),
      fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 8, maxLength: 8 }),
      (windows, wallMs, moments) => {
        const bandwidth: DaemonBandwidth = { windows }
        const limit = limitAt(bandwidth, wallMs)
        const next = nextChange(bandwidth, wallMs)
        const until = next ?? wallMs + 7 * 86_400_000
        for (const moment of moments)
          assert.equal(limitAt(bandwidth, Math.min(until - 1, Math.floor(wallMs + moment * (until - wallMs)))), limit)
        if (next !== undefined) assert.notEqual(limitAt(bandwidth, next), limit)
      },
    ),
  )
})

test('a window for hours that have one takes its place, and clearing leaves nothing', () => {
  const again = changedBandwidth(office, {
    kind: 'window',
    window: { days: workdays, from: 8 * hour, to: 18 * hour, limit: 2_000_000 },
  })
  assert.deepEqual(again.windows, [{ days: workdays, from: 8 * hour, to: 18 * hour, limit: 2_000_000 }])
  assert.deepEqual(changedBandwidth(again, { kind: 'limit', bytesPerSecond: null }), { windows: again.windows })
  assert.deepEqual(changedBandwidth(again, { kind: 'clear' }), { windows: [] })
})
