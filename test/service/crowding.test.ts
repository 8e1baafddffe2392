import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LonghaulError } from '../../src/contract/errors.ts'
import { explanationFromJson } from '../../src/client/explain.ts'
import { Crowding, type Refusal } from '../../src/service/crowding.ts'
import { settle } from '../support/virtual-clock.ts'
import { House, measured } from './house.ts'

const origin = 'https://a.test'
const seconds = 1000
const minute = 60 * seconds

const one = (open: number, more: Partial<Refusal> = {}): Refusal => ({
  open,
  status: 503,
  waitMs: 0,
  isTry: false,
  isNews: true,
  ...more,
})

/** Of eight. */
function crowdedTo(takes: number): Crowding {
  const crowding = new Crowding(8)
  for (let open = 8; open > takes; open--) crowding.refused(origin, one(open), 0)
  assert.equal(crowding.takes(origin, 0), takes)
  return crowding
}

test('each refusal takes one away, down to one', () => {
  const crowding = new Crowding(8)
  assert.equal(crowding.takes(origin, 0), 8)
  // The others are being told as well.
  for (let refusals = 0; refusals < 4; refusals++) crowding.refused(origin, one(8), 0)
  assert.deepEqual(crowding.crowded(0), new Map([[origin, { most: 4, untilMs: 10 * seconds }]]))
  for (let refusals = 0; refusals < 9; refusals++) crowding.refused(origin, one(4), 0)
  assert.equal(crowding.takes(origin, 0), 1)
  assert.equal(crowding.takes('https://b.test', 0), 8)
})

for (const takes of [1, 4, 7])
  test(`of a server that takes ${takes} of 8, each try that is refused makes the next wait for twice as long, up to ten minutes`, () => {
    const crowding = crowdedTo(takes)
    let atMs = 0
    const waits: number[] = []
    for (let tries = 0; tries < 8; tries++) {
      const { most, untilMs } = crowding.crowded(atMs).get(origin)!
      assert.equal(most, takes)
      waits.push((untilMs! - atMs) / seconds)
      atMs = untilMs!
      assert.deepEqual(crowding.crowded(atMs).get(origin), { most: takes + 1 })
      assert.equal(crowding.began(origin, takes, atMs), false)
      assert.equal(crowding.began(origin, takes + 1, atMs), true)
      assert.equal(crowding.began(origin, takes + 1, atMs), false, 'one at a time')
      crowding.refused(origin, one(takes + 1, { isTry: true }), atMs)
    }
    assert.deepEqual(waits, [10, 20, 40, 80, 160, 320, 600, 600])
  })

test('a try that was refused before says little: soon there is another one', () => {
  const crowding = crowdedTo(2)
  for (const atMs of [10, 20, 30].map((each) => each * seconds)) {
    assert.deepEqual(crowding.crowded(atMs).get(origin), { most: 3 })
    assert.equal(crowding.began(origin, 3, atMs), true)
    crowding.refused(origin, one(3, { isTry: true, isNews: false }), atMs)
    assert.deepEqual(crowding.crowded(atMs).get(origin), { most: 2, untilMs: atMs + 10 * seconds })
  }
})

test('after a try that was served the next one is tried at once, until the origin takes all', () => {
  const crowding = crowdedTo(5)
  for (const open of [6, 7, 8]) {
    assert.deepEqual(crowding.crowded(10 * seconds).get(origin), { most: open })
    assert.equal(crowding.began(origin, open, 10 * seconds), true)
    crowding.served(origin)
  }
  assert.equal(crowding.crowded(10 * seconds).size, 0)
  assert.equal(crowding.size, 0)
})

test('time alone proves nothing, and a day forgets', () => {
  const crowding = crowdedTo(2)
  assert.deepEqual(crowding.crowded(23 * 60 * minute).get(origin), { most: 3 })
  assert.equal(crowding.takes(origin, 23 * 60 * minute), 2)
  assert.equal(crowding.crowded(24 * 60 * minute).size, 0)
  assert.equal(crowding.takes(origin, 24 * 60 * minute), 8, 'of what is lent as well')
  assert.equal(crowding.began(origin, 3, 24 * 60 * minute), false, 'it is no try any more')
  assert.equal(crowding.size, 0)
})

test('a refusal after that day counts from all connections again', () => {
  const crowding = crowdedTo(2)
  crowding.refused(origin, one(8), 24 * 60 * minute)
  assert.equal(crowding.takes(origin, 24 * 60 * minute), 7)
})

for (const isTry of [false, true])
  test(`who asks for a wait of a century ${isTry ? 'of one more' : 'while several are open'} is tried again when the day is over`, () => {
    const crowding = isTry ? crowdedTo(2) : new Crowding(8)
    crowding.refused(origin, one(3, { isTry, waitMs: 36_525 * 24 * 60 * minute }), minute)
    assert.deepEqual(crowding.crowded(minute).get(origin), { most: 2, untilMs: minute + 24 * 60 * minute })
    assert.equal(crowding.crowded(minute + 24 * 60 * minute).size, 0)
  })

test('a try that ended without an answer leaves its place to another one', () => {
  const crowding = crowdedTo(2)
  assert.equal(crowding.began(origin, 3, 0), true)
  crowding.undecided(origin)
  assert.equal(crowding.began(origin, 3, 0), true)
})

test('one that answers 503 also to whoever comes alone is not crowded, and is not taken for it for ten minutes', () => {
  const crowding = crowdedTo(1)
  crowding.refused(origin, one(1), minute)
  assert.equal(crowding.crowded(minute).size, 0)
  crowding.refused(origin, one(8), 10 * minute)
  assert.equal(crowding.takes(origin, 10 * minute), 8)
  crowding.refused(origin, one(8), 11 * minute)
  assert.equal(crowding.takes(origin, 11 * minute), 7)
})

test('429 to whoever comes alone means that it is too much still', () => {
  const crowding = crowdedTo(1)
  crowding.refused(origin, one(1, { status: 429 }), minute)
  assert.equal(crowding.takes(origin, minute), 1)
})

test('no more than a thousand origins are kept', () => {
  const crowding = new Crowding(8)
  for (let n = 0; n < 1500; n++) crowding.refused(`https://${n}.test`, one(8), 0)
  assert.equal(crowding.size, 1000)
  assert.equal(crowding.takes('https://1499.test', 0), 7)
})

const busy = new LonghaulError('HTTP_STATUS', 'answered with status 503', { status: 503 })
const refusal = [busy, { kind: 'network', ofOrigin: origin }] as const

async function crowdedHouse(tasks: number): Promise<{ readonly it: House; readonly ids: readonly string[] }> {
  const it = await House.open()
  await it.openSession('com.example', { maximumConnectionsPerHost: 8 })
  const ids: string[] = []
  for (let i = 0; i < tasks; i++) ids.push(await it.add())
  return { it, ids }
}

test('tasks of a server that takes two wait in their queue, and a try costs one attempt', async () => {
  const { it, ids } = await crowdedHouse(12)
  assert.equal(it.engine.running.length, 8)
  for (const attempt of it.engine.running.slice(2)) await attempt.fail(...refusal)
  assert.equal(it.engine.running.length, 2, 'the six that were refused make room for nobody')

  const explained = await it.call('task.explain', { id: ids.at(-1)! })
  const untilMs = it.clock.wall() + 10 * seconds
  assert.deepEqual(explained.blockers, [{ code: 'hostLimit', of: origin, untilMs }])
  const { why } = explanationFromJson(explained, 'en')
  assert.match(
    why,
    /^https:\/\/a\.test refused further connections; .*\. It starts when another one ends; from .* on one more is tried\.$/,
  )

  await it.engine.running[0]!.finish()
  assert.equal(it.engine.running.length, 2)
  await it.clock.advance(10 * seconds)
  assert.equal(it.engine.running.length, 3, 'one more is tried, though nothing else has happened')
  await it.clock.advance(5 * seconds)
  await it.engine.running.at(-1)!.fail(...refusal)
  assert.equal(it.engine.running.length, 2)
  await it.clock.advance(10 * seconds)
  assert.equal(it.engine.running.length, 3)
  await it.engine.running.at(-1)!.reserve()
  await settle()
  assert.equal(it.engine.running.length, 4, 'it was served, so the next one is tried')
  await it.close()
})

test('a try that ends well without a byte, as what is not modified does, was served', async () => {
  const { it } = await crowdedHouse(12)
  for (const attempt of it.engine.running.slice(2)) await attempt.fail(...refusal)
  await it.clock.advance(10 * seconds)
  assert.equal(it.engine.running.length, 3)
  await it.engine.running.at(-1)!.finish()
  assert.equal(it.engine.running.length, 4, 'three it takes, and one more is tried')
  await it.close()
})

test('who starts while a cancelled one still closes its connection is no try: that it is served says nothing', async () => {
  const { it, ids } = await crowdedHouse(4)
  for (const attempt of it.engine.running.slice(1)) await attempt.fail(...refusal)
  const waiting = await it.add()
  it.engine.obeys = false
  await it.change(ids[0]!, 'cancel')
  const served = it.engine.of(waiting)
  await it.add()
  await served.reserve()
  await it.engine.of(ids[0]!).end({ kind: 'stopped', measure: measured })
  assert.deepEqual(it.engine.running, [served])
  await it.clock.advance(10 * seconds)
  assert.equal(it.engine.running.length, 2, 'one more is tried when it is time')
  await it.close()
})

test('behind a wait that the server asked for there is no crowd, and after it no herd', async () => {
  const { it, ids } = await crowdedHouse(12)
  for (const attempt of it.engine.running.slice(2))
    await attempt.fail(busy, { kind: 'network', ofOrigin: origin, retryAfterMs: 2 * minute })
  const { blockers } = await it.call('task.explain', { id: ids.at(-1)! })
  assert.deepEqual(
    blockers.map(({ code }) => code),
    ['serverAskedToWait'],
  )
  await it.clock.advance(2 * minute + seconds)
  assert.equal(it.engine.running.length, 2, 'as many as it takes')
  await it.clock.advance(10 * seconds)
  assert.equal(it.engine.running.length, 3, 'and then one more is tried')
  await it.engine.running.at(-1)!.fail(busy, { kind: 'network', ofOrigin: origin, retryAfterMs: minute })
  await it.clock.advance(minute + 19 * seconds)
  assert.equal(it.engine.running.length, 2, 'whose refusal made everybody wait, so the next one is later')
  await it.clock.advance(seconds)
  assert.equal(it.engine.running.length, 3)
  await it.close()
})

test('what one task waits for by its own back-off keeps nobody else waiting', async () => {
  const { it, ids } = await crowdedHouse(1)
  const [broken] = ids
  for (let failures = 0; failures < 8; failures++) {
    await it.engine.of(broken!).fail(busy, { kind: 'network', ofOrigin: origin, retryAfterMs: seconds })
    const id = await it.add()
    await it.clock.advance(seconds + 10)
    assert.ok(it.engine.isRunning(id), `after ${failures} failures`)
    await it.engine.of(id).finish()
    while (!it.engine.isRunning(broken!)) await it.clock.advance(10 * seconds)
  }
  await it.close()
})

test('an address that always answers 503 does not take the others their connections', async () => {
  const { it, ids } = await crowdedHouse(2)
  const [broken] = ids
  await it.engine.of(broken!).fail(...refusal)
  const others: string[] = []
  for (let i = 0; i < 6; i++) others.push(await it.add())
  for (let looks = 0; looks < 6; looks++) {
    await it.clock.advance(10 * seconds)
    // Whoever is served lets the next one be tried.
    for (const other of others) {
      if (it.engine.isRunning(broken!)) await it.engine.of(broken!).fail(...refusal)
      if (it.engine.isRunning(other)) await it.engine.of(other).reserve()
      await settle()
    }
  }
  assert.ok(others.every((id) => it.engine.isRunning(id)))
  await it.close()
})

test('a broken line, and what a server says to which a link led, are no crowd', async () => {
  const { it } = await crowdedHouse(8)
  const [, , first, ...others] = it.engine.running
  await first!.fail(busy, { kind: 'network' })
  for (const attempt of others) await attempt.fail(busy, { kind: 'network', ofOrigin: 'https://b.test' })
  for (let i = 0; i < 6; i++) await it.add()
  assert.equal(it.engine.running.length, 8)
  await it.close()
})

test('no further connection is lent to an origin that takes no more', async () => {
  const { it, ids } = await crowdedHouse(3)
  const [first, second, third] = ids
  await it.engine.of(third!).fail(...refusal)
  await it.engine.of(second!).finish()
  const { report } = it.engine.of(first!)
  assert.notEqual(
    report.more(() => {}),
    undefined,
    'two it has taken',
  )
  assert.equal(
    report.more(() => {}),
    undefined,
  )
  await it.close()
})

test('a day after it refused, a file that is alone is lent further connections again', async () => {
  const { it, ids } = await crowdedHouse(2)
  const [first, second] = ids
  await it.engine.of(second!).fail(...refusal)
  await it.change(second!, 'cancel')
  const { report } = it.engine.of(first!)
  const lent = (): boolean => report.more(() => {}) !== undefined
  assert.equal(lent(), false)
  await it.clock.advance(24 * 60 * minute)
  assert.equal(lent(), true)
  await it.close()
})

test('one that only puts its file in its place counts as no connection, until it asks anew', async () => {
  const { it, ids } = await crowdedHouse(3)
  const [first, second, third] = ids
  await it.engine.of(third!).fail(...refusal)
  await it.change(third!, 'cancel')
  await it.engine.of(second!).publish()
  await it.engine.of(second!).fail()
  await it.clock.advance(seconds)
  assert.notEqual(it.engine.of(second!).assignment.intent, undefined)
  const { report } = it.engine.of(first!)
  const release = report.more(() => {})
  assert.notEqual(release, undefined)
  release?.()
  await it.engine.of(second!).report.restart('the file in its place is another one', 'cannot go on')
  assert.equal(
    report.more(() => {}),
    undefined,
  )
  await it.close()
})
