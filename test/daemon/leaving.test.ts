import assert from 'node:assert/strict'
import test from 'node:test'
import { Leaving } from '../../src/daemon/leaving.ts'
import { silentLog } from '../../src/world/log.ts'
import { ManualClock } from '../support/manual-clock.ts'

function make(): {
  clock: ManualClock
  state: {
    busy: boolean
    reasons: string[]
    restMs: number
    left: number
    asked: number
    homeSeen: number
  }
  leaving: Leaving
} {
  const clock = new ManualClock()
  const state = { busy: false, reasons: [] as string[], restMs: 0, left: 0, asked: 0, homeSeen: 0 }
  const leaving = new Leaving({
    clock,
    log: silentLog,
    afterMs: 10_000,
    isBusy: () => state.busy,
    keptBy: () => {
      state.asked++
      return Promise.resolve(state.reasons)
    },
    lookAtHome: () => void state.homeSeen++,
    restMs: () => state.restMs,
    leave: () => void state.left++,
  })
  return { clock, state, leaving }
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  clock.advance(ms)
  await new Promise((resolve) => setImmediate(resolve))
}

test('the daemon leaves ten seconds after its last connection and not before', async () => {
  const { clock, state, leaving } = make()
  leaving.look()
  await pass(clock, 9999)
  assert.equal(state.left, 0)
  await pass(clock, 1)
  assert.equal(state.left, 1)
})

test('a connection in time keeps the daemon, and its end begins the ten seconds anew', async () => {
  const { clock, state, leaving } = make()
  leaving.look()
  await pass(clock, 5000)
  state.busy = true
  leaving.look()
  await pass(clock, 60_000)
  assert.equal(clock.waiting, 0)
  state.busy = false
  leaving.look()
  await pass(clock, 9999)
  assert.equal(state.left, 0)
  await pass(clock, 1)
  assert.equal(state.left, 1)
})

test('while work goes on it is looked ever less often whether it has ended, at least once a minute', async () => {
  const { clock, state, leaving } = make()
  state.reasons = ['2 tasks not yet completed']
  leaving.look()
  for (const pause of [10_000, 20_000, 40_000, 60_000, 60_000]) {
    const before = state.asked
    await pass(clock, pause - 1)
    assert.equal(state.asked, before)
    await pass(clock, 1)
    assert.equal(state.asked, before + 1)
  }
  state.reasons = []
  await pass(clock, 60_000)
  assert.equal(state.left, 1)
})

test('a connection that comes while it is asked what keeps the daemon is not left behind', async () => {
  const { clock, state, leaving } = make()
  leaving.look()
  clock.advance(10_000)
  state.busy = true
  leaving.look()
  await pass(clock, 0)
  assert.equal(state.left, 0)
})

test('until something is due it is not looked, but for once an hour', async () => {
  const { clock, state, leaving } = make()
  state.reasons = ['100000 tasks not yet completed']
  state.restMs = 5_000_000
  leaving.look()
  await pass(clock, 10_000)
  assert.equal(state.asked, 1)
  await pass(clock, 3_599_999)
  assert.equal(state.asked, 1)
  assert.ok(state.homeSeen >= 59, `its home was looked at ${state.homeSeen} times`)
  state.restMs = 1_400_000
  await pass(clock, 1)
  assert.equal(state.asked, 2)
  await pass(clock, 1_399_999)
  assert.equal(state.asked, 2)
  // It is due now, and runs.
  state.restMs = 0
  await pass(clock, 1)
  assert.equal(state.asked, 3)
  await pass(clock, 60_000)
  assert.equal(state.asked, 4)
})
