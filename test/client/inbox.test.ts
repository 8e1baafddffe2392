import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Inbox, pausesMs } from '../../src/client/inbox.ts'
import type { PassingEventJson } from '../../src/contract/events.ts'
import { InboxDriver } from './inbox-driver.ts'

const moves = fc.array(
  fc.oneof(
    fc.record({ move: fc.constantFrom('deliver' as const), at: fc.constant(0) }),
    fc.record({
      move: fc.constantFrom('activate' as const, 'returns' as const, 'throws' as const, 'pauseOver' as const),
      at: fc.nat(5),
    }),
    fc.record({
      move: fc.constantFrom('commit' as const, 'breaks' as const, 'breaksHeard' as const),
      at: fc.constant(0),
    }),
  ),
  { maxLength: 80 },
)
const plans = fc.array(fc.constantFrom('A', 'B', 'C', undefined), { minLength: 1, maxLength: 14 })

function play(driver: InboxDriver, steps: readonly { readonly move: string; readonly at: number }[]): void {
  for (const { move, at } of steps) {
    if (move === 'deliver') driver.deliver()
    else if (move === 'activate') driver.activate()
    else if (move === 'returns') driver.returns(at)
    else if (move === 'throws') driver.throws(at)
    else if (move === 'pauseOver') driver.pauseOver(at)
    else if (move === 'commit') driver.commit()
    else driver.breaks(move === 'breaksHeard')
  }
}

test('whatever happens, events of one task run one at a time, in order, and nothing is acknowledged before it settled', () => {
  fc.assert(
    fc.property(plans, fc.integer({ min: 1, max: 4 }), moves, (plan, concurrency, steps) => {
      // The driver checks at each step.
      play(new InboxDriver(plan, concurrency), steps)
    }),
    { numRuns: 2000 },
  )
})

test('once callbacks no longer throw and the connection holds, every event is acknowledged', () => {
  fc.assert(
    fc.property(plans, fc.integer({ min: 1, max: 4 }), moves, (plan, concurrency, steps) => {
      const driver = new InboxDriver(plan, concurrency)
      play(driver, steps)
      driver.activate()
      driver.breaks(false)
      for (let round = 0; round < plan.length * 4 + 8; round++) {
        driver.deliver()
        driver.pauseOver(0)
        driver.returns(0)
        driver.commit()
      }
      assert.deepEqual(
        [...driver.committed].toSorted((a, b) => a - b),
        plan.map((_, at) => at + 1),
      )
      assert.equal(driver.inbox.entries.size, 0, 'nothing is left in the inbox')
    }),
    { numRuns: 1000 },
  )
})

test('with concurrency 1 events run in the order of their numbers, over all tasks', () => {
  const driver = new InboxDriver(['A', 'B', 'A', 'B'], 1)
  driver.activate()
  for (let i = 0; i < 4; i++) driver.deliver()
  for (let i = 0; i < 4; i++) driver.returns(0)
  assert.deepEqual(driver.order, [1, 2, 3, 4])
})

test('with concurrency 2 an event of another task does not wait for a callback that runs', () => {
  const driver = new InboxDriver(['A', 'A', 'B'], 2)
  driver.activate()
  for (let i = 0; i < 3; i++) driver.deliver()
  assert.deepEqual(driver.running, [1, 3])
})

test('nothing runs before activate, and then all that waits does in its order', () => {
  const driver = new InboxDriver(['A', 'B'], 1)
  driver.deliver()
  driver.deliver()
  assert.deepEqual(driver.order, [])
  driver.activate()
  assert.deepEqual(driver.order, [1])
})

test('a callback that throws runs three times more with growing pauses, then its task waits and the others go on', () => {
  const driver = new InboxDriver(['A', 'A', 'B', 'B'], 1)
  driver.activate()
  for (let i = 0; i < 4; i++) driver.deliver()
  driver.throws(0)
  assert.deepEqual(driver.running, [3], 'the other task is served during the pause')
  driver.returns(0)
  driver.returns(0)
  for (let i = 0; i < 3; i++) {
    driver.pauseOver(0)
    assert.deepEqual(driver.running, [1])
    driver.throws(0)
  }
  assert.equal(driver.runs.get(1), 4)
  assert.deepEqual(driver.pauses, pausesMs)
  assert.deepEqual([...driver.refused], [1])
  assert.equal(driver.runs.get(2), undefined, 'the later event of its task stays back')
})

test('an event of the session runs although a task before it is blocked by a refused event', () => {
  const driver = new InboxDriver(['A', 'A', undefined, 'B'], 1)
  driver.activate()
  for (let i = 0; i < 3; i++) driver.deliver()
  for (let i = 0; i < 3; i++) {
    driver.throws(0)
    driver.pauseOver(0)
  }
  assert.deepEqual(driver.order, [1, 1, 1, 1])
  driver.throws(0)
  assert.deepEqual([...driver.refused], [1])
  assert.deepEqual(driver.running, [3], 'what the refused event holds back holds back nothing of the session')
  driver.returns(0)
  driver.deliver()
  assert.deepEqual(driver.running, [4], 'and nothing of other tasks')
})

test('after an attach a callback that threw runs again only if its event comes again: another owner may have dealt with it', () => {
  const driver = new InboxDriver(['A', 'A'], 1)
  driver.activate()
  driver.deliver()
  driver.throws(0)
  driver.committed.add(1)
  driver.breaks(true)
  driver.pauseOver(0)
  assert.deepEqual(driver.running, [])
})

test('a refused event runs again after the next attach', () => {
  const driver = new InboxDriver(['A'], 1)
  driver.activate()
  driver.deliver()
  for (let i = 0; i < 4; i++) {
    driver.throws(0)
    driver.pauseOver(0)
  }
  assert.deepEqual([...driver.refused], [1])
  driver.breaks(false)
  assert.deepEqual(driver.running, [1])
})

test('an event that comes again while its callback runs is not run twice, and is acknowledged once it settles', () => {
  const driver = new InboxDriver(['A'], 4)
  driver.activate()
  driver.deliver()
  driver.breaks(false)
  assert.deepEqual(driver.running, [1])
  driver.returns(0)
  assert.deepEqual(driver.sent, [1])
})

test('what settled before the connection broke is acknowledged again at once, without running', () => {
  const driver = new InboxDriver(['A'], 1)
  driver.activate()
  driver.deliver()
  driver.returns(0)
  driver.give({ kind: 'attached' })
  assert.deepEqual(driver.sent, [1, 1], 'said again although its first answer may only be late')
  driver.give({ kind: 'arrived', event: driver.eventOf(1) })
  assert.equal(driver.runs.get(1), 1)
})

test('a callback that runs long is reported when it is noticed and when it ends', () => {
  const driver = new InboxDriver(['A'], 1)
  driver.activate()
  driver.deliver()
  driver.give({ kind: 'long', sequence: 1 })
  driver.returns(0)
  assert.deepEqual(driver.reports, [
    { sequence: 1, running: true },
    { sequence: 1, running: false },
  ])
  driver.give({ kind: 'long', sequence: 1 })
  assert.equal(driver.reports.length, 2, 'a timer that fires late changes nothing')
})

test('progress of a task is dropped once its didComplete has started, and before activate', () => {
  const progress: PassingEventJson = {
    kind: 'didWriteData',
    afterSequence: 0,
    timeMs: 0,
    task: 'A',
    bytesWritten: 1,
    totalBytesWritten: 1,
    progress: { received: 1, sent: 0, rate: 0 },
  }
  assert.deepEqual(new Inbox(1).step({ kind: 'passed', event: progress }), [])
  const driver = new InboxDriver(['A'], 1)
  driver.activate()
  assert.equal(driver.inbox.step({ kind: 'passed', event: progress }).length, 1)
  driver.deliver()
  assert.deepEqual(driver.inbox.step({ kind: 'passed', event: progress }), [])
  driver.returns(0)
  driver.commit()
  assert.deepEqual(driver.inbox.step({ kind: 'passed', event: progress }), [], 'also after it was acknowledged')
})
