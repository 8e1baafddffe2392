// Waiting for the end of a task.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { settle } from '../support/virtual-clock.ts'
import { noSignal, housesWithSession } from './house.ts'

const open = housesWithSession()

test('whoever waits is answered when the task has ended, with its result and its metrics', async () => {
  const it = await open()
  const id = await it.add()
  const waits = [1, 2].map(() => it.life.service.call(it.caller, 'task.wait', { id }, noSignal))
  await it.engine.of(id).finish(1234)
  for (const { task, metrics } of await Promise.all(waits)) {
    assert.equal(task.result?.bytes, 1234)
    assert.equal(metrics.attempts, 1)
  }
})

test('waiting for a task that has ended already is answered at once', async () => {
  const it = await open()
  const id = await it.add()
  await it.change(id, 'cancel')
  assert.equal((await it.call('task.wait', { id })).task.error?.code, 'CANCELLED')
})

test('a wait that is given up leaves the task alone', async () => {
  const it = await open()
  const id = await it.add()
  const giveUp = new AbortController()
  const wait = it.life.service.call(it.caller, 'task.wait', { id }, giveUp.signal)
  await settle()
  giveUp.abort(new Error('enough'))
  await assert.rejects(wait, /enough/)
  assert.ok(it.engine.isRunning(id))
  await assert.rejects(it.life.service.call(it.caller, 'task.wait', { id }, giveUp.signal), /enough/)
})

test('waiting for a task that does not exist is refused', async () => {
  const it = await open()
  await assert.rejects(it.call('task.wait', { id: '01ARZ3NDEKTSV4RRFFQ69G5FAV' }), (error) =>
    isLonghaulError(error, 'INVALID_ARGUMENT'),
  )
})

test('whoever waits when the daemon stops is told that it stops', async () => {
  const it = await open()
  const id = await it.add()
  const wait = it.life.service.call(it.caller, 'task.wait', { id }, noSignal)
  const refused = assert.rejects(wait, (error) => isLonghaulError(error, 'DAEMON_UNAVAILABLE'))
  await it.life.service.stop()
  await refused
})
