// How often bytes are made safe, and when the sender waits for it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Report } from '../../src/transfer/assignment.ts'
import { Checkpoints, type CheckpointSource } from '../../src/transfer/download/checkpoints.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { settle } from '../support/virtual-clock.ts'

const mebibyte = 1024 * 1024

interface Made {
  readonly clock: ManualClock
  readonly checkpoints: Checkpoints
  /** Takes a mebibyte. True: the sender has to wait. */
  readonly take: () => boolean
  /** The sync that is under way, if one is, comes back. */
  readonly synced: () => Promise<boolean>
}

function make(connections: () => number): Made {
  const clock = new ManualClock()
  let taken = 0
  let sync: PromiseWithResolvers<void> | undefined
  const folder = { path: '/d' }
  const part = {
    folder: { ...folder, isStillThere: () => Promise.resolve(true) },
    name: 'part',
    identity: { inode: '1', birthMs: 1, device: '1' },
    sync: () => (sync = Promise.withResolvers()).promise,
    isStillNamed: () => Promise.resolve(true),
  }
  const source: CheckpointSource = {
    part: part as unknown as CheckpointSource['part'],
    representation: {} as CheckpointSource['representation'],
    flush: () => Promise.resolve(),
    ranges: () => [[0, taken]],
    connections,
  }
  const report = { checkpoint: () => Promise.resolve('recorded') } as unknown as Report
  const checkpoints = new Checkpoints(source, 0, report, clock, () => assert.fail('broken'))
  return {
    clock,
    checkpoints,
    take: () => {
      taken += mebibyte
      return checkpoints.taken(mebibyte) !== undefined
    },
    synced: async () => {
      await settle()
      const was = sync
      sync = undefined
      was?.resolve()
      await settle()
      return was !== undefined
    },
  }
}

for (const { connections, every, most } of [
  { connections: 1, every: 16, most: 32 },
  { connections: 4, every: 16, most: 32 },
  { connections: 32, every: 16, most: 32 },
  { connections: 64, every: 8, most: 16 },
  { connections: 128, every: 4, most: 8 },
  { connections: 1000, every: 4, most: 8 },
])
  test(`with ${connections} connections a checkpoint comes each ${every} MiB, and the sender waits at ${most} MiB`, async () => {
    const { take, synced } = make(() => connections)
    for (let i = 1; i < every; i++) assert.equal(take(), false)
    assert.equal(await synced(), false)
    for (let i = every; i < most; i++) assert.equal(take(), false, `${i} MiB`)
    assert.equal(take(), true)
    assert.equal(await synced(), true)
    assert.equal(take(), false, 'all of it is safe')
  })

test('fewer connections leave each of them more', async () => {
  let connections = 128
  const { take, synced } = make(() => connections)
  for (let i = 1; i < 8; i++) take()
  assert.equal(take(), true)
  connections = 4
  assert.equal(take(), false)
  assert.equal(await synced(), true)
})

test('bytes that came while a sync took more than five seconds are made safe as soon as it has ended', async () => {
  const { clock, take, synced } = make(() => 1)
  take()
  clock.advance(5000)
  await settle()
  take()
  clock.advance(5001)
  assert.equal(await synced(), true)
  clock.advance(1)
  assert.equal(await synced(), true)
})
