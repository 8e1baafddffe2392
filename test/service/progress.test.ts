// Live numbers: in every record, to the owner, to those who watch.
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { explanationFromJson } from '../../src/client/explain.ts'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { PassingEventJson } from '../../src/contract/events.ts'
import type { TaskId } from '../../src/contract/words.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { settle } from '../support/virtual-clock.ts'
import { House, type HouseOptions, Listener } from './house.ts'

let house: House | undefined
const open = async (options: HouseOptions = {}): Promise<House> => {
  house = await House.open(options)
  const { fence } = await house.openSession()
  await house.call('session.activate', { identifier: 'com.example', fence: fence! })
  return house
}
afterEach(async () => {
  await house?.close()
  house = undefined
})

const moved = (it: House, id: TaskId, received: number, total = 1_000_000): void =>
  it.engine.of(id).report.progress({ phase: 'transferring', received, total })

const passed = (it: House): readonly Extract<PassingEventJson, { kind: 'didWriteData' }>[] =>
  it.caller
    .of('passing')
    .map(({ event }) => event)
    .filter((event) => event.kind === 'didWriteData')

test('records carry the live phase, bytes, speed and time left, whoever asks', async () => {
  const it = await open()
  const id = await it.add()
  for (let i = 1; i <= 20; i++) {
    moved(it, id, i * 10_000)
    await it.clock.advance(100)
  }
  const record = await it.get(id)
  assert.equal(record.phase, 'transferring')
  assert.equal(record.progress.received, 200_000)
  assert.equal(record.progress.total, 1_000_000)
  assert.equal(record.progress.fraction, 0.2)
  assert.ok(Math.abs(record.progress.rate - 100_000) < 6000, String(record.progress.rate))
  assert.ok(Math.abs(record.progress.etaMs! - 8000) < 600)
  const { tasks } = await it.call('task.page', { filter: {}, completed: false, limit: 10 })
  assert.deepEqual(tasks[0]?.progress, record.progress)
  assert.equal((await it.call('task.explain', { id })).phase, 'transferring')
  it.engine.of(id).report.progress({ phase: 'verifying', received: 1_000_000, total: 1_000_000 })
  assert.equal((await it.get(id)).phase, 'verifying')
  await it.clock.advance(3100)
  assert.equal((await it.get(id)).progress.rate, 0, 'a speed ends when nothing comes')
})

test('an active task says when its stall timer would end the attempt', async () => {
  const it = await open()
  const id = await it.add({ policy: { timeoutIntervalForRequestMs: 30_000 } })
  await it.clock.advance(10_000)
  moved(it, id, 10)
  await it.clock.advance(5000)
  const { nextWakeUpMs, blockers } = await it.call('task.explain', { id })
  assert.deepEqual(blockers, [])
  assert.equal(nextWakeUpMs! - it.clock.wall(), 25_000)
})

test('a task that hashes or publishes has no stall timer: the daemon looks at it within a minute', async () => {
  const it = await open()
  const id = await it.add({ policy: { timeoutIntervalForRequestMs: 30_000 } })
  for (const phase of ['verifying', 'delivering'] as const) {
    it.engine.of(id).report.progress({ phase, received: 1000, total: 1000 })
    await it.clock.advance(600_000)
    const { nextWakeUpMs } = await it.call('task.explain', { id })
    const waitMs = nextWakeUpMs! - it.clock.wall()
    assert.ok(waitMs > 0 && waitMs <= 60_000, `${phase}: ${waitMs}`)
  }
})

test('the owner is told of one task at most 20 times a second, and of the last byte', async () => {
  const it = await open()
  const id = await it.add()
  for (let i = 1; i <= 1000; i++) {
    moved(it, id, i * 1000)
    await it.clock.advance(1)
  }
  const events = passed(it)
  assert.ok(events.length >= 18 && events.length <= 21, `${events.length} in a second`)
  assert.equal(
    events.reduce((sum, event) => sum + event.bytesWritten, 0),
    events.at(-1)!.totalBytesWritten,
  )
  await it.engine.of(id).finish(1_000_000)
  assert.equal(passed(it).at(-1)?.totalBytesWritten, 1_000_000)
})

test('nothing is said of a task after its outcome', async () => {
  const it = await open()
  const id = await it.add()
  const attempt = it.engine.of(id)
  moved(it, id, 1000)
  moved(it, id, 2000)
  await attempt.finish(2000)
  const before = it.caller.told.length
  attempt.report.progress({ phase: 'transferring', received: 3000 })
  await it.clock.advance(1000)
  assert.equal(it.caller.told.slice(before).filter(({ name }) => name === 'passing').length, 0)
  assert.equal(it.clock.armed, 0)
})

test('while its end waits for the journal, a task says nothing more', async () => {
  let full = false
  const it = await open({
    wrap: (journal) =>
      new Proxy(journal, {
        get: (target, name: keyof Journal) =>
          name === 'finish' && full ? () => Promise.reject(new LonghaulError('DISK_FULL', 'no room')) : target[name],
      }),
  })
  const id = await it.add()
  const attempt = it.engine.of(id)
  full = true
  await attempt.finish()
  attempt.report.progress({ phase: 'transferring', received: 3000 })
  await it.clock.advance(500)
  assert.deepEqual(passed(it), [])
  full = false
  await it.clock.advance(1000)
  assert.equal((await it.get(id)).state, 'completed')
})

test('bytes of an attempt that starts from zero are counted from zero', async () => {
  const it = await open()
  const id = await it.add()
  moved(it, id, 5000)
  await it.clock.advance(100)
  moved(it, id, 0)
  await it.clock.advance(100)
  moved(it, id, 700)
  await it.clock.advance(100)
  assert.deepEqual(
    passed(it).map(({ bytesWritten, totalBytesWritten }) => [bytesWritten, totalBytesWritten]),
    [
      [5000, 5000],
      [700, 700],
    ],
  )
})

test('a kept byte that is asked for again as a proof is no start from zero', async () => {
  const it = await open()
  const id = await it.add()
  await it.engine.of(id).checkpoint(5000, 5000)
  await it.engine.of(id).fail()
  await it.clock.advance(1000)
  const { report } = it.engine.of(id)
  for (const received of [5000, 4999, 5000]) {
    report.progress({ phase: 'transferring', received })
    await it.clock.advance(100)
  }
  assert.deepEqual(
    passed(it).map(({ bytesWritten, totalBytesWritten }) => [bytesWritten, totalBytesWritten]),
    [[1, 5000]],
  )
})

test('the owner is told of a retry, its cause and its time', async () => {
  const it = await open({ fraction: 0.5 })
  const id = await it.add()
  await it.engine.of(id).fail()
  const retries = it.caller.of('passing').filter(({ event }) => event.kind === 'didRetry')
  assert.equal(retries.length, 1)
  const { event } = retries[0]!
  assert.ok(event.kind === 'didRetry')
  assert.equal(event.task, id)
  assert.equal(event.attempt, 1)
  assert.equal(event.cause.code, 'NETWORK_CONNECTION_LOST')
  assert.equal(event.nextAtMs - it.clock.wall(), 500)
})

test('a watcher is told at its own interval, newest only, and of each change of the record', async () => {
  const it = await open()
  const id = await it.add()
  const other = await it.add()
  const watcher = new Listener()
  const { tasks } = await it.call('watch.start', { watch: 1, ids: [id], intervalMs: 500 }, { caller: watcher })
  assert.deepEqual(
    tasks.map((task) => task.id),
    [id],
  )
  for (let i = 1; i <= 200; i++) {
    moved(it, id, i * 1000)
    moved(it, other, i)
    await it.clock.advance(10)
  }
  const notes = watcher.of('progress')
  assert.ok(notes.length >= 4 && notes.length <= 5, `${notes.length} in 2 s`)
  assert.ok(notes.every((note) => note.watch === 1 && note.id === id))
  assert.ok(notes.at(-1)!.progress.rate > 50_000)
  await it.engine.of(id).finish(200_000)
  await it.clock.advance(500)
  assert.equal(watcher.of('progress').at(-1)?.task?.state, 'completed')
  const keys = new Set(watcher.told.map(({ key }) => key))
  assert.equal(keys.size, 2, 'mere progress never takes the place of a record')
})

test('who watches one task is told of its end at once, who watches more at its interval', async () => {
  const it = await open()
  const [id, other] = [await it.add(), await it.add()]
  const [one, both] = [new Listener(), new Listener()]
  await it.call('watch.start', { watch: 1, ids: [id], intervalMs: 500 }, { caller: one })
  await it.call('watch.start', { watch: 1, ids: [id, other], intervalMs: 500 }, { caller: both })
  moved(it, id, 1000)
  await it.clock.advance(10)
  await it.engine.of(id).finish(200_000)
  await it.clock.advance(10)
  const ends = (watcher: Listener): number =>
    watcher.of('progress').filter(({ task }) => task?.state === 'completed').length
  assert.deepEqual([ends(one), ends(both)], [1, 0])
  await it.clock.advance(500)
  assert.deepEqual([ends(one), ends(both)], [1, 1])
})

test('a watcher sees a speed fall to 0 although no byte comes to say so', async () => {
  const it = await open()
  const id = await it.add()
  const watcher = new Listener()
  await it.call('watch.start', { watch: 1, ids: [id], intervalMs: 200 }, { caller: watcher })
  for (let i = 1; i <= 20; i++) {
    moved(it, id, i * 1000)
    await it.clock.advance(100)
  }
  assert.ok(watcher.of('progress').at(-1)!.progress.rate > 0)
  await it.clock.advance(4000)
  assert.equal(watcher.of('progress').at(-1)!.progress.rate, 0)
  const before = watcher.told.length
  await it.clock.advance(60_000)
  assert.equal(watcher.told.length, before, 'and then it is quiet')
})

test('a watcher of a session sees its tasks come and go, and none of another session', async () => {
  const it = await open()
  await it.openSession('com.other')
  const watcher = new Listener()
  await it.call('watch.start', { watch: 7, session: 'com.example', intervalMs: 100 }, { caller: watcher })
  await it.add({}, 'com.other')
  const id = await it.add()
  await it.clock.advance(200)
  assert.deepEqual(
    watcher.of('progress').map((note) => note.id),
    [id],
  )
  await it.engine.of(id).finish()
  await it.clock.advance(200)
  assert.equal(watcher.of('progress').at(-1)?.task?.state, 'completed')
})

test('a watcher of tasks whose records one answer has no room for is told the rest at once', async () => {
  const it = await open()
  const ids: TaskId[] = []
  const metadata = JSON.stringify('字'.repeat(20_000))
  for (let i = 0; i < 20; i++) ids.push(await it.add({ metadata, start: false }))
  const watcher = new Listener()
  const answer = await it.call('watch.start', { watch: 1, ids, intervalMs: 500 }, { caller: watcher })
  assert.ok(Buffer.byteLength(JSON.stringify(answer)) < 600_000)
  await it.clock.advance(1)
  const noted = watcher.of('progress').map(({ task }) => task?.id)
  assert.deepEqual([...answer.tasks.map(({ id }) => id), ...noted], ids)
  assert.ok(noted.length > 0)
  await it.clock.advance(10_000)
  assert.equal(watcher.told.length, noted.length, 'once')
})

test('a watch ends when it is stopped and when its connection does, and leaves no timer', async () => {
  const it = await open()
  const id = await it.add({ start: false })
  const first = new Listener()
  const second = new Listener()
  await it.call('watch.start', { watch: 1, ids: [id], intervalMs: 100 }, { caller: first })
  await it.call('watch.start', { watch: 1, ids: [id], intervalMs: 100 }, { caller: second })
  await it.call('task.change', { targets: { ids: [id] }, change: { kind: 'priority', priority: 1 } })
  await it.call('watch.stop', { watch: 1 }, { caller: first })
  it.life.service.gone(second)
  await settle()
  assert.equal(it.clock.armed, 0)
  assert.equal(first.told.length + second.told.length, 0)
})

test('a watch of a session whose connection ends while the session is looked for never begins', async () => {
  const it = await open()
  const id = await it.add()
  const watcher = new Listener()
  const asking = new AbortController()
  const watch = { watch: 1, session: 'com.example', intervalMs: 100 }
  const started = it.call('watch.start', watch, { caller: watcher, signal: asking.signal })
  // As the door does when a connection closes.
  asking.abort(new Error('closed'))
  it.life.service.gone(watcher)
  await assert.rejects(started, /closed/)
  moved(it, id, 1000)
  await it.clock.advance(1000)
  assert.deepEqual(watcher.told, [])
})

test('explain says how long each attempt took, and of the one that runs how long it has run', async () => {
  const it = await open()
  const id = await it.add()
  await it.clock.advance(3000)
  await it.engine.of(id).fail()
  await it.clock.advance(2000)
  const since = (await it.call('task.explain', { id })).attempts
  assert.equal(since.length, 2)
  assert.equal(since[0]!.tookMs, 3000)
  await it.clock.advance(5000)
  assert.equal((await it.call('task.explain', { id })).attempts[1]!.tookMs, since[1]!.tookMs + 5000)
})

test('explain does not say that bytes arrive when none has come for seconds, and says since when', async () => {
  const it = await open()
  const id = await it.add()
  moved(it, id, 1000)
  await it.clock.advance(4000)
  assert.equal((await it.call('task.explain', { id })).silentSinceMs, undefined)
  await it.clock.advance(2000)
  const explained = await it.call('task.explain', { id })
  assert.equal(explained.silentSinceMs, it.clock.wall() - 6000)
  assert.match(explanationFromJson(explained, 'en').why, /^No byte has come since /)
  moved(it, id, 2000)
  assert.match(explanationFromJson(await it.call('task.explain', { id }), 'en').why, /^Bytes are arriving\./)
})
