import assert from 'node:assert/strict'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import type { TaskRecord } from '../../src/contract/task.ts'
import type { TaskEnd } from '../../src/contract/verbs.ts'
import { BackgroundSession, download } from '../../src/index.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { ScriptedDaemon, someRecord } from './scripted-daemon.ts'

const identifier = 'com.example.test'
const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV'
const url = 'http://127.0.0.1/a?sig=1'
const metrics = { startMs: 0, endMs: 9, redirectCount: 0, attempts: 1, transactions: [] }

async function scripted(t: TestContext): Promise<{ daemon: ScriptedDaemon; session: BackgroundSession }> {
  const daemon = await ScriptedDaemon.start()
  const session = await BackgroundSession.open({ identifier, daemon: daemon.daemon })
  t.after(async () => {
    await session.close()
    await daemon.stop()
  })
  return { daemon, session }
}

function ended(changes: Partial<TaskRecord>): TaskEnd {
  const response = { url, status: 200, headers: [['ETag', '"a"']] as const }
  return {
    task: someRecord(id, { state: 'completed', phase: 'completed', gate: 'done', response, ...changes }),
    metrics,
  }
}

const succeeded = ended({
  result: { path: '/tmp/a', bytes: 4, lengthVerified: true, notModified: false, digest: 'sha-256:00' },
})
const cancelled = ended({ error: new LonghaulError('CANCELLED', 'cancelled', { task: id }).toJSON() })

test('downloadTask makes a suspended task and download a running one, each with an id of the client', async (t) => {
  const { daemon, session } = await scripted(t)
  const one = await session.downloadTask(url, { taskDescription: 'one' })
  const two = await session.download({ url, headers: { 'X-A': '1' } })
  assert.deepEqual([one.snapshot.state, two.snapshot.state], ['suspended', 'running'])
  const [first, second] = daemon.callsOf('task.add').map((call) => call.tasks[0]!)
  assert.equal(first?.id, one.id)
  assert.equal(first?.description, 'one')
  assert.deepEqual(second?.request.headers, [['X-A', '1']])
  assert.deepEqual(second?.destination, { kind: 'spool' })
})

test('nothing is asked of the daemon, and no folder made, for options that are wrong', async (t) => {
  const { daemon, session } = await scripted(t)
  const folder = await temporaryFolder()
  const before = daemon.calls.length
  await assert.rejects(session.download(url, { to: join(folder, 'new/'), priority: 7 }), (error) =>
    isLonghaulError(error, 'INVALID_ARGUMENT'),
  )
  await assert.rejects(session.download('nope', { to: join(folder, 'new/') }), (error) =>
    isLonghaulError(error, 'BAD_URL'),
  )
  assert.deepEqual(await readdir(folder), [])
  assert.equal(daemon.calls.length, before)
})

test('a snapshot never changes, has dates and parsed metadata, and prints as JSON with ISO dates', async (t) => {
  const { daemon, session } = await scripted(t)
  daemon.answer({
    'task.get': () => someRecord(id, { metadata: '{"a":[1]}', completedAtMs: 0, state: 'completed' }),
  })
  const task = await session.task(id)
  assert.ok(task !== undefined)
  const { snapshot } = task
  assert.throws(() => Object.assign(snapshot, { priority: 1 }), TypeError)
  assert.deepEqual(snapshot.metadata, { a: [1] })
  assert.equal(snapshot.completedAt?.getTime(), 0)
  const json = JSON.parse(JSON.stringify(snapshot)) as Record<string, unknown>
  assert.equal(json['completedAt'], '1970-01-01T00:00:00.000Z')
  assert.equal('error' in json, false)
})

test('a task of another session is not found in this one', async (t) => {
  const { daemon, session } = await scripted(t)
  daemon.answer({ 'task.get': () => someRecord(id, { session: 'other' }) })
  assert.equal(await session.task(id), undefined)
  await assert.rejects(session.task('7K2M'), (error) => isLonghaulError(error, 'INVALID_ARGUMENT'))
})

test('finished resolves with the file, its response and its metrics, and rejects with the error of the task', async (t) => {
  const { daemon, session } = await scripted(t)
  const task = await session.download(url)
  daemon.answer({ 'task.wait': () => succeeded })
  const result = await task.finished()
  assert.deepEqual([result.path, result.bytes, result.digest], ['/tmp/a', 4, 'sha-256:00'])
  assert.equal(result.response.header('etag'), '"a"')
  assert.equal(result.metrics.taskInterval.end.getTime(), 9)
  daemon.answer({ 'task.wait': () => cancelled })
  await assert.rejects(task.finished(), (error) => isLonghaulError(error, 'CANCELLED') && error.task === id)
})

test('cancel resolves at the end of the task with the true answer', async (t) => {
  const { daemon, session } = await scripted(t)
  const task = await session.download(url)
  daemon.answer({ 'task.wait': () => cancelled })
  assert.deepEqual(await task.cancel(), { cancelled: true })
  daemon.answer({ 'task.wait': () => succeeded })
  assert.deepEqual(await task.cancel(), { cancelled: false })
})

test('a resume whose answer was lost is looked at, and said again only if it was not done', async (t) => {
  for (const state of ['suspended', 'running'] as const) {
    const { daemon, session } = await scripted(t)
    const task = await session.downloadTask(url)
    let changes = 0
    daemon.answer({
      'task.change': () => {
        if (++changes === 1) daemon.cut()
        return { changed: 1 }
      },
      'task.get': () => someRecord(task.id, { state }),
    })
    await task.resume()
    assert.equal(changes, state === 'suspended' ? 2 : 1)
  }
})

test('updates end with the task and give its last progress', async (t) => {
  const { daemon, session } = await scripted(t)
  const task = await session.download(url)
  const progress = (received: number): TaskRecord['progress'] => ({ received, sent: 0, total: 9, rate: 1 })
  daemon.answer({
    'watch.start': ({ watch }) => {
      setImmediate(() => {
        daemon.note('progress', { watch, id: task.id, progress: progress(3) })
        const done = someRecord(task.id, { state: 'completed', phase: 'completed', progress: progress(9) })
        daemon.note('progress', { watch, id: task.id, progress: progress(9), task: done })
      })
      return { tasks: [someRecord(task.id, { progress: progress(0) })] }
    },
  })
  const seen: number[] = []
  for await (const { received } of task.updates()) seen.push(received)
  assert.equal(seen.at(-1), 9)
  assert.equal(task.snapshot.state, 'completed')
  assert.equal(task.snapshot.progress.received, 9)
})

test('updates go on over a restart of the daemon', async (t) => {
  const { daemon, session } = await scripted(t)
  const task = await session.download(url)
  daemon.answer({ 'watch.start': () => ({ tasks: [someRecord(task.id)] }) })
  const updates = task.updates()
  await updates.next()
  const next = updates.next()
  await daemon.stop()
  daemon.answer({
    'watch.start': () => ({ tasks: [someRecord(task.id, { progress: { received: 5, sent: 0, rate: 0 } })] }),
  })
  await daemon.listen()
  const { value } = (await next) as IteratorYieldResult<{ readonly received: number }>
  assert.equal(value.received, 5)
  await updates.return?.()
})

test('a signal ends the updates with its reason', async (t) => {
  const { daemon, session } = await scripted(t)
  const task = await session.download(url)
  daemon.answer({ 'watch.start': () => ({ tasks: [someRecord(task.id)] }) })
  const abort = new AbortController()
  const updates = task.updates({ signal: abort.signal })
  await updates.next()
  const next = updates.next()
  const reason = new Error('enough')
  abort.abort(reason)
  await assert.rejects(Promise.resolve(next), (error) => error === reason)
})

test('explain gives dates, what can be done, and a sentence', async (t) => {
  const { daemon, session } = await scripted(t)
  const task = await session.download(url)
  daemon.answer({
    'task.explain': () => ({
      task: task.id,
      phase: 'waiting',
      blockers: [{ code: 'backoff', untilMs: 1000 }],
      nextWakeUpMs: 1000,
      remedies: ['tryNow', 'cancel'],
      kept: { bytes: 5 },
      attempts: [
        { number: 1, startedAtMs: 0, tookMs: 3, bytes: 5, cause: new LonghaulError('STALLED', 'no byte').toJSON() },
      ],
      cause: new LonghaulError('STALLED', 'no byte came').toJSON(),
    }),
  })
  const explanation = await task.explain()
  assert.equal(explanation.nextWakeUp?.getTime(), 1000)
  assert.match(explanation.why, /no byte came \(STALLED\)/)
  assert.deepEqual(
    explanation.remedies.map(({ command }) => command),
    [`longhaul retry ${task.id.slice(-8)}`, `longhaul cancel ${task.id.slice(-8)}`],
  )
  assert.ok(isLonghaulError(explanation.attempts[0]?.cause, 'STALLED'))
})

test('tasks are listed page after page', async (t) => {
  const { daemon, session } = await scripted(t)
  daemon.answer({
    'task.page': ({ cursor }) =>
      cursor === undefined ? { tasks: [someRecord('1'), someRecord('2')], cursor: 'c' } : { tasks: [someRecord('3')] },
  })
  const ids: string[] = []
  for await (const task of session.tasks({ host: 'h' })) ids.push(task.id)
  assert.deepEqual(ids, ['1', '2', '3'])
  assert.deepEqual(daemon.callsOf('task.page')[0]?.filter, { host: 'h' })
})

test('cancel of a session wants a filter, so that nobody cancels everything by leaving it out', async (t) => {
  const { session } = await scripted(t)
  await assert.rejects(session.cancel(undefined as unknown as object), (error) =>
    isLonghaulError(error, 'INVALID_ARGUMENT'),
  )
  assert.equal(await session.cancel({}), 1)
})

test('enqueue goes in transactions of at most 1,000 rows, from any iterable', async (t) => {
  const { daemon, session } = await scripted(t)
  async function* rows(): AsyncGenerator<{ url: string; key: string }> {
    for (let i = 0; i < 2100; i++) yield { url, key: `k${i}` }
  }
  assert.deepEqual(await session.enqueue(rows(), { start: true }), { added: 2100, existing: 0 })
  assert.deepEqual(
    daemon.callsOf('task.enqueue').map((call) => call.tasks.length),
    [1000, 1000, 100],
  )
  assert.equal(daemon.callsOf('task.enqueue')[2]?.tasks.at(-1)?.key, 'k2099')
})

test('enqueue stays below the largest frame whatever the rows weigh', async (t) => {
  const { daemon, session } = await scripted(t)
  const heavy = 'x'.repeat(60_000)
  const rows = Array.from({ length: 40 }, () => ({ url, metadata: heavy as unknown as undefined }))
  assert.deepEqual(await session.enqueue(rows), { added: 40, existing: 0 })
  for (const { tasks } of daemon.callsOf('task.enqueue')) assert.ok(JSON.stringify(tasks).length < 1 << 20)
})

test('a bad row refuses its transaction, names itself, and leaves the earlier ones', async (t) => {
  const { daemon, session } = await scripted(t)
  const rows = Array.from({ length: 1500 }, (_, at) => ({ url: at === 1234 ? 'nope' : url }))
  await assert.rejects(session.enqueue(rows), (error) => {
    assert.ok(isLonghaulError(error, 'BAD_URL'))
    assert.deepEqual([error.index, error.added], [1234, 1000])
    return true
  })
  assert.equal(daemon.callsOf('task.enqueue').length, 1)
})

test('a row that the daemon refuses is named by its place among all rows', async (t) => {
  const { daemon, session } = await scripted(t)
  let calls = 0
  daemon.answer({
    'task.enqueue': ({ tasks }) => {
      if (++calls === 2) throw new LonghaulError('DESTINATION_BUSY', 'taken', { index: 7 })
      return { tasks: tasks.map(({ id: added }) => ({ id: added, isNew: true })) }
    },
  })
  const rows = Array.from({ length: 1500 }, () => ({ url }))
  await assert.rejects(session.enqueue(rows), (error) => {
    assert.ok(isLonghaulError(error, 'DESTINATION_BUSY'))
    assert.deepEqual([error.index, error.added], [1007, 1000])
    return true
  })
})

test('the short way has the same key for the same address without its query and the same target', async (t) => {
  const { daemon } = await scripted(t)
  daemon.answer({ 'task.wait': () => succeeded })
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'd'))
  const to = join(folder, 'd', 'file')
  await download(url, { to, daemon: daemon.daemon })
  await download(url.replace('sig=1', 'sig=2'), { to: join(folder, 'd', '..', 'd', 'file'), daemon: daemon.daemon })
  await download(url, { to: join(folder, 'other'), daemon: daemon.daemon })
  await download({ url, method: 'POST' }, { to, daemon: daemon.daemon })
  const tasks = daemon.callsOf('task.add').map((call) => call.tasks[0]!)
  assert.equal(tasks[0]?.key, tasks[1]?.key)
  assert.equal(new Set(tasks.map(({ key }) => key)).size, 3)
  assert.deepEqual([tasks[0]?.again, tasks[0]?.giveUpAfterMs, tasks[0]?.start], [true, 300_000, true])
})

test('aborting the short way rejects with the reason and leaves the transfer, unless it says cancel', async (t) => {
  const { daemon } = await scripted(t)
  daemon.answer({ 'task.wait': () => new Promise(() => {}) })
  const folder = await temporaryFolder()
  for (const onAbort of ['leave running', 'cancel'] as const) {
    const abort = new AbortController()
    const reason = new Error(onAbort)
    const waiting = download(url, { to: join(folder, 'f'), signal: abort.signal, onAbort, daemon: daemon.daemon })
    await daemon.came('task.wait', onAbort === 'cancel' ? 2 : 1)
    abort.abort(reason)
    await assert.rejects(waiting, (error) => error === reason)
    assert.equal(daemon.callsOf('task.change').length, onAbort === 'cancel' ? 1 : 0)
  }
})

test('the short way reports progress, and refuses what it does not know', async (t) => {
  const { daemon } = await scripted(t)
  const folder = await temporaryFolder()
  const end = Promise.withResolvers<TaskEnd>()
  daemon.answer({
    'task.wait': () => end.promise,
    'watch.start': ({ ids }) => ({
      tasks: [someRecord(ids![0]!, { state: 'completed', progress: { received: 4, sent: 0, rate: 0 } })],
    }),
  })
  const seen: number[] = []
  const waiting = download(url, {
    to: join(folder, 'f'),
    daemon: daemon.daemon,
    onProgress: ({ received }) => {
      seen.push(received)
      end.resolve(succeeded)
    },
  })
  assert.equal((await waiting).path, '/tmp/a')
  assert.deepEqual(seen, [4])
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{}, /to/],
    [{ to: folder, onProgres: () => {} }, /'onProgress'/],
    [{ to: folder, onAbort: 'stop' }, /'cancel'/],
  ]
  for (const [options, message] of wrong) {
    await assert.rejects(
      download(url, { daemon: daemon.daemon, ...options } as unknown as { to: string }),
      (error) => isLonghaulError(error, 'INVALID_ARGUMENT') && message.test(error.message),
    )
  }
})
