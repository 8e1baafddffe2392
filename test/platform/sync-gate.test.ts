import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SyncGate } from '../../src/platform/sync-gate.ts'

test('never more syncs at once than allowed, of all and of one device, and each gets its turn', async () => {
  const gate = new SyncGate({ total: 5, device: 2 })
  const running = new Map<string, number>()
  let total = 0
  const most = { total: 0, device: 0 }
  const finish: (() => void)[] = []
  const sync = (device: string): Promise<void> =>
    gate.pass(device, async () => {
      running.set(device, (running.get(device) ?? 0) + 1)
      total++
      most.total = Math.max(most.total, total)
      most.device = Math.max(most.device, running.get(device)!)
      const { promise, resolve } = Promise.withResolvers<void>()
      finish.push(resolve)
      await promise
      running.set(device, running.get(device)! - 1)
      total--
    })
  const all = Array.from({ length: 60 }, (_, i) => sync(`disk ${i % 4}`))
  let done = false
  const ended = Promise.all(all).then(() => {
    done = true
  })
  while (!done) {
    finish.shift()?.()
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  await ended
  assert.deepEqual(most, { total: 5, device: 2 })
})

test('a slow disk does not hold up the syncs of another one', async () => {
  const gate = new SyncGate({ total: 8, device: 2 })
  const slow = Promise.withResolvers<void>()
  const stuck = Array.from({ length: 10 }, () => gate.pass('slow', () => slow.promise))
  assert.equal(await gate.pass('fast', () => Promise.resolve('synced')), 'synced')
  slow.resolve()
  await Promise.all(stuck)
})

test('a sync that fails gives its place to the next', async () => {
  const gate = new SyncGate({ total: 1, device: 1 })
  const first = gate.pass('d', () => Promise.reject(new Error('EIO')))
  const second = gate.pass('d', () => Promise.resolve('synced'))
  await assert.rejects(first, /EIO/)
  assert.equal(await second, 'synced')
})
