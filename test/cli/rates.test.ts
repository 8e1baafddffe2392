import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hoursOf, rateOf } from '../../src/cli/rates.ts'
import { limitNow, timetableLines } from '../../src/cli/render/bandwidth.ts'
import { en } from '../../src/cli/render/words-en.ts'
import { zh } from '../../src/cli/render/words-zh.ts'

test('a rate is understood as people type it, also in the short form of other tools', () => {
  for (const [typed, rate] of [
    ['2MB/s', 2_000_000],
    ['2M', 2_000_000],
    ['1.5m', 1_500_000],
    ['500kB/s', 500_000],
    ['500K', 500_000],
    ['1G', 1_000_000_000],
    ['800', 800],
    ['none', null],
    ['off', null],
  ] as const)
    assert.equal(rateOf(typed, '--limit-rate'), rate, typed)
  for (const wrong of ['0', '0M', 'fast', '2 MB', '2Mbit/s', '-2M', '2T', ''])
    assert.throws(() => rateOf(wrong, '--limit-rate'), { code: 'INVALID_ARGUMENT' }, wrong)
})

test('hours of the week are understood with days, with hours, or with both', () => {
  const all = [0, 1, 2, 3, 4, 5, 6]
  for (const [typed, days, from, to] of [
    ['Mon-Fri 08:00-18:00', [0, 1, 2, 3, 4], 480, 1080],
    ['sat,sun', [5, 6], 0, 1440],
    ['fri-mon 9:30-24:00', [0, 4, 5, 6], 570, 1440],
    ['22:00-06:00', all, 1320, 360],
    ['daily 20:00-00:00', all, 1200, 1440],
    ['monday,Wednesday 00:00-01:00', [0, 2], 0, 60],
  ] as const)
    assert.deepEqual(hoursOf(typed), { days, from, to }, typed)
  for (const wrong of [
    '',
    'Mon-',
    'xyz 08:00-18:00',
    '8-18',
    'Mon 25:00-26:00',
    'Mon 08:60-09:00',
    '24:00-01:00',
    'Mon Tue',
  ])
    assert.throws(() => hoursOf(wrong), { code: 'INVALID_ARGUMENT' }, wrong)
})

test('the limit and its timetable are told in both languages', () => {
  const wallMs = new Date(2026, 10, 30, 9).getTime()
  const status = {
    limit: 5_000_000,
    windows: [
      { days: [0, 1, 2, 3, 4, 6], from: 480, to: 1080, limit: 1_000_000 },
      { days: [5, 6], from: 0, to: 1440 },
    ],
    now: 1_000_000,
    changesAtMs: new Date(2026, 10, 30, 18).getTime(),
  }
  assert.equal(limitNow(status, en, wallMs), 'at most 1 MB/s for all transfers together, until 18:00:00')
  assert.deepEqual(timetableLines(status, en), [
    ['Mon-Fri,Sun 08:00-18:00', '1 MB/s'],
    ['Sat,Sun', 'no limit'],
    ['otherwise', '5 MB/s'],
  ])
  assert.equal(limitNow({ windows: [] }, en, wallMs), 'no bandwidth limit')
  assert.equal(limitNow(status, zh, wallMs), '所有传输合计最多 1 MB/s，到 18:00:00 为止')
  assert.deepEqual(timetableLines(status, zh)[0], ['周一-周五,周日 08:00-18:00', '1 MB/s'])
})
