// What happens when the daemon stops, when the journal cannot be written, and when the engine breaks.
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { now } from '../../src/service/moment.ts'
import { settle } from '../support/virtual-clock.ts'
import { House, type HouseOptions, measured, startsBy } from './house.ts'

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

/** A journal whose disk can be filled: nothing can be written then, as the real one says it. */
function fillable(): { full: boolean; readonly refused: string[]; readonly wrap: (journal: Journal) => Journal } {
  const reads = new Set([
    'schedule',
    'getTask',
    'counts',
    'explainFacts',
    'taskEnd',
    'findSession',
    'listSessions',
    'idle',
  ])
  const disk = {
    full: false,
    refused: [] as string[],
    wrap: (journal: Journal): Journal =>
      new Proxy(journal, {
        get: (target, name: keyof Journal) => {
          if (name === 'problem') return disk.full ? 'disk is full' : target.problem
          const value: unknown = target[name]
          if (typeof value !== 'function' || name === 'watch' || name === 'close' || reads.has(name)) return value
          return (input: unknown) => {
            if (disk.full) {
              disk.refused.push(name)
              return Promise.reject(new LonghaulError('DISK_FULL', 'the journal could not be written'))
            }
            return (value as (given: unknown) => unknown)(input)
          }
        },
      }),
  }
  return disk
}

test('while the journal cannot be written nothing new starts, and it goes on by itself', async () => {
  const disk = fillable()
  const it = await open({ wrap: disk.wrap, limits: { maximumActiveTasks: 1, maximumConnectionsPerOrigin: 8 } })
  const first = await it.add()
  const second = await it.add()
  disk.full = true
  await it.engine.of(first).finish()
  await it.clock.advance(10_000)
  const tries = disk.refused.length
  assert.ok(tries >= 10 && tries <= 40, `tried about once a second, not ${tries} times`)
  assert.ok(!it.engine.isRunning(second))
  const status = await it.call('daemon.status', {})
  assert.equal(status.journalWritable, false)
  assert.equal(status.journalProblem, 'disk is full')
  disk.full = false
  await it.clock.advance(1100)
  assert.equal((await it.get(first)).state, 'completed')
  assert.ok(it.engine.isRunning(second))
  assert.equal((await it.call('daemon.status', {})).journalWritable, true)
})

test('in trouble one small write a second tries the journal, not everything that might start', async () => {
  const disk = fillable()
  const it = await open({ wrap: disk.wrap })
  const session = await it.life.journal.findSession({ identifier: 'com.example' })
  const at = { steadyMs: it.clock.steady(), wallMs: it.clock.wall() }
  await it.life.journal.holdSession({ session: session!.id, held: true, at })
  for (let i = 0; i < 10; i++) await it.add({ request: { url: `https://h${i}.test/`, method: 'GET', headers: [] } })
  const released = it.life.journal.holdSession({ session: session!.id, held: false, at })
  disk.full = true
  await released
  await it.clock.advance(10_000)
  assert.deepEqual([...new Set(disk.refused)], ['saveClock'])
  assert.ok(disk.refused.length <= 11)
  disk.full = false
  await it.clock.advance(1000)
  assert.equal(it.engine.running.length, 10)
})

test('a journal that refuses starts only is not hammered by every commit that succeeds', async () => {
  let starts = 0
  const wrap = (journal: Journal): Journal =>
    new Proxy(journal, {
      get: (target, name: keyof Journal) =>
        name === 'startAttempt'
          ? () => (starts++, Promise.reject(new LonghaulError('DISK_FULL', 'the journal could not be written')))
          : target[name],
    })
  const it = await open({ wrap })
  for (let i = 0; i < 50; i++) await it.add({ request: { url: `https://h${i}.test/`, method: 'GET', headers: [] } })
  assert.equal(starts, 1)
  await it.clock.advance(1000)
  assert.equal(starts, 17)
})

test('a journal that refuses starts only is told of once, and starts begin with the first try after it is well', async () => {
  let refuses = true
  const full = new LonghaulError('DISK_FULL', 'the journal could not be written')
  const wrap = startsBy((real, input) => (refuses ? Promise.reject(full) : real.startAttempt(input)))
  const it = await open({ wrap })
  const id = await it.add()
  await it.clock.advance(10_500)
  assert.equal(it.logged.filter((message) => message.startsWith('nothing new is started')).length, 1)
  refuses = false
  await it.clock.advance(500)
  assert.ok(it.engine.isRunning(id))
})

test('a disk that is full for a moment costs one try, whichever command found it', async () => {
  const disk = fillable()
  let armed = true
  const it = await open({
    wrap: (journal) => {
      const wrapped = disk.wrap(journal)
      return new Proxy(wrapped, {
        get: (target, name: keyof Journal) => {
          if (name === 'startAttempt' && armed) {
            armed = false
            disk.full = true
          }
          return target[name]
        },
      })
    },
  })
  const id = await it.add()
  await it.clock.advance(500)
  disk.full = false
  await it.clock.advance(500)
  assert.ok(it.engine.isRunning(id))
})

test('a daemon that stops while a start is being committed leaves no attempt behind', async () => {
  const blocked = Promise.withResolvers<void>()
  const wrap = startsBy((real, input) => blocked.promise.then(() => real.startAttempt(input)))
  const it = await open({ wrap })
  const id = await it.add()
  let isStopped = false
  const stopped = it.life.service.stop().then(() => (isStopped = true))
  await it.clock.advance(1000)
  assert.ok(!isStopped)
  blocked.resolve()
  await it.clock.advance(0)
  await stopped
  assert.equal((await it.life.journal.explainFacts({ at: now(it.clock), id }))?.gate, 'ready')
})

test('a start that the journal could not record is tried again each second', async () => {
  const disk = fillable()
  const it = await open({ wrap: disk.wrap })
  const id = await it.add({ start: false })
  const before = it.life.journal.change.bind(it.life.journal)
  // The change gets through, the start that follows from it does not.
  const changed = before({
    targets: { ids: [id] },
    change: { kind: 'resume' },
    at: { steadyMs: it.clock.steady(), wallMs: it.clock.wall() },
  })
  disk.full = true
  await changed
  await settle()
  assert.ok(!it.engine.isRunning(id))
  await it.clock.advance(5000)
  assert.equal(it.clock.armed, 1)
  disk.full = false
  await it.clock.advance(1000)
  assert.ok(it.engine.isRunning(id))
})

test('a checkpoint waits for the journal, and is recorded when it can be written again', async () => {
  const disk = fillable()
  const it = await open({ wrap: disk.wrap })
  const id = await it.add()
  const attempt = it.engine.of(id)
  await attempt.reserve()
  disk.full = true
  const answer = attempt.checkpoint(500, 1000)
  let answered = false
  void answer.then(() => (answered = true))
  await it.clock.advance(3000)
  assert.equal(answered, false)
  disk.full = false
  await it.clock.advance(1000)
  assert.equal(await answer, 'recorded')
})

test('a stop lets attempts reach their checkpoint, then the next life goes on from there', async () => {
  const it = await open()
  const id = await it.add()
  it.engine.obeys = false
  const attempt = it.engine.of(id)
  await attempt.reserve()
  const stopped = it.life.service.stop()
  await settle()
  assert.ok(attempt.signal.aborted)
  assert.equal(await attempt.checkpoint(700, 1000), 'recorded')
  await attempt.end({ kind: 'stopped', measure: measured })
  await stopped
  assert.equal(it.clock.armed, 0)
  await it.restart({ clean: true })
  assert.deepEqual(it.engine.of(id).assignment.part?.ranges, [[0, 700]])
  assert.equal((await it.call('task.explain', { id })).blockers.length, 0)
})

test('a stop waits no longer than 5 s for an attempt that does not end', async () => {
  const it = await open()
  const id = await it.add()
  it.engine.obeys = false
  let over = false
  const stopped = it.life.service.stop().then(() => (over = true))
  await it.clock.advance(4990)
  assert.equal(over, false)
  await it.clock.advance(20)
  await stopped
  assert.equal(it.clock.armed, 0)
  await it.restart({ clean: true })
  assert.ok(it.engine.isRunning(id))
})

test('a stop while the journal cannot be written ends all the same', async () => {
  const disk = fillable()
  const it = await open({ wrap: disk.wrap })
  const id = await it.add()
  disk.full = true
  const stopped = it.life.service.stop()
  await it.clock.advance(6000)
  await stopped
  assert.equal(it.clock.armed, 0)
  disk.full = false
  await it.restart({ clean: true })
  assert.ok(it.engine.isRunning(id))
})

test('a daemon that stops answers nothing more and says that another will', async () => {
  const it = await open()
  await it.life.service.stop()
  await assert.rejects(it.call('daemon.status', {}), (error) => isLonghaulError(error, 'DAEMON_UNAVAILABLE'))
})

test('daemon.stop answers with what runs and waits before it asks for the end', async () => {
  const it = await open({ limits: { maximumActiveTasks: 1, maximumConnectionsPerOrigin: 8 } })
  await it.add()
  await it.add()
  await it.add({ start: false })
  const answer = await it.life.service.call(it.caller, 'daemon.stop', {}, new AbortController().signal)
  assert.deepEqual(answer, { active: 1, waiting: 1, pid: 4711 })
  assert.equal(it.life.stopsAsked(), 0)
  await it.clock.advance(0)
  assert.equal(it.life.stopsAsked(), 1)
})

test('waiting, queued and running tasks keep the daemon; suspended and held ones do not', async () => {
  const it = await open()
  const { service } = it.life
  assert.deepEqual(await service.keptBy(), [])
  const id = await it.add()
  assert.deepEqual(await service.keptBy(), ['1 task not yet completed'])
  await it.change(id, 'suspend')
  assert.deepEqual(await service.keptBy(), [])
  await it.change(id, 'resume')
  await it.engine.of(id).fail()
  assert.equal((await service.keptBy()).length, 1, 'a back-off')
  await it.change(id, 'hold')
  assert.deepEqual(await service.keptBy(), [])
  await it.add({ earliestBeginMs: it.clock.wall() + 86_400_000 })
  assert.equal((await service.keptBy()).length, 1, 'a date')
})

test('an engine that breaks costs the attempt, not the daemon', async () => {
  const it = await open()
  const id = await it.add()
  it.engine.of(id).outcome.reject(new TypeError('undefined is not a function'))
  await settle()
  assert.deepEqual(await it.blockers(id), ['backoff'])
  await it.clock.advance(1000)
  assert.ok(it.engine.isRunning(id))
})

test('a verb that does not exist is refused', async () => {
  const it = await open()
  const ask = it.life.service.call(it.caller, 'toString' as 'daemon.status', {}, new AbortController().signal)
  await assert.rejects(ask, (error) => isLonghaulError(error, 'INVALID_ARGUMENT'))
})

test('bytes of a file whose disk failed while it got its name are not said to be kept', async () => {
  for (const diskFailed of [false, true]) {
    const it = await open()
    const id = await it.add({ policy: { retry: { maximumAttempts: 1, initialDelayMs: 1, maximumDelayMs: 1 } } })
    const attempt = it.engine.of(id)
    await attempt.reserve()
    await attempt.checkpoint(1000, 1000)
    await attempt.publish()
    await attempt.fail(new LonghaulError('CANNOT_WRITE_TO_FILE', 'gone'), { kind: 'network', diskFailed })
    const { state, progress } = await it.get(id)
    assert.deepEqual([state, progress.received], ['completed', diskFailed ? 0 : 1000])
    await it.close()
    house = undefined
  }
})
