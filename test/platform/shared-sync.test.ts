/** Syncs that are shared: each covers what was done before it was asked for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedSync } from '../../src/platform/shared-sync.ts'

class Syncs {
  readonly begun: PromiseWithResolvers<void>[] = []
  readonly shared = new SharedSync((begins) => {
    begins()
    const sync = Promise.withResolvers<void>()
    this.begun.push(sync)
    return sync.promise
  })
  run(): Promise<void> {
    return this.shared.run((why) => new Error('lost', { cause: why }))
  }
  /** All that may happen without a sync ending has happened. */
  async settled(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('who asks while one is under way shares the next, which begins after it', async () => {
  const syncs = new Syncs()
  const first = syncs.run()
  await syncs.settled()
  assert.equal(syncs.begun.length, 1)
  const second = syncs.run()
  const third = syncs.run()
  await syncs.settled()
  assert.equal(syncs.begun.length, 1, 'one at a time')
  syncs.begun[0]!.resolve()
  await first
  await syncs.settled()
  assert.equal(syncs.begun.length, 2)
  const fourth = syncs.run()
  syncs.begun[1]!.resolve()
  await Promise.all([second, third])
  await syncs.settled()
  assert.equal(syncs.begun.length, 3, 'what was asked for during the second is not covered by it')
  syncs.begun[2]!.resolve()
  await fourth
})

test('two that are asked for in one turn are one', async () => {
  const syncs = new Syncs()
  const both = [syncs.run(), syncs.run()]
  await syncs.settled()
  assert.equal(syncs.begun.length, 1)
  syncs.begun[0]!.resolve()
  await Promise.all(both)
})

test('after one that failed, those that wait and those that come are refused', async () => {
  const syncs = new Syncs()
  const first = syncs.run()
  await syncs.settled()
  const waiting = syncs.run()
  const broken = new Error('EIO')
  syncs.begun[0]!.reject(broken)
  await assert.rejects(first, broken)
  await assert.rejects(waiting, { message: 'lost', cause: broken })
  await assert.rejects(syncs.run(), { message: 'lost', cause: broken })
  assert.equal(syncs.begun.length, 1)
  assert.equal(syncs.shared.isLost, true)
})

test('while many wait for their turn, those who ask later share the one that has not begun', async () => {
  const turns: (() => void)[] = []
  let syncs = 0
  const shared = new SharedSync(async (begins) => {
    // Others of the machine come first.
    await new Promise<void>((resolve) => turns.push(resolve))
    begins()
    syncs++
  })
  const run = (): Promise<void> => shared.run((why) => new Error('lost', { cause: why }))
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const asked = [run()]
  for (let round = 0; round < 5; round++) {
    await settled()
    for (let i = 0; i < 10; i++) asked.push(run())
    await settled()
    assert.equal(turns.length, 1, 'one at a time')
    turns.pop()!()
  }
  await settled()
  turns.pop()?.()
  await Promise.all(asked)
  assert.equal(syncs, 5, 'the first ten share with the one that waited; then one a round')
})
