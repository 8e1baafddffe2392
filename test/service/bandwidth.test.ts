// What the engine is told of bandwidth limits, and what people are told of them. Time is virtual.
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import type { BandwidthWindow } from '../../src/contract/bandwidth.ts'
import type { ExplicitConfiguration } from '../../src/contract/session.ts'
import type { Result } from '../../src/contract/verbs.ts'
import type { TaskId } from '../../src/contract/words.ts'
import { settle } from '../support/virtual-clock.ts'
import { House, type HouseOptions, startsBy } from './house.ts'

const identifier = 'com.example'
let house: House | undefined
const open = async (options: HouseOptions = {}): Promise<House> => (house = await House.open(options))
afterEach(async () => {
  await house?.close()
  house = undefined
})

/** The owner goes, and one comes that opens with this. */
async function openAgain(it: House, configuration: ExplicitConfiguration): Promise<Result<'session.open'>> {
  const found = await it.life.journal.findSession({ identifier })
  await it.call('session.close', { identifier, fence: found!.ownerFence })
  return it.openSession(identifier, configuration)
}

/** Of today by the local wall clock, from so many minutes after now on. */
function windowIn(it: House, fromMinutes: number, minutes: number, limit?: number): BandwidthWindow {
  const from = new Date(it.clock.wall() + fromMinutes * 60_000)
  const to = new Date(from.getTime() + minutes * 60_000)
  return {
    days: [(from.getDay() + 6) % 7],
    from: from.getHours() * 60 + from.getMinutes(),
    to: to.getHours() * 60 + to.getMinutes() || 1440,
    ...(limit !== undefined && { limit }),
  }
}

const untilNextMinute = (it: House): number => 60_000 - (it.clock.wall() % 60_000)

test('the limit of a session is told when it is opened, again in the next life, and no more when it is taken away', async () => {
  const it = await open()
  await it.openSession('com.example', { bandwidthLimit: 2_000_000 })
  assert.equal(it.engine.limits.get('session 1'), 2_000_000)
  await it.restart({ clean: false })
  assert.equal(it.engine.limits.get('session 1'), 2_000_000)
  const opened = await openAgain(it, { bandwidthLimit: 'none' })
  assert.deepEqual(opened.changedConfiguration, ['bandwidthLimit'])
  assert.equal('bandwidthLimit' in opened.configuration, false)
  assert.equal(it.engine.limits.get('session 1'), undefined)
  assert.deepEqual((await openAgain(it, { bandwidthLimit: 'none' })).changedConfiguration, [])
  assert.deepEqual((await openAgain(it, {})).changedConfiguration, [])
})

test('a session that is opened with another limit holds tasks that run to it at once, unless a controller opens it', async () => {
  const it = await open()
  await it.openSession('com.example', {})
  const id = await it.add()
  await openAgain(it, { bandwidthLimit: 1000 })
  assert.ok(it.engine.isRunning(id))
  assert.equal(it.engine.limits.get('session 1'), 1000)
  await it.call('session.open', {
    identifier: 'com.example',
    configuration: { bandwidthLimit: 5 },
    strictConfiguration: false,
  })
  assert.equal(it.engine.limits.get('session 1'), 1000)
})

test('a limit of a task goes with its attempts, and one that is changed holds for the attempt that runs', async () => {
  const it = await open()
  await it.openSession()
  const id = await it.add({ policy: { bandwidthLimit: 3000 } })
  assert.equal(it.engine.of(id).assignment.policy.bandwidthLimit, 3000)
  const change = { kind: 'bandwidthLimit', bytesPerSecond: 4000 } as const
  assert.deepEqual(await it.call('task.change', { targets: { ids: [id] }, change }), { changed: 1 })
  assert.equal(it.engine.limits.get(`task ${id}`), 4000)
  assert.deepEqual(await it.call('task.change', { targets: { ids: [id] }, change }), { changed: 0 })
  await it.change(id, 'suspend')
  await it.change(id, 'resume')
  assert.equal(it.engine.of(id).assignment.policy.bandwidthLimit, 4000)
  const none = { kind: 'bandwidthLimit', bytesPerSecond: null } as const
  await it.call('task.change', { targets: { session: 'com.example', filter: {} }, change: none })
  assert.equal(it.engine.limits.get(`task ${id}`), undefined)
  await it.change(id, 'suspend')
  await it.change(id, 'resume')
  assert.equal(it.engine.of(id).assignment.policy.bandwidthLimit, undefined)
})

for (const bytesPerSecond of [4000, null])
  test(`a limit that is changed while an attempt starts holds for it (${bytesPerSecond})`, async () => {
    const started = Promise.withResolvers<void>()
    const told = Promise.withResolvers<void>()
    const wrap = startsBy(async (real, input) => {
      const answer = await real.startAttempt(input)
      started.resolve()
      await told.promise
      return answer
    })
    const it = await open({ wrap })
    await it.openSession()
    const id = await it.add({ policy: { bandwidthLimit: 3000 } })
    await started.promise
    const change = { kind: 'bandwidthLimit', bytesPerSecond } as const
    await it.call('task.change', { targets: { ids: [id] }, change })
    told.resolve()
    await settle()
    assert.equal(it.engine.of(id).assignment.policy.bandwidthLimit, bytesPerSecond ?? undefined)
  })

test('a limit that is changed by a filter holds for all that run, also where they are more text than one page', async () => {
  const it = await open()
  await it.openSession()
  const headers = [['X-Long', 'x'.repeat(100_000)]] as const
  const ids: TaskId[] = []
  for (const host of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
    ids.push(await it.add({ request: { url: `https://${host}.test/`, method: 'GET', headers } }))
  assert.equal(it.engine.running.length, ids.length)
  await it.call('task.change', {
    targets: { session: 'com.example', filter: {} },
    change: { kind: 'bandwidthLimit', bytesPerSecond: 4000 },
  })
  assert.deepEqual(
    ids.map((id) => it.engine.limits.get(`task ${id}`)),
    ids.map(() => 4000),
  )
})

test('a limit that is changed for those that wait is none of those that run', async () => {
  const it = await open()
  await it.openSession()
  const runs = await it.add()
  const suspended = await it.add({ start: false })
  const change = { kind: 'bandwidthLimit', bytesPerSecond: 4000 } as const
  const answer = await it.call('task.change', { targets: { filter: { group: 'suspended' } }, change })
  assert.deepEqual(answer, { changed: 1 })
  assert.equal(it.engine.limits.has(`task ${runs}`), false)
  await it.change(suspended, 'resume')
  assert.equal(it.engine.of(suspended).assignment.policy.bandwidthLimit, 4000)
})

test("the daemon's limit holds at once and over restarts, and status shows it", async () => {
  const it = await open()
  assert.deepEqual(await it.call('daemon.limit', {}), { windows: [] })
  const shown = await it.call('daemon.limit', { change: { kind: 'limit', bytesPerSecond: 5_000_000 } })
  assert.deepEqual(shown, { windows: [], limit: 5_000_000, now: 5_000_000 })
  assert.equal(it.engine.limits.get('daemon'), 5_000_000)
  await it.restart({ clean: true })
  assert.equal(it.engine.limits.get('daemon'), 5_000_000)
  assert.deepEqual((await it.call('daemon.status', {})).bandwidth, shown)
  await it.call('daemon.limit', { change: { kind: 'limit', bytesPerSecond: null } })
  assert.equal(it.engine.limits.get('daemon'), undefined)
})

test('the timetable changes the limit of transfers that run, at the minute', async () => {
  const it = await open()
  await it.openSession()
  await it.add()
  await it.clock.advance(untilNextMinute(it) + 10_000)
  await it.call('daemon.limit', { change: { kind: 'window', window: windowIn(it, 10, 20, 1000) } })
  assert.equal(it.engine.limits.get('daemon'), undefined)
  await it.clock.advance(9 * 60_000 + 49_000)
  assert.equal(it.engine.limits.get('daemon'), undefined)
  await it.clock.advance(1100)
  assert.equal(it.engine.limits.get('daemon'), 1000)
  await it.clock.advance(20 * 60_000)
  assert.equal(it.engine.limits.get('daemon'), undefined)
})

test('a wall clock that is set is noticed within a minute by the timetable', async () => {
  const it = await open()
  await it.openSession()
  await it.add()
  await it.clock.advance(untilNextMinute(it))
  await it.call('daemon.limit', { change: { kind: 'window', window: windowIn(it, 60, 30, 1000) } })
  it.clock.jumpWall(70 * 60_000)
  await it.clock.advance(60_100)
  assert.equal(it.engine.limits.get('daemon'), 1000)
  it.clock.jumpWall(-70 * 60_000)
  await it.clock.advance(60_100)
  assert.equal(it.engine.limits.get('daemon'), undefined)
})

test('the timetable wakes nobody while nothing runs, and what starts then keeps to it', async () => {
  const it = await open()
  await it.openSession()
  await it.call('daemon.limit', { change: { kind: 'window', window: windowIn(it, 2, 600, 1000) } })
  await settle()
  assert.equal(it.clock.armed, 0)
  await it.clock.advance(5 * 60_000)
  assert.equal(it.engine.limits.get('daemon'), undefined)
  await it.add()
  assert.equal(it.engine.limits.get('daemon'), 1000)
})

test('explain names the limit that slows a transfer down, and until when the timetable keeps it', async () => {
  const it = await open()
  await it.openSession()
  const id = await it.add()
  const attempt = it.engine.of(id)
  it.engine.slowed.set(id, { level: 'session', bytesPerSecond: 2000 })
  // It does not transfer yet.
  assert.deepEqual(await it.blockers(id), [])
  attempt.report.progress({ phase: 'transferring', received: 10 })
  const explained = await it.call('task.explain', { id })
  assert.deepEqual(explained.blockers, [{ code: 'bandwidth', of: 'session', bytesPerSecond: 2000 }])
  assert.equal(explained.phase, 'transferring')
  await it.clock.advance(untilNextMinute(it))
  const window = windowIn(it, 0, 30, 1000)
  await it.call('daemon.limit', { change: { kind: 'window', window } })
  it.engine.slowed.set(id, { level: 'daemon', bytesPerSecond: 1000 })
  const [blocker] = (await it.call('task.explain', { id })).blockers
  assert.deepEqual(blocker, {
    code: 'bandwidth',
    of: 'daemon',
    bytesPerSecond: 1000,
    untilMs: it.clock.wall() + 30 * 60_000,
  })
})
