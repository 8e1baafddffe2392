// What counts as five minutes in which nothing came: only the time in which a task was tried. Time is virtual.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { TaskId } from '../../src/contract/words.ts'
import { type House, housesWithSession, lost } from './house.ts'

const giveUpAfterMs = 300_000
const hour = 3_600_000
const full = new LonghaulError('DISK_FULL', 'no room')

const open = housesWithSession()

/** Fails from now on as often as it is tried. @returns for how long it was tried */
async function failToTheEnd(it: House, id: TaskId): Promise<number> {
  const from = it.clock.steady()
  while ((await it.get(id)).state === 'running') {
    if (it.engine.isRunning(id)) await it.engine.of(id).fail()
    await it.clock.advance(1000)
  }
  return it.clock.steady() - from
}

async function assertGivesUpLater(it: House, id: TaskId): Promise<void> {
  assert.equal((await it.get(id)).state, 'running')
  const tookMs = await failToTheEnd(it, id)
  assert.ok(tookMs > 230_000 && tookMs < 310_000, `gave up after ${tookMs} ms`)
  assert.equal((await it.get(id)).error?.code, 'NETWORK_CONNECTION_LOST')
}

test('the time in which a task was held is not counted against it', async () => {
  const it = await open()
  const id = await it.add({ giveUpAfterMs })
  await it.engine.of(id).fail()
  await it.change(id, 'hold')
  await it.clock.advance(8 * hour)
  await it.change(id, 'release')
  await it.clock.advance(1000)
  await it.engine.of(id).fail()
  await assertGivesUpLater(it, id)
})

test('a task that got on, was suspended and then failed once is tried again', async () => {
  const it = await open()
  const id = await it.add({ giveUpAfterMs })
  await it.engine.of(id).checkpoint(100, 1000)
  await it.engine.of(id).fail(lost, { kind: 'network' }, { progressed: true })
  await it.change(id, 'suspend')
  await it.clock.advance(400_000)
  await it.change(id, 'resume')
  await it.clock.advance(1000)
  await it.engine.of(id).fail()
  await assertGivesUpLater(it, id)
})

test('a machine that slept in the middle of an attempt has not tried for all that time', async () => {
  const it = await open()
  const id = await it.add({ giveUpAfterMs })
  await it.engine.of(id).fail()
  await it.clock.advance(1000)
  assert.ok(it.engine.isRunning(id))
  await it.clock.advance(8 * hour)
  await it.engine.of(id).fail(new LonghaulError('NOT_CONNECTED_TO_INTERNET', 'no route'))
  await it.clock.advance(2000)
  await it.engine.of(id).fail()
  await assertGivesUpLater(it, id)
})

test('a daemon that was gone has not tried for all that time', async () => {
  const it = await open()
  const id = await it.add({ giveUpAfterMs })
  await it.engine.of(id).fail()
  await it.clock.advance(1000)
  assert.ok(it.engine.isRunning(id))
  await it.restart({ clean: false, awayMs: hour })
  await it.engine.of(id).fail()
  await assertGivesUpLater(it, id)
})

test('the time in which a disk was full is not counted against a task', async () => {
  const it = await open()
  const id = await it.add({ giveUpAfterMs })
  await it.engine.of(id).fail()
  await it.clock.advance(1000)
  for (let i = 0; i < 40; i++) {
    await it.engine.of(id).fail(full, { kind: 'disk full' })
    await it.clock.advance(20_000)
  }
  await it.engine.of(id).fail()
  await assertGivesUpLater(it, id)
})

test('the time in which a task was queued is not counted against it, and ends nothing of what was', async () => {
  const it = await open()
  await it.openSession('com.example.one', { maximumActiveTasks: 1 })
  const id = await it.add({ giveUpAfterMs }, 'com.example.one')
  await it.engine.of(id).fail()
  const other = await it.add({ priority: 0.9 }, 'com.example.one')
  await it.clock.advance(400_000)
  assert.deepEqual(await it.blockers(id), ['activeLimit'])
  await it.engine.of(other).finish()
  await it.engine.of(id).fail()
  await assertGivesUpLater(it, id)
})
