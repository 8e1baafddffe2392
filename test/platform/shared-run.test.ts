/** Runs that are shared: each tells of what was so after it was asked. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedRun } from '../../src/platform/shared-run.ts'

test('one at a time: who asks while one is under way shares the next, which begins after it', async () => {
  const looks: PromiseWithResolvers<string>[] = []
  const shared = new SharedRun((begins) => {
    begins()
    const look = Promise.withResolvers<string>()
    looks.push(look)
    return look.promise
  })
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const first = [shared.run(), shared.run()]
  await settled()
  const later = [shared.run(), shared.run()]
  await settled()
  assert.equal(looks.length, 1)
  looks[0]!.resolve('there')
  assert.deepEqual(await Promise.all(first), ['there', 'there'])
  await settled()
  assert.equal(looks.length, 2)
  looks[1]!.resolve('gone')
  assert.deepEqual(await Promise.all(later), ['gone', 'gone'])
})

test('one that failed says nothing of the next', async () => {
  let runs = 0
  const shared = new SharedRun(async (begins) => {
    begins()
    if (++runs === 1) throw new Error('it hangs')
    return 'there'
  })
  const first = shared.run()
  await assert.rejects(first, { message: 'it hangs' })
  assert.equal(await shared.run(), 'there')
})

test('one that does not come back keeps nobody waiting for longer than it has patience', async () => {
  let runs = 0
  const shared = new SharedRun((begins) => {
    begins()
    return ++runs === 1 ? new Promise<string>(() => {}) : Promise.resolve('there')
  }, 20)
  void shared.run()
  await new Promise((resolve) => setImmediate(resolve))
  // The timer alone keeps no process alive.
  const awake = setInterval(() => {}, 1000)
  try {
    assert.equal(await shared.run(), 'there')
  } finally {
    clearInterval(awake)
  }
})
