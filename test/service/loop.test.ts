// What starts and when, over all gates, limits, back-off and restarts of the daemon. Time is virtual.
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { NewTask } from '../../src/contract/task.ts'
import type { TaskId } from '../../src/contract/words.ts'
import type { CommandInput, Journal } from '../../src/journal/journal.ts'
import { settle } from '../support/virtual-clock.ts'
import { House, type HouseOptions, lost, startsBy } from './house.ts'

let house: House | undefined
const open = async (options: HouseOptions = {}): Promise<House> => {
  house = await House.open(options)
  await house.openSession()
  return house
}
afterEach(async () => {
  await house?.close()
  house = undefined
})

test('an added task starts, arrives, and is completed in the journal', async () => {
  const it = await open()
  const id = await it.add()
  assert.equal((await it.get(id)).phase, 'connecting')
  await it.engine.of(id).finish()
  const record = await it.get(id)
  assert.equal(record.state, 'completed')
  assert.equal(record.result?.bytes, 1000)
})

test('a suspended task starts at resume, stops at suspend, and needs as many resumes as suspends', async () => {
  const it = await open()
  const id = await it.add({ start: false })
  assert.equal(it.engine.attempts.length, 0)
  await it.change(id, 'resume')
  assert.ok(it.engine.isRunning(id))
  await it.change(id, 'suspend')
  await it.change(id, 'suspend')
  assert.ok(!it.engine.isRunning(id))
  assert.deepEqual(await it.blockers(id), ['suspended'])
  await it.change(id, 'resume')
  assert.ok(!it.engine.isRunning(id))
  await it.change(id, 'resume')
  assert.ok(it.engine.isRunning(id))
})

test('suspend and hold are apart: each stops the task and is lifted only by its own opposite', async () => {
  const it = await open()
  const id = await it.add()
  await it.change(id, 'hold')
  await it.change(id, 'suspend')
  assert.deepEqual(await it.blockers(id), ['suspended', 'held'])
  await it.change(id, 'resume')
  assert.deepEqual(await it.blockers(id), ['held'])
  assert.equal((await it.get(id)).phase, 'held')
  assert.ok(!it.engine.isRunning(id))
  await it.change(id, 'release')
  assert.ok(it.engine.isRunning(id))
})

test('a task that was suspended and resumed at once starts again only when its earlier attempt has closed', async () => {
  const it = await open()
  const id = await it.add()
  const first = it.engine.of(id)
  it.engine.obeys = false
  await it.change(id, 'suspend')
  await it.change(id, 'resume')
  assert.ok(first.signal.aborted)
  assert.equal(it.engine.attempts.length, 1, 'two attempts would write to one part')
  await first.end({ kind: 'stopped', measure: { bytes: 0, transactions: [], redirects: 0 } })
  assert.equal(it.engine.attempts.length, 2)
  assert.equal(it.engine.of(id).assignment.fence > first.assignment.fence, true)
})

test('a task whose earlier attempt still closes its files says so, and leaves its place to the next one', async () => {
  const it = await open({ limits: { maximumActiveTasks: 1, maximumConnectionsPerOrigin: 8 } })
  const id = await it.add()
  const first = it.engine.of(id)
  const next = await it.add()
  it.engine.obeys = false
  await it.change(id, 'suspend')
  assert.deepEqual(await it.blockers(id), ['suspended'])
  assert.ok(it.engine.isRunning(next))
  await it.engine.of(next).finish()
  await it.change(id, 'resume')
  const { blockers, nextWakeUpMs, remedies } = await it.call('task.explain', { id })
  assert.deepEqual([blockers, remedies], [[{ code: 'earlierAttempt' }], ['cancel']])
  assert.equal(nextWakeUpMs, it.clock.wall() - it.clock.steady() + it.clock.nextAt!)
  const behind = await it.add()
  assert.ok(it.engine.isRunning(behind))
  await it.engine.of(behind).finish()
  await first.end({ kind: 'stopped', measure: { bytes: 0, transactions: [], redirects: 0 } })
  assert.ok(it.engine.isRunning(id))
})

test('a place goes to whoever is behind several tasks that still close their files', async () => {
  const stopped = { kind: 'stopped', measure: { bytes: 0, transactions: [], redirects: 0 } } as const
  for (const maximumActiveTasks of [1, 2]) {
    const it = await open({ limits: { maximumActiveTasks, maximumConnectionsPerOrigin: 8 } })
    it.engine.obeys = false
    const closing = []
    for (let i = 0; i < 3; i++) {
      const id = await it.add()
      closing.push({ id, attempt: it.engine.of(id) })
      await it.change(id, 'suspend')
    }
    const running = []
    for (let i = 0; i < maximumActiveTasks; i++) running.push(await it.add())
    for (const { id } of closing) await it.change(id, 'resume')
    const behind = await it.add()
    // Seen in the outlook of an earlier look; and by a look of its own.
    await it.engine.of(running[0]!).finish()
    assert.ok(it.engine.isRunning(behind))
    await it.engine.of(behind).finish()
    const later = await it.add()
    assert.ok(it.engine.isRunning(later))
    for (const { attempt } of closing) await attempt.end(stopped)
  }
})

test('what a paused attempt still brings to the disk is there for the next one, also when that was asked for at once', async () => {
  const it = await open()
  for (const restarts of [false, true]) {
    const id = await it.add()
    const first = it.engine.of(id)
    await first.reserve()
    it.engine.obeys = false
    if (restarts) await it.call('task.change', { targets: { ids: [id] }, change: { kind: 'request', restart: true } })
    else {
      await it.change(id, 'suspend')
      await it.change(id, 'resume')
    }
    assert.equal(await first.checkpoint(500, 1000), 'recorded')
    await first.end({ kind: 'stopped', measure: { bytes: 500, transactions: [], redirects: 0 } })
    assert.deepEqual(it.engine.of(id).assignment.part?.ranges, [[0, 500]])
    await it.engine.of(id).finish()
  }
})

test('a failed attempt is tried again after its back-off, which doubles until bytes are safe', async () => {
  const it = await open({ fraction: 0.5 })
  const id = await it.add()
  for (const delay of [500, 1000, 2000]) {
    await it.engine.of(id).fail()
    assert.deepEqual(await it.blockers(id), ['backoff'])
    await it.clock.advance(delay - 1)
    assert.ok(!it.engine.isRunning(id), `not before ${delay} ms`)
    await it.clock.advance(1 + 10)
    assert.ok(it.engine.isRunning(id), `after ${delay} ms`)
  }
  const gains = async (bytes: number): Promise<void> => {
    await it.engine.of(id).reserve()
    await it.engine.of(id).checkpoint(bytes, 1000)
    await it.engine.of(id).fail(lost, { kind: 'network' }, { progressed: true })
  }
  await gains(400)
  await it.clock.advance(511)
  assert.ok(it.engine.isRunning(id), 'progress starts it anew')
  await gains(400)
  await it.clock.advance(511)
  assert.ok(!it.engine.isRunning(id), 'the same bytes once more are none')
  await it.clock.advance(500)
  await gains(401)
  await it.clock.advance(511)
  assert.ok(it.engine.isRunning(id))
})

test('the back-off goes on over a restart of the daemon, neither shorter nor from the beginning', async () => {
  const it = await open({ fraction: 0.5 })
  const id = await it.add()
  for (let i = 0; i < 4; i++) {
    await it.engine.of(id).fail()
    if (i < 3) await it.clock.advance(10_000)
  }
  // 4 s are owed now; 1 s is spent before the end, 1 s while nobody runs.
  await it.clock.advance(1000)
  await it.restart({ clean: true, awayMs: 1000 })
  await it.clock.advance(1900)
  assert.ok(!it.engine.isRunning(id))
  await it.clock.advance(200)
  assert.ok(it.engine.isRunning(id))
  await it.engine.of(id).fail()
  const { nextWakeUpMs } = await it.call('task.explain', { id })
  assert.equal(nextWakeUpMs! - it.clock.wall(), 8000)
})

test('an attempt that a crash of the daemon interrupted starts again at once with its checkpoint', async () => {
  const it = await open()
  const id = await it.add()
  const attempt = it.engine.of(id)
  await attempt.reserve()
  assert.equal(await attempt.checkpoint(400, 1000), 'recorded')
  await it.restart({ clean: false })
  const next = it.engine.of(id)
  assert.deepEqual(next.assignment.part?.ranges, [[0, 400]])
  assert.equal(await attempt.checkpoint(600, 1000), 'fenced', 'the dead life writes nothing')
})

test('tryNow ends a back-off but not a wait that the server asked for', async () => {
  const it = await open()
  const mine = await it.add({ request: { url: 'https://b.test/', method: 'GET', headers: [] } })
  const servers = await it.add()
  await it.engine.of(mine).fail()
  await it.engine.of(servers).fail(new LonghaulError('HTTP_STATUS', '503'), { kind: 'network', retryAfterMs: 60_000 })
  await it.change(mine, 'tryNow')
  await it.change(servers, 'tryNow')
  assert.ok(it.engine.isRunning(mine))
  assert.ok(!it.engine.isRunning(servers))
  assert.deepEqual(await it.blockers(servers), ['serverAskedToWait'])
  await it.clock.advance(60_010)
  assert.ok(it.engine.isRunning(servers))
})

test('a change of network ends back-offs, but no wait that a server asked for', async () => {
  const it = await open()
  const mine = await it.add({ request: { url: 'https://b.test/', method: 'GET', headers: [] } })
  const servers = await it.add()
  await it.engine.of(mine).fail()
  await it.engine.of(servers).fail(new LonghaulError('HTTP_STATUS', '503'), { kind: 'network', retryAfterMs: 60_000 })
  it.life.network('b')
  await settle()
  assert.ok(it.engine.isRunning(mine))
  assert.ok(!it.engine.isRunning(servers))
})

test('the same network, back after there was none, ends back-offs; that there is none does not', async () => {
  const it = await open()
  const id = await it.add()
  await it.engine.of(id).fail()
  it.life.network('')
  await settle()
  assert.ok(!it.engine.isRunning(id))
  it.life.network('a')
  await settle()
  assert.ok(it.engine.isRunning(id))
})

test('the network is watched while a task waits for another try, and at no other time', async () => {
  const it = await open()
  assert.ok(!it.life.watchesNetwork())
  const id = await it.add()
  assert.ok(!it.life.watchesNetwork())
  await it.engine.of(id).fail()
  assert.ok(it.life.watchesNetwork())
  await it.restart({ clean: false })
  await settle()
  assert.ok(it.life.watchesNetwork(), 'in the next life too')
  await it.clock.advance(1000)
  await it.engine.of(id).fail(new LonghaulError('HTTP_STATUS', '503'), { kind: 'network', retryAfterMs: 60_000 })
  assert.ok(!it.life.watchesNetwork(), 'no change of it would end a wait that a server asked for')
})

test('Retry-After of an origin holds back all its tasks, in every session, and no other origin', async () => {
  const it = await open()
  await it.openSession('com.other')
  const first = await it.add()
  await it.engine.of(first).fail(new LonghaulError('HTTP_STATUS', '429'), {
    kind: 'network',
    retryAfterMs: 30_000,
    ofOrigin: 'https://a.test',
  })
  const second = await it.add({}, 'com.other')
  const elsewhere = await it.add({ request: { url: 'https://b.test/', method: 'GET', headers: [] } })
  assert.deepEqual(
    it.engine.running.map(({ task }) => task),
    [elsewhere],
  )
  const { blockers, nextWakeUpMs } = await it.call('task.explain', { id: second })
  assert.deepEqual(
    blockers.map(({ code, of }) => [code, of]),
    [['serverAskedToWait', 'https://a.test']],
  )
  assert.equal(nextWakeUpMs! - it.clock.wall(), 30_000)
  await it.clock.advance(29_000)
  assert.equal(it.engine.running.length, 1)
  await it.clock.advance(1010)
  assert.equal(it.engine.running.length, 3)
})

/** More than one look at the journal shows. */
const crowd = Array.from({ length: 80 }, (_, index) => `com.crowd${index}`)

const to = (url: string): Partial<NewTask> => ({ request: { url, method: 'GET', headers: [] } })

test('sessions that wait for an origin that asked them to do not stand in the way of others, however many', async () => {
  const it = await open()
  const first = await it.add()
  await it.engine.of(first).fail(new LonghaulError('HTTP_STATUS', '503'), {
    kind: 'network',
    retryAfterMs: 30_000,
    ofOrigin: 'https://a.test',
  })
  for (const session of [...crowd, 'com.other']) await it.openSession(session)
  for (const session of crowd) await it.add({}, session)
  const elsewhere = await it.add(to('https://b.test/'), 'com.other')
  assert.ok(it.engine.isRunning(elsewhere))
  await it.clock.advance(30_010)
  assert.equal(it.engine.running.length, 9, 'it is noticed that the origin is open again')
})

test('sessions that wait for a full origin do not stand in the way of others, however many', async () => {
  const it = await open()
  for (const session of [...crowd, 'com.other']) await it.openSession(session)
  const waiting = []
  for (const session of crowd) waiting.push(await it.add({}, session))
  const elsewhere = await it.add(to('https://b.test/'), 'com.other')
  assert.equal(it.engine.running.length, 9)
  assert.ok(it.engine.isRunning(elsewhere))
  await it.engine.of(waiting[0]!).finish()
  assert.ok(it.engine.isRunning(waiting[8]!), 'they come one after the other')
})

test('sessions that run as many as they may do not stand in the way of others, however many', async () => {
  const it = await open({ limits: { maximumActiveTasks: 100, maximumConnectionsPerOrigin: 100 } })
  for (const session of crowd) {
    await it.openSession(session, { maximumActiveTasks: 1 })
    for (let i = 0; i < 2; i++) await it.add({}, session)
  }
  await it.openSession('com.other')
  const other = await it.add({}, 'com.other')
  assert.equal(it.engine.running.length, 81)
  assert.ok(it.engine.isRunning(other))
})

test('Retry-After of a server to which a link led holds back the one task, and nothing else of the origin of the link', async () => {
  const it = await open()
  const led = await it.add()
  await it.engine.of(led).fail(new LonghaulError('HTTP_STATUS', '503'), {
    kind: 'network',
    retryAfterMs: 3_600_000,
    ofOrigin: 'https://b.test',
  })
  const other = await it.add()
  assert.ok(it.engine.isRunning(other))
  await it.clock.advance(3_599_000)
  assert.ok(!it.engine.isRunning(led))
  await it.clock.advance(1010)
  assert.ok(it.engine.isRunning(led))
})

test('Retry-After beyond the deadline fails the task at once and says so', async () => {
  const it = await open()
  const id = await it.add({ policy: { timeoutIntervalForResourceMs: 60_000 } })
  await it.engine.of(id).fail(new LonghaulError('HTTP_STATUS', '503'), { kind: 'network', retryAfterMs: 120_000 })
  const { error, state } = await it.get(id)
  assert.equal(state, 'completed')
  assert.equal(error?.code, 'TIMED_OUT')
  assert.match(error.message, /asked to wait 120 s/)
})

test('the deadline ends a running attempt, and its cause is the error of the attempt before', async () => {
  const it = await open()
  const id = await it.add({ policy: { timeoutIntervalForResourceMs: 60_000 } })
  await it.engine.of(id).fail()
  await it.clock.advance(5000)
  const attempt = it.engine.of(id)
  await it.clock.advance(55_010)
  assert.ok(attempt.signal.aborted)
  const { error } = await it.get(id)
  assert.equal(error?.code, 'TIMED_OUT')
  assert.ok(error?.cause !== undefined && 'code' in error.cause && error.cause.code === 'NETWORK_CONNECTION_LOST')
})

test('a task whose deadline passes while the machine sleeps is not tried again, also where the sleep comes in the middle of a look', async () => {
  let sleepsMs = 0
  const it = await open({
    wrap: (journal) => ({
      ...journal,
      schedule: async (input) => {
        const answer = await journal.schedule(input)
        if (sleepsMs > 0) it.clock.sleepMachine(sleepsMs)
        sleepsMs = 0
        return answer
      },
    }),
  })
  const id = await it.add({ policy: { timeoutIntervalForResourceMs: 60_000 } })
  await it.engine.of(id).fail()
  sleepsMs = 120_000
  await it.clock.advance(1000)
  assert.equal(it.engine.attempts.length, 1)
  assert.equal((await it.get(id)).error?.code, 'TIMED_OUT')
})

test('the deadline stands still while a task is suspended', async () => {
  const it = await open()
  const id = await it.add({ policy: { timeoutIntervalForResourceMs: 60_000 } })
  await it.clock.advance(30_000)
  await it.change(id, 'suspend')
  assert.equal((await it.call('task.explain', { id })).deadlineMs, undefined)
  await it.clock.advance(3_600_000)
  await it.change(id, 'resume')
  await it.clock.advance(29_000)
  assert.ok(it.engine.isRunning(id))
  await it.clock.advance(1100)
  assert.equal((await it.get(id)).error?.code, 'TIMED_OUT')
})

test('a dated task starts at its date by the wall clock, also when that clock is set', async () => {
  const it = await open()
  const day = 86_400_000
  const id = await it.add({ earliestBeginMs: it.clock.wall() + day })
  const explained = await it.call('task.explain', { id })
  assert.deepEqual(explained.blockers, [{ code: 'earliestBeginDate', untilMs: it.clock.wall() + day }])
  await it.clock.advance(3_600_000)
  assert.ok(!it.engine.isRunning(id))
  it.clock.jumpWall(day)
  await it.clock.advance(60_000)
  assert.ok(it.engine.isRunning(id), 'noticed within a minute')
})

test('until something is due the clocks alone are looked at, each minute; the journal is left in peace', async () => {
  let asked = 0
  const it = await open({
    wrap: (journal) => ({
      ...journal,
      schedule: (input) => {
        asked++
        return journal.schedule(input)
      },
    }),
  })
  const day = 86_400_000
  const id = await it.add({ earliestBeginMs: it.clock.wall() + day })
  const before = asked
  await it.clock.advance(day - 1000)
  assert.equal(asked, before)
  assert.ok(!it.engine.isRunning(id))
  await it.clock.advance(1000)
  assert.ok(it.engine.isRunning(id))
})

test('it is known for how long nothing happens by itself', async () => {
  const it = await open()
  const rests = (): number => it.life.service.restMs()
  assert.equal(rests(), Infinity)
  const dated = await it.add({ earliestBeginMs: it.clock.wall() + 5_000_000 })
  assert.equal(rests(), 5_000_000)
  await it.clock.advance(4_999_000)
  assert.equal(rests(), 1000)
  await it.clock.advance(1000)
  assert.ok(it.engine.isRunning(dated))
  assert.equal(rests(), 0)
  await it.engine.of(dated).finish()
  assert.equal(rests(), Infinity)
})

test('a wall clock that is set back and forth by little is followed all the same', async () => {
  const it = await open()
  const day = 86_400_000
  const id = await it.add({ earliestBeginMs: it.clock.wall() + day })
  for (let i = 0; i < 10; i++) {
    it.clock.jumpWall(-200)
    await it.clock.advance(60_000)
  }
  await it.clock.advance(day - 600_000)
  assert.ok(!it.engine.isRunning(id), 'two seconds are left by the wall clock')
  await it.clock.advance(2000)
  assert.ok(it.engine.isRunning(id))
})

test('a task waits for those it needs', async () => {
  const it = await open()
  const first = await it.add()
  const second = await it.add({ after: [first] })
  assert.ok(!it.engine.isRunning(second))
  const { blockers, nextWakeUpMs } = await it.call('task.explain', { id: second })
  assert.deepEqual(blockers, [{ code: 'dependency', of: first }])
  assert.ok(nextWakeUpMs !== undefined)
  await it.engine.of(first).finish()
  assert.ok(it.engine.isRunning(second))
})

test('a full disk and a missing folder are waited for, and looked at again', async () => {
  const it = await open()
  const id = await it.add()
  await it.engine.of(id).fail(new LonghaulError('DISK_FULL', 'no room'), { kind: 'disk full' })
  const full = await it.call('task.explain', { id })
  assert.deepEqual(
    full.blockers.map(({ code }) => code),
    ['disk'],
  )
  assert.deepEqual(full.remedies, ['freeSpace', 'tryNow', 'cancel'])
  assert.equal(full.nextWakeUpMs! - it.clock.wall(), 5000)
  await it.clock.advance(5010)
  await it.engine
    .of(id)
    .fail(new LonghaulError('DESTINATION_UNAVAILABLE', 'unplugged'), { kind: 'destination unavailable' })
  assert.deepEqual(await it.blockers(id), ['destination'])
  await it.clock.advance(5010)
  assert.ok(it.engine.isRunning(id))
})

test('no more run than the daemon, the session and the host allow, and the rest says why it waits', async () => {
  const it = await open({ limits: { maximumActiveTasks: 4, maximumConnectionsPerOrigin: 3 } })
  await it.openSession('com.other', { maximumActiveTasks: 2 })
  const a = []
  for (let i = 0; i < 4; i++) a.push(await it.add())
  assert.equal(it.engine.running.length, 3)
  assert.deepEqual(await it.blockers(a[3]!), ['hostLimit'])
  const b = []
  for (let i = 0; i < 2; i++)
    b.push(await it.add({ request: { url: `https://b${i}.test/`, method: 'GET', headers: [] } }, 'com.other'))
  assert.equal(it.engine.running.length, 4)
  assert.deepEqual(await it.blockers(b[1]!), ['activeLimit'])
  await it.engine.of(a[0]!).finish()
  assert.ok(it.engine.isRunning(b[1]!), 'the session with fewer active tasks comes first')
  const { ahead } = await it.call('task.explain', { id: a[3]! })
  assert.equal(ahead, 0)
})

test('one that only puts its file in its place leaves its connection to the next, but not its place', async () => {
  const it = await open({ limits: { maximumActiveTasks: 2, maximumConnectionsPerOrigin: 1 } })
  const [first, second, third] = [await it.add(), await it.add(), await it.add()]
  const running = (): readonly TaskId[] => it.engine.running.map(({ task }) => task)
  assert.deepEqual(running(), [first])
  await it.engine.of(first).publish()
  assert.deepEqual(running(), [first, second])
  assert.deepEqual(await it.blockers(third), ['activeLimit', 'hostLimit'])
  await it.engine.of(second).publish()
  assert.deepEqual(await it.blockers(third), ['activeLimit'])
  await it.engine.of(first).finish()
  assert.deepEqual(running(), [second, third])
})

test('one whose bytes are all there leaves its connection while it is hashed and synced', async () => {
  const it = await open({ limits: { maximumActiveTasks: 3, maximumConnectionsPerOrigin: 1 } })
  const [first, second, third] = [await it.add(), await it.add(), await it.add()]
  const running = (): readonly TaskId[] => it.engine.running.map(({ task }) => task)
  await it.engine.of(first).verify()
  assert.deepEqual(running(), [first, second])
  assert.deepEqual(await it.blockers(third), ['hostLimit'])
  await it.engine.of(second).verify()
  assert.deepEqual(running(), [first, second, third])
})

test('the journal is looked at again while starts are still being committed', async () => {
  const blocked = Promise.withResolvers<void>()
  let looks = 0
  const it = await open({
    wrap: (journal) =>
      new Proxy(journal, {
        get: (real, name: keyof Journal) => {
          if (name === 'schedule') looks++
          if (name !== 'startAttempt') return real[name]
          return (input: CommandInput<'startAttempt'>) =>
            Promise.all([real.startAttempt(input), blocked.promise]).then(([started]) => started)
        },
      }),
  })
  const first = await it.add()
  const before = looks
  const second = await it.add()
  assert.equal(looks, before + 1)
  assert.ok(!it.engine.isRunning(first))
  blocked.resolve()
  await settle()
  assert.deepEqual(
    it.engine.running.map(({ task }) => task),
    [first, second],
  )
})

/** As `open`, and how often the journal was asked what may start. */
async function openCounting(options: HouseOptions): Promise<{ readonly it: House; readonly looks: () => number }> {
  let looks = 0
  const it = await open({
    ...options,
    wrap: (journal) => ({
      ...journal,
      schedule: (input) => {
        looks++
        return journal.schedule(input)
      },
    }),
  })
  return { it, looks: () => looks }
}

test('a place that is free goes to the next without a look at the journal, until those that it showed have started', async () => {
  const { it, looks } = await openCounting({ limits: { maximumActiveTasks: 4, maximumConnectionsPerOrigin: 2 } })
  const tasks = []
  for (let i = 0; i < 20; i++) tasks.push(await it.add())
  const before = looks()
  for (const task of tasks) {
    assert.ok(it.engine.isRunning(task), 'in their order, and none waits')
    assert.ok(it.engine.running.length <= 4)
    await it.engine.of(task).finish()
  }
  const all = looks() - before
  assert.ok(all > 1 && all < 8, `${all} looks for 20 tasks`)
})

test('what was seen is out of date when a priority changes, a task becomes ready, or one that was shown may not start', async () => {
  const it = await open({ limits: { maximumActiveTasks: 2, maximumConnectionsPerOrigin: 1 } })
  // While one runs, what was seen holds on.
  await it.add({ request: { url: 'https://other.test/', method: 'GET', headers: [] } })
  const first = await it.add()
  const [second, third, fourth, later] = [
    await it.add(),
    await it.add(),
    await it.add(),
    await it.add({ start: false }),
  ]
  await it.engine.of(first).finish()
  await it.call('task.change', { targets: { ids: [fourth] }, change: { kind: 'priority', priority: 0.9 } })
  await it.engine.of(second).finish()
  assert.ok(it.engine.isRunning(fourth))
  await it.change(later, 'resume')
  await it.call('task.change', { targets: { ids: [later] }, change: { kind: 'priority', priority: 0.8 } })
  await it.change(third, 'suspend')
  await it.engine.of(fourth).finish()
  assert.ok(it.engine.isRunning(later))
  const last = await it.add()
  await it.engine.of(later).finish()
  assert.ok(it.engine.isRunning(last), 'past the one that was suspended')
})

test('a task whose start was refused starts when it may, also where one beside it was refused later', async () => {
  let gate: PromiseWithResolvers<void> | undefined
  const it = await open({
    limits: { maximumActiveTasks: 3, maximumConnectionsPerOrigin: 8 },
    wrap: startsBy(async (real, input) => {
      const started = await real.startAttempt(input)
      await gate?.promise
      return started
    }),
  })
  const [, stopped, ending] = [await it.add(), await it.add(), await it.add()]
  it.engine.obeys = false
  const [next, suspended] = [await it.add(), await it.add()]
  const first = it.engine.of(stopped)
  await it.change(stopped, 'suspend')
  assert.ok(it.engine.isRunning(next))
  await it.change(stopped, 'resume')
  await it.change(suspended, 'suspend')
  gate = Promise.withResolvers()
  const both = [it.engine.of(ending), it.engine.of(next)]
  await Promise.all(both.map((attempt) => attempt.finish()))
  await first.end({ kind: 'stopped', measure: { bytes: 0, transactions: [], redirects: 0 } })
  gate.resolve()
  gate = undefined
  await settle()
  assert.ok(it.engine.isRunning(stopped))
})

test('a dated task notices that the wall clock was set, whatever ends meanwhile', async () => {
  const it = await open({ limits: { maximumActiveTasks: 4, maximumConnectionsPerOrigin: 2 } })
  const many = []
  for (let i = 0; i < 6; i++) many.push(await it.add())
  const day = 86_400_000
  const request = { url: 'https://other.test/', method: 'GET', headers: [] }
  const dated = await it.add({ request, earliestBeginMs: it.clock.wall() + day })
  it.clock.jumpWall(day)
  await it.engine.of(many[0]!).finish()
  await it.clock.advance(60_000)
  assert.ok(it.engine.isRunning(dated))
})

test('an attempt that finds its published file lost has a connection again before it asks', async () => {
  const it = await open({ limits: { maximumActiveTasks: 8, maximumConnectionsPerOrigin: 2 } })
  const [publishing, other] = [await it.add(), await it.add()]
  await it.engine.of(publishing).reserve()
  await it.engine.of(publishing).publish()
  await it.restart({ clean: false })
  for (let i = 0; i < 4; i++) await it.add()
  assert.equal(it.engine.running.length, 3, 'it asks nobody')
  await it.engine.of(publishing).report.restart('lost', 'cannot go on')
  await it.engine.of(other).finish()
  assert.equal(it.engine.running.length, 2)
  await it.engine.of(publishing).finish()
  assert.equal(it.engine.running.length, 2)
})

test('an attempt that was cancelled and does not come to its end keeps no place', async () => {
  const it = await open({ limits: { maximumActiveTasks: 1, maximumConnectionsPerOrigin: 1 } })
  const tasks = [await it.add(), await it.add(), await it.add(), await it.add()]
  it.engine.obeys = false
  await it.change(tasks[0]!, 'cancel')
  for (const task of tasks.slice(1)) {
    assert.ok(it.engine.isRunning(task))
    await it.engine.of(task).finish()
  }
})

test('the deadline of a task counts also where the journal was not asked before its start', async () => {
  const { it, looks } = await openCounting({ limits: { maximumActiveTasks: 2, maximumConnectionsPerOrigin: 1 } })
  const first = await it.add()
  const second = await it.add({ policy: { timeoutIntervalForResourceMs: 60_000 } })
  await it.engine.of(first).verify()
  const before = looks()
  assert.ok(it.engine.isRunning(second))
  await it.clock.advance(59_000)
  assert.equal(looks(), before)
  assert.ok(it.engine.isRunning(second))
  await it.clock.advance(1100)
  assert.equal((await it.get(second)).error?.code, 'TIMED_OUT')
})

test('priorities decide inside a session', async () => {
  const it = await open({ limits: { maximumActiveTasks: 1, maximumConnectionsPerOrigin: 8 } })
  const running = await it.add()
  const low = await it.add({ priority: 0.1 })
  const high = await it.add({ priority: 0.9 })
  await it.call('task.change', { targets: { ids: [low] }, change: { kind: 'priority', priority: 0.2 } })
  await it.engine.of(running).finish()
  assert.deepEqual(
    it.engine.running.map(({ task }) => task),
    [high],
  )
})

test('a held session starts nothing until it is released', async () => {
  const it = await open()
  await it.call('session.hold', { identifier: 'com.example', held: true })
  const id = await it.add()
  assert.equal(it.engine.attempts.length, 0)
  const { blockers, nextWakeUpMs, remedies } = await it.call('task.explain', { id })
  assert.deepEqual(blockers, [{ code: 'sessionHeld', of: 'com.example' }])
  assert.equal(nextWakeUpMs, undefined)
  assert.deepEqual(remedies, ['release', 'cancel'])
  await it.call('session.hold', { identifier: 'com.example', held: false })
  assert.ok(it.engine.isRunning(id))
})

test('holding a session stops its attempts at a checkpoint, and no other session', async () => {
  const it = await open()
  await it.openSession('com.other')
  const id = await it.add()
  const other = await it.add({}, 'com.other')
  await it.call('session.hold', { identifier: 'com.example', held: true })
  assert.deepEqual(
    it.engine.running.map(({ task }) => task),
    [other],
  )
  assert.deepEqual(await it.blockers(id), ['sessionHeld'])
  assert.deepEqual(await it.life.service.keptBy(), ['1 task not yet completed'])
  await it.call('session.hold', { identifier: 'com.example', held: false })
  assert.ok(it.engine.isRunning(id))
})

test('a hold of a session that is taken back in the same turn leaves it as it was', async () => {
  let starts = 0
  const wrap = startsBy((real, input) =>
    ++starts > 20 ? Promise.reject(new Error('it starts for ever')) : real.startAttempt(input),
  )
  const it = await open({ wrap })
  const id = await it.add()
  await Promise.all([true, false].map((held) => it.call('session.hold', { identifier: 'com.example', held })))
  assert.ok(it.engine.isRunning(id))
  assert.deepEqual([starts, it.logged], [2, []])
})

test('a start that was decided before its session was held, and committed after it, is stopped', async () => {
  const blocked = Promise.withResolvers<void>()
  const wrap = startsBy((real, input) => blocked.promise.then(() => real.startAttempt(input)))
  const it = await open({ wrap })
  const id = await it.add()
  await it.call('session.hold', { identifier: 'com.example', held: true })
  blocked.resolve()
  await settle()
  assert.deepEqual(it.engine.running, [])
  assert.deepEqual(await it.blockers(id), ['sessionHeld'])
})

test('cancel stops a running attempt, and its outcome changes nothing any more', async () => {
  const it = await open()
  const id = await it.add()
  const attempt = it.engine.of(id)
  it.engine.obeys = false
  await it.change(id, 'cancel')
  assert.ok(attempt.signal.aborted)
  assert.equal((await it.get(id)).error?.code, 'CANCELLED')
  await attempt.finish()
  const record = await it.get(id)
  assert.equal(record.error?.code, 'CANCELLED')
  assert.equal(record.result, undefined)
})

test('a malformed answer is given a second chance over a restart too, then it is final', async () => {
  const it = await open()
  const id = await it.add()
  const broken = new LonghaulError('BAD_SERVER_RESPONSE', 'two lengths')
  await it.engine.of(id).fail(broken, { kind: 'malformed' })
  await it.restart({ clean: true, awayMs: 60_000 })
  await it.clock.advance(1000)
  await it.engine.of(id).fail(broken, { kind: 'malformed' })
  assert.equal((await it.get(id)).error?.code, 'BAD_SERVER_RESPONSE')
})

test('a malformed answer after bytes became safe is not the second in a row', async () => {
  const it = await open()
  const id = await it.add()
  const broken = new LonghaulError('BAD_SERVER_RESPONSE', 'bad chunk')
  await it.engine.of(id).fail(broken, { kind: 'malformed' })
  await it.clock.advance(1000)
  await it.engine.of(id).checkpoint(100, 1000)
  await it.change(id, 'hold')
  await it.change(id, 'release')
  await it.engine.of(id).fail(broken, { kind: 'malformed' })
  await it.clock.advance(1000)
  await it.engine.of(id).checkpoint(200, 1000)
  await it.engine.of(id).fail(broken, { kind: 'malformed' }, { progressed: true })
  await it.clock.advance(1000)
  assert.equal((await it.get(id)).state, 'running')
  await it.change(id, 'hold')
  await it.change(id, 'release')
  await it.engine.of(id).fail(broken, { kind: 'malformed' })
  assert.equal((await it.get(id)).error?.code, 'BAD_SERVER_RESPONSE', 'a pause in which nothing came is no difference')
})

test('a task that may give up does so with its last error when nothing came for that long', async () => {
  const it = await open({ fraction: 0.9 })
  const id = await it.add({ giveUpAfterMs: 300_000 })
  const started = it.clock.steady()
  for (let i = 0; i < 100 && (await it.get(id)).state === 'running'; i++) {
    if (it.engine.isRunning(id)) await it.engine.of(id).fail()
    await it.clock.advance(5000)
  }
  const { error, state } = await it.get(id)
  assert.equal(state, 'completed')
  assert.equal(error?.code, 'NETWORK_CONNECTION_LOST')
  const took = it.clock.steady() - started
  assert.ok(took >= 300_000 && took <= 315_000, `gave up after ${took} ms`)
})

test('an idle daemon has no timer', async () => {
  const it = await open()
  assert.equal(it.clock.armed, 0)
  const id = await it.add()
  await it.engine.of(id).finish()
  assert.equal(it.clock.armed, 0)
  const suspended = await it.add({ start: false })
  assert.equal(it.clock.armed, 0)
  await it.change(suspended, 'resume')
  assert.ok(it.clock.nextAt! - it.clock.steady() <= 60_000)
})

test('a thousand tasks are worked through in turn without ever standing still', async () => {
  const it = await open()
  const ids: TaskId[] = []
  for (let batch = 0; batch < 2; batch++) {
    const tasks = Array.from({ length: 500 }, (_, i) =>
      it.newTask({ request: { url: `https://host${i % 50}.test/${batch}`, method: 'GET', headers: [] } }),
    )
    ids.push(...(await it.call('task.add', { session: 'com.example', tasks })).tasks.map(({ task }) => task.id))
  }
  let finished = 0
  while (it.engine.running.length > 0) {
    const running = it.engine.running
    assert.equal(running.length, Math.min(16, ids.length - finished))
    for (const attempt of running) {
      attempt.ended = true
      void attempt.finish()
    }
    finished += running.length
    await settle()
  }
  assert.equal(finished, ids.length)
  assert.equal((await it.call('session.counts', {})).completed, ids.length)
})

test('a task that succeeded in the end is explained without the failures that it went through', async () => {
  const it = await open()
  const id = await it.add()
  await it.engine.of(id).fail()
  await it.clock.advance(600_000)
  await it.engine.of(id).finish()
  const explained = await it.call('task.explain', { id })
  assert.equal(explained.phase, 'completed')
  assert.equal(explained.cause, undefined)
  assert.equal(explained.attempts[0]?.cause?.code, 'NETWORK_CONNECTION_LOST')
})

test('what becomes ready while the journal is being tried again is not overlooked', async () => {
  let broken = false
  let resume: (() => void) | undefined
  const it = await open({
    wrap: (journal) =>
      new Proxy(journal, {
        get: (real, name: keyof Journal) => {
          if (name !== 'schedule') return real[name]
          return (input: CommandInput<'schedule'>) => {
            if (broken) return Promise.reject(new LonghaulError('DISK_FULL', 'no room'))
            const answer = real.schedule(input)
            // In the same commit, but after the look.
            resume?.()
            resume = undefined
            return answer
          }
        },
      }),
  })
  const id = await it.add({ start: false })
  broken = true
  await it.change(await it.add({ start: false }), 'suspend')
  await it.add({ earliestBeginMs: it.clock.wall() + 3_600_000 })
  broken = false
  resume = () => void it.change(id, 'resume')
  await it.clock.advance(1000)
  assert.equal(resume, undefined)
  assert.ok(it.engine.isRunning(id))
})

test('a start that comes to nothing leaves no trace of the attempt before it', async () => {
  let suspend = (): Promise<unknown> => Promise.resolve()
  const it = await open({
    wrap: (journal) =>
      new Proxy(journal, {
        get: (real, name: keyof Journal) => {
          if (name !== 'startAttempt') return real[name]
          return async (input: CommandInput<'startAttempt'>) => {
            await suspend()
            return real.startAttempt(input)
          }
        },
      }),
  })
  const id = await it.add()
  const first = it.engine.of(id)
  it.engine.obeys = false
  await it.change(id, 'suspend')
  // While the next start is under way the task is suspended again.
  suspend = () => it.change(id, 'suspend')
  await it.change(id, 'resume')
  await first.end({ kind: 'stopped', measure: { bytes: 0, transactions: [], redirects: 0 } })
  await settle()
  assert.equal(it.engine.attempts.length, 1)
  assert.deepEqual(await it.blockers(id), ['suspended'])
  assert.deepEqual((await it.call('daemon.status', {})).keptBy, [])
})

test('publishing that was begun is finished after the deadline; only when it fails then is the task timed out', async () => {
  const it = await open({ fraction: 1 })
  for (const publishes of [true, false]) {
    const id = await it.add({ policy: { timeoutIntervalForResourceMs: 500 } })
    const first = it.engine.of(id)
    await first.publish()
    // The names may have changed before it failed, so that only the next attempt can tell.
    await first.fail()
    await it.clock.advance(600)
    assert.equal((await it.get(id)).state, 'running')
    await it.clock.advance(500)
    assert.notEqual(it.engine.of(id).assignment.intent, undefined)
    if (publishes) await it.engine.of(id).finish()
    else await it.engine.of(id).fail()
    const { error } = await it.get(id)
    assert.equal(error?.code, publishes ? undefined : 'TIMED_OUT')
    assert.equal((await it.get(id)).state, 'completed')
  }
})
