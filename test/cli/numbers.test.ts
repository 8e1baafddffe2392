import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, bytesOf, clockTime, duration, percent, rate, took } from '../../src/cli/render/numbers.ts'

test('sizes have one decimal below 100 and none above', () => {
  const sizes: readonly (readonly [number, string])[] = [
    [0, '0 B'],
    [812, '812 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [21_340, '21.3 kB'],
    [99_949, '99.9 kB'],
    [99_951, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [580e6, '580 MB'],
    [5.8e9, '5.8 GB'],
    [2e15, '2.0 PB'],
    [9e18, '9000 PB'],
  ]
  for (const [count, text] of sizes) assert.equal(bytes(count), text)
  assert.equal(rate(0), '0 B/s')
  assert.equal(rate(3_410_000), '3.4 MB/s')
})

test('two sizes of one unit name it once', () => {
  assert.equal(bytesOf(3.4e9, 5.8e9), '3.4 / 5.8 GB')
  assert.equal(bytesOf(580e6, 5.8e9), '580 MB / 5.8 GB')
  assert.equal(bytesOf(0, 300e6), '0 B / 300 MB')
})

test('durations have two units at most', () => {
  const durations: readonly (readonly [number, string])[] = [
    [-5, '0 s'],
    [499, '0 s'],
    [8000, '8 s'],
    [59_400, '59 s'],
    [59_600, '1m 0s'],
    [130_000, '2m 10s'],
    [3_599_000, '59m 59s'],
    [11_520_000, '3h 12m'],
    [86_399_000, '23h 59m'],
    [532_800_000, '6d 4h'],
  ]
  for (const [ms, text] of durations) assert.equal(duration(ms), text)
  assert.equal(took(0), '0.0 s')
  assert.equal(took(1234), '1.2 s')
  assert.equal(took(9950), '10 s')
})

test('a share is never 100 percent before the end', () => {
  assert.equal(percent(0), '0 %')
  assert.equal(percent(0.5899), '58 %')
  assert.equal(percent(0.9999), '99 %')
  assert.equal(percent(1), '100 %')
})

test('a time names its day when it is not today', () => {
  const now = new Date(2026, 10, 24, 13, 40)
  assert.equal(clockTime(new Date(2026, 10, 24, 14, 2, 51), now), '14:02:51')
  assert.equal(clockTime(new Date(2026, 10, 24, 0, 0, 5), now), '00:00:05')
  assert.equal(clockTime(new Date(2026, 11, 1, 13, 36), now), 'Tue 1 Dec 13:36')
})
