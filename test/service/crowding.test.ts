import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LonghaulError } from '../../src/contract/errors.ts'
import { explanationFromJson } from '../../src/client/explain.ts'
import { Crowding } from '../../src/service/crowding.ts'
import { House } from './house.ts'

const origin = 'https://a.test'
const tooMany = new LonghaulError('HTTP_STATUS', 'answered with status 503', { status: 503 })

test('each refusal takes one away, down to one; after a while one more is tried', () => {
  const crowding = new Crowding(8)
  assert.equal(crowding.at(origin, 0), undefined)
  for (let refusals = 0; refusals < 4; refusals++) crowding.refused(origin, 8, 1000)
  assert.deepEqual(crowding.at(origin, 1000), { most: 4, untilMs: 11_000 })
  assert.deepEqual(crowding.at(origin, 11_000), { most: 5, untilMs: 21_000 })
  for (let refusals = 0; refusals < 9; refusals++) crowding.refused(origin, 5, 11_000)
  assert.equal(crowding.at(origin, 11_000)?.most, 1)
  assert.equal(crowding.at('https://b.test', 11_000), undefined)
})

test('a try that was refused makes the next one wait for twice as long, up to ten minutes', () => {
  const crowding = new Crowding(8)
  let atMs = 0
  crowding.refused(origin, 5, atMs)
  const waits: number[] = []
  for (let tries = 0; tries < 8; tries++) {
    const { untilMs } = crowding.at(origin, atMs)!
    waits.push((untilMs - atMs) / 1000)
    atMs = untilMs
    crowding.refused(origin, 5, atMs)
    assert.equal(crowding.at(origin, atMs)?.most, 4)
  }
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 320, 600, 600])
})

test('one that refuses whoever comes alone has no crowd', () => {
  const crowding = new Crowding(8)
  crowding.refused(origin, 1, 0)
  assert.equal(crowding.at(origin, 0), undefined)
})

test('an origin that takes all again is forgotten', () => {
  const crowding = new Crowding(8)
  crowding.refused(origin, 6, 0)
  assert.equal(crowding.at(origin, 29_999)?.most, 7)
  assert.equal(crowding.at(origin, 30_000), undefined)
  crowding.refused('https://b.test', 8, 30_000)
  assert.equal(crowding.size, 1)
})

test('tasks of a server that takes two wait in their queue, and each first refusal is the last', async () => {
  const it = await House.open()
  await it.openSession('com.example', { maximumConnectionsPerHost: 8 })
  const ids = []
  for (let i = 0; i < 12; i++) ids.push(await it.add())
  assert.equal(it.engine.running.length, 8)
  for (const attempt of it.engine.running.slice(2)) await attempt.fail(tooMany)
  assert.equal(it.engine.running.length, 2, 'the six that were refused make room for nobody')

  const waiting = ids.at(-1)!
  const { blockers, server, ...rest } = await it.call('task.explain', { id: waiting })
  assert.deepEqual(blockers, [{ code: 'hostLimit', of: origin, untilMs: it.clock.wall() + 10_000 }])
  assert.deepEqual(server, { origin, refusedAbove: 2 })
  const { why } = explanationFromJson({ blockers, server, ...rest }, 'en')
  assert.match(why, /^As many connections as https:\/\/a\.test takes go to it; \d+ tasks? .*\. One more is tried at /)

  await it.engine.running[0]!.finish()
  assert.equal(it.engine.running.length, 2)
  await it.clock.advance(10_010)
  assert.equal(it.engine.running.length, 3, 'one more is tried, though nothing else has happened')
  await it.close()
})

test('an address that always answers 503 does not take the others their connections', async () => {
  const it = await House.open()
  await it.openSession('com.example', { maximumConnectionsPerHost: 8 })
  const broken = await it.add()
  await it.add()
  for (let tries = 0; tries < 5; tries++) {
    if (!it.engine.isRunning(broken)) await it.clock.advance(60_000)
    await it.engine.of(broken).fail(tooMany)
  }
  const others = []
  for (let i = 0; i < 7; i++) others.push(await it.add())
  assert.equal(others.filter((id) => it.engine.isRunning(id)).length, 7)
  await it.close()
})

test('no further connection is lent to an origin that is crowded', async () => {
  const it = await House.open()
  await it.openSession('com.example', { maximumConnectionsPerHost: 8 })
  const [first, second, third] = [await it.add(), await it.add(), await it.add()]
  await it.engine.of(third).fail(tooMany)
  await it.engine.of(second).finish()
  const lent = it.engine.of(first).report.more(() => {})
  assert.notEqual(lent, undefined, 'two it has taken')
  assert.equal(
    it.engine.of(first).report.more(() => {}),
    undefined,
  )
  await it.close()
})
