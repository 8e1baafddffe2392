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

test('a window ends each time that the clocks come to its end, and where they leap over its beginning it begins at once', () => {
  const sunday: DaemonBandwidth = { windows: [{ days: [6], from: 120, to: 150, limit: 1 }] }
  for (const [now, change] of [
    ['2026-10-24T23:30:00Z', '2026-10-25T00:00:00Z'],
    ['2026-10-25T00:15:00Z', '2026-10-25T00:30:00Z'],
    ['2026-10-25T00:31:00Z', '2026-10-25T01:00:00Z'],
    ['2026-10-25T01:15:00Z', '2026-10-25T01:30:00Z'],
    ['2026-10-25T01:31:00Z', '2026-11-01T01:00:00Z'],
  ] as const)
    assert.equal(nextChange(sunday, at(now)), at(change), now)
  const across: DaemonBandwidth = { windows: [{ days: everyDay, from: 150, to: 240, limit: 1 }] }
  // It begins, is over at 03:00 as that is 02:00 again, and begins.
  assert.equal(nextChange(across, at('2026-10-25T00:45:00Z')), at('2026-10-25T01:00:00Z'))
  assert.equal(nextChange(across, at('2026-10-25T01:00:00Z')), at('2026-10-25T01:30:00Z'))
  // 02:00 becomes 03:00.
  assert.equal(nextChange(across, at('2027-03-28T00:00:00Z')), at('2027-03-28T01:00:00Z'))
})

const window: fc.Arbitrary<BandwidthWindow> = fc.record(
  {
    days: fc.subarray(everyDay, { minLength: 1 }),
    from: fc.integer({ min: 0, max: 1439 }),
    to: fc.integer({ min: 1, max: 1440 }),
    limit: fc.integer({ min: 1, max: 5 }),
  },
  { requiredKeys: ['days', 'from', 'to'] },
)

test('where the clocks change, however far and at whatever hour, the limit is one in each minute until the next change', () => {
  const home = process.env['TZ']
  for (const [zone, ...days] of [
    ['Europe/Berlin', '2026-10-25', '2027-03-28'],
    // Half an hour.
    ['Australia/Lord_Howe', '2026-10-04', '2027-04-04'],
    // At midnight, before which an hour comes twice.
    ['America/Santiago', '2026-04-04', '2026-09-05'],
    // At one in the morning, so that midnight comes twice; and at midnight, which there is not.
    ['America/Havana', '2026-11-01', '2026-03-08'],
  ] as const)
    try {
      process.env['TZ'] = zone
      for (const day of days)
        fc.assert(
          fc.property(fc.array(window, { minLength: 1, maxLength: 3 }), fc.nat(1440), (windows, minutes) => {
            const bandwidth: DaemonBandwidth = { windows }
            const wallMs = at(`${day}T00:00`) + minutes * 60_000
            const next = nextChange(bandwidth, wallMs) ?? Infinity
            const limit = limitAt(bandwidth, wallMs)
            for (let ms = wallMs; ms < Math.min(next, wallMs + 86_400_000); ms += 60_000)
              assert.equal(limitAt(bandwidth, ms), limit, `${zone}, ${new Date(ms).toString()}`)
            if (next !== Infinity) assert.notEqual(limitAt(bandwidth, next), limit)
          }),
        )
    } finally {
      process.env['TZ'] = home
    }
})

test('between now and the next change the limit is one, on any timetable', () => {
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
