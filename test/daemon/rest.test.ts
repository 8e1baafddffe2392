import assert from 'node:assert/strict'
import test from 'node:test'
import { Rest } from '../../src/daemon/rest.ts'
import { ManualClock } from '../support/manual-clock.ts'

function make(): { clock: ManualClock; rest: Rest; rests: () => number } {
  const clock = new ManualClock()
  let rests = 0
  const rest = new Rest({ clock, rests: () => void rests++ })
  return { clock, rest, rests: () => rests }
}

test('thirty seconds after the last that was asked for, once, and no timer after that', () => {
  const { clock, rest, rests } = make()
  rest.stirred()
  clock.advance(6000)
  rest.stirred()
  clock.advance(29_999)
  assert.equal(rests(), 0)
  clock.advance(1)
  assert.equal(rests(), 1)
  assert.equal(clock.waiting, 0)
})

test('never while an attempt runs, whatever is asked for, and thirty seconds after the last has ended', () => {
  const { clock, rest, rests } = make()
  rest.stirred()
  rest.turned(true)
  rest.stirred()
  assert.equal(clock.waiting, 0)
  clock.advance(3_600_000)
  rest.turned(true)
  rest.turned(false)
  clock.advance(29_999)
  assert.equal(rests(), 0)
  clock.advance(1)
  assert.equal(rests(), 1)
  rest.turned(false)
  clock.advance(60_000)
  assert.equal(rests(), 1, 'a look that finds nothing is no work')
})

test('work between two rests is followed by a rest of its own; after the stop there is none', () => {
  const { clock, rest, rests } = make()
  for (let day = 1; day <= 3; day++) {
    rest.turned(true)
    clock.advance(20_000)
    rest.turned(false)
    clock.advance(30_000)
    assert.equal(rests(), day)
  }
  rest.stirred()
  rest.stop()
  rest.stirred()
  assert.equal(clock.waiting, 0)
})
