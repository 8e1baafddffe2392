// What can be asked, verb by verb, and how each is refused.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import type { NewTask } from '../../src/contract/task.ts'
import { mergeHeaders } from '../../src/service/assignment-of.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { Listener, housesWithSession } from './house.ts'

const open = housesWithSession()

const refused =
  (code: LonghaulError['code'], more: Partial<LonghaulError> = {}) =>
  (error: unknown): boolean => {
    assert.ok(isLonghaulError(error, code), String(error))
    for (const [field, value] of Object.entries(more)) assert.equal(error[field as keyof LonghaulError], value)
    return true
  }

test('a second owner is refused, names the first, and changes nothing', async () => {
  const it = await open()
  const second = new Listener(88)
  const ask = it.call(
    'session.open',
    {
      identifier: 'com.example',
      configuration: { maximumActiveTasks: 1 },
      strictConfiguration: false,
      own: { methods: [], takeover: false },
    },
    { caller: second },
  )
  await assert.rejects(ask, refused('SESSION_IN_USE', { ownerPid: 77 }))
  const { configuration, changedConfiguration } = await it.call('session.open', {
    identifier: 'com.example',
    configuration: {},
    strictConfiguration: false,
  })
  assert.equal(configuration.maximumActiveTasks, 16)
  assert.deepEqual(changedConfiguration, [])
})

test('an owner that opens again applies other values, and is told which', async () => {
  const it = await open()
  const { fence } = await it.openSession('com.second')
  await it.call('session.close', { identifier: 'com.second', fence: fence! })
  const again = await it.openSession('com.second', { maximumActiveTasks: 3 })
  assert.equal(again.created, false)
  assert.deepEqual(again.changedConfiguration, ['maximumActiveTasks'])
  assert.equal(again.configuration.maximumActiveTasks, 3)
  assert.equal(again.survives, 'on demand')
})

test('a strict opener whose values differ is refused before it disturbs the present owner', async () => {
  const it = await open()
  const ask = it.call(
    'session.open',
    {
      identifier: 'com.example',
      configuration: { maximumActiveTasks: 1 },
      strictConfiguration: true,
      own: { methods: [], takeover: true },
    },
    { caller: new Listener(88) },
  )
  await assert.rejects(ask, refused('CONFIGURATION_MISMATCH'))
  assert.deepEqual(it.caller.of('ended'), [])
})

test('what is not built yet is refused in words, not taken in silence', async () => {
  const it = await open()
  for (const configuration of [
    { discretionary: true },
    { allowsExpensiveNetworkAccess: false },
    { allowsConstrainedNetworkAccess: false },
  ]) {
    const ask = it.call('session.open', { identifier: 'com.new', configuration, strictConfiguration: false })
    await assert.rejects(
      ask,
      (error) => refused('INVALID_ARGUMENT')(error) && /not in this version/.test(String(error)),
    )
  }
  assert.equal((await it.call('session.list', {})).length, 1)
})

test('sessions are listed with their owner, their counts and their events', async () => {
  const it = await open()
  const id = await it.add()
  await it.add({ start: false })
  await it.engine.of(id).finish()
  const [session] = await it.call('session.list', {})
  assert.equal(session?.identifier, 'com.example')
  assert.equal(session.ownerPid, 77)
  assert.equal(session.counts.suspended, 1)
  assert.equal(session.counts.completed, 1)
  assert.ok(session.unacknowledged >= 1)
  assert.deepEqual(await it.call('session.counts', { identifier: 'com.example' }), session.counts)
})

test('a session that does not exist is refused by name, and can be closed all the same', async () => {
  const it = await open()
  const identifier = 'com.nobody'
  await assert.rejects(it.call('session.counts', { identifier }), refused('INVALID_ARGUMENT'))
  await assert.rejects(it.call('task.add', { session: identifier, tasks: [it.newTask()] }), refused('INVALID_ARGUMENT'))
  assert.equal(await it.call('session.close', { identifier, fence: 1 }), null)
})

test('a session is dropped only when nobody owns it', async () => {
  const it = await open()
  await assert.rejects(
    it.call('session.drop', { identifier: 'com.example' }),
    refused('SESSION_IN_USE', { ownerPid: 77 }),
  )
  it.life.service.gone(it.caller)
  await it.call('session.drop', { identifier: 'com.example' })
  assert.deepEqual(await it.call('session.list', {}), [])
})

test('a session that finishes names what it waits for, and takes no new tasks', async () => {
  const it = await open()
  const id = await it.add({ start: false })
  assert.deepEqual(await it.call('session.finish', { identifier: 'com.example', how: 'finish' }), { waitingFor: [id] })
  await assert.rejects(it.add(), refused('SESSION_INVALIDATED'))
})

test('cancelling a session stops all its attempts', async () => {
  const it = await open()
  await it.add()
  await it.add()
  assert.equal(it.engine.running.length, 2)
  await it.call('session.finish', { identifier: 'com.example', how: 'cancel' })
  assert.equal(it.engine.running.length, 0)
})

test('tasks are found by their end, by number and by filter, and changed by filter', async () => {
  const it = await open()
  const id = await it.add({ start: false, tags: ['big'] })
  const other = await it.add({ start: false })
  const found = async (text: string): Promise<readonly string[]> =>
    (await it.call('task.find', { text })).map((task) => task.id)
  assert.deepEqual(await found(id.slice(-8)), [id])
  assert.deepEqual(await found('com.example/2'), [other])
  assert.deepEqual(await found('nothing-like-it'), [])
  assert.equal((await it.call('task.get', { session: 'com.example', taskIdentifier: 1 }))?.id, id)
  assert.equal(await it.call('task.get', { id: '01ARZ3NDEKTSV4RRFFQ69G5FAV' }), null)
  const targets = { session: 'com.example', filter: { tag: 'big' } }
  assert.deepEqual(await it.call('task.change', { targets, change: { kind: 'resume' } }), { changed: 1 })
  assert.ok(it.engine.isRunning(id))
  assert.ok(!it.engine.isRunning(other))
})

test('a completed task is retried as a new one', async () => {
  const it = await open()
  const id = await it.add()
  await it.change(id, 'cancel')
  const newId = it.newTask().id
  const { task, isNew } = await it.call('task.retry', { id, newId })
  assert.equal(isNew, true)
  assert.equal(task.retryOf, id)
  assert.ok(it.engine.isRunning(newId))
})

test('explaining a failed task offers a retry and names the cause and every attempt', async () => {
  const it = await open()
  const id = await it.add()
  await it.engine.of(id).fail()
  await it.clock.advance(2000)
  await it.engine.of(id).fail(new LonghaulError('HTTP_STATUS', '404', { status: 404 }), { kind: 'final' })
  const explained = await it.call('task.explain', { id })
  assert.equal(explained.phase, 'completed')
  assert.deepEqual(explained.remedies, ['retry'])
  assert.equal(explained.cause?.code, 'HTTP_STATUS')
  assert.deepEqual(
    explained.attempts.map(({ number, cause }) => [number, cause?.code]),
    [
      [1, 'NETWORK_CONNECTION_LOST'],
      [2, 'HTTP_STATUS'],
    ],
  )
  await assert.rejects(it.call('task.explain', { id: 'nothing' }), refused('INVALID_ARGUMENT'))
})

test('bytes of a server without ranges are not explained as kept', async () => {
  const it = await open()
  const id = await it.add()
  const attempt = it.engine.of(id)
  await attempt.reserve()
  await attempt.report.checkpoint({
    part: { folder: attempt.assignment.folder, name: `.${id.slice(-8)}.longhaul-part` },
    identity: { inode: '1', birthMs: 1, device: '1' },
    ranges: [[0, 400]],
    representation: { etag: '"a"', total: 1000, acceptsRanges: false },
  })
  await attempt.fail()
  const { kept } = await it.call('task.explain', { id })
  assert.equal(kept.bytes, 0)
})

test('explaining an interrupted download says how much is kept and how it is known', async () => {
  const it = await open()
  const id = await it.add()
  const attempt = it.engine.of(id)
  await attempt.reserve()
  await attempt.checkpoint(400, 1000)
  await attempt.report.resumed({ offset: 0, total: 1000, proof: 'strong ETag' })
  await attempt.fail()
  const { kept } = await it.call('task.explain', { id })
  assert.deepEqual(kept, { bytes: 400, total: 1000, proof: 'strong ETag', validator: '"a"' })
})

test('a destination that cannot work is refused at enqueue with the row, and nothing is added', async () => {
  const it = await open()
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'sub'))
  await writeFile(join(folder, 'taken'), 'x')
  const file = (name: string, more: Partial<NewTask> = {}): NewTask =>
    it.newTask({ destination: { kind: 'file', folder, name }, start: false, ...more })
  const add = (task: NewTask): Promise<unknown> =>
    it.call('task.add', { session: 'com.example', tasks: [file(`fine-${task.id}`), task] })
  await assert.rejects(add(file('taken', { ifExists: 'fail' })), refused('DESTINATION_EXISTS', { index: 1 }))
  await assert.rejects(add(file('sub')), refused('FILE_IS_DIRECTORY', { index: 1 }))
  const gone = { kind: 'folder', folder: join(folder, 'gone') } as const
  await assert.rejects(add(it.newTask({ destination: gone })), refused('DESTINATION_UNAVAILABLE', { index: 1 }))
  const notAFolder = { kind: 'folder', folder: join(folder, 'taken') } as const
  await assert.rejects(add(it.newTask({ destination: notAFolder })), refused('CANNOT_CREATE_FILE', { index: 1 }))
  assert.equal((await it.call('session.counts', {})).suspended, 0)
  await add(file('taken', { ifExists: 'replace' }))
  await add(file('new', { ifExists: 'fail' }))
  assert.equal((await it.call('session.counts', {})).suspended, 4)
})

test('a repeat of a call whose answer was lost is not refused for the file that it made', async () => {
  const it = await open()
  const folder = await temporaryFolder()
  const task = it.newTask({ destination: { kind: 'file', folder, name: 'mine' }, ifExists: 'fail' })
  await it.call('task.add', { session: 'com.example', tasks: [task] })
  await writeFile(join(folder, 'mine'), 'x')
  await it.engine.of(task.id).finish()
  const again = await it.call('task.add', { session: 'com.example', tasks: [task] })
  assert.deepEqual(
    again.tasks.map(({ isNew }) => isNew),
    [false],
  )
  const other = it.newTask({ destination: { kind: 'file', folder, name: 'mine' }, ifExists: 'fail' })
  const both = it.call('task.add', { session: 'com.example', tasks: [task, other] })
  await assert.rejects(both, refused('DESTINATION_EXISTS', { index: 1 }))
})

test('a watch of nothing is refused', async () => {
  const it = await open()
  await assert.rejects(it.call('watch.start', { watch: 1, intervalMs: 100 }), refused('INVALID_ARGUMENT'))
})

test('the daemon says what it is, what it does and why it stays', async () => {
  const it = await open()
  await it.add()
  const status = await it.call('daemon.status', {})
  assert.equal(status.pid, 4711)
  assert.equal(status.counts.active, 1)
  assert.equal(status.sessions, 1)
  assert.equal(status.connections, 2)
  assert.equal(status.journalWritable, true)
  assert.deepEqual(status.keptBy, ['1 task not yet completed'])
})

test('additional headers of the session stand under the request, names compared without case', () => {
  assert.deepEqual(
    mergeHeaders(
      [['accept', 'image/png']],
      [
        ['Accept', '*/*'],
        ['X-App', '1'],
      ],
    ),
    [
      ['accept', 'image/png'],
      ['X-App', '1'],
    ],
  )
})

test('values of the task stand above those of the session', async () => {
  const it = await open()
  await it.openSession('com.tuned', {
    timeoutIntervalForRequestMs: 5000,
    acceptableStatusCodes: 'any',
    tls: { ca: ['A'], minimumVersion: 'TLSv1.2' },
    httpAdditionalHeaders: [['X-App', '1']],
  })
  const own = { timeoutIntervalForRequestMs: 9000, tls: { minimumVersion: 'TLSv1.3' } } as const
  const { assignment } = it.engine.of(await it.add({ policy: own }, 'com.tuned'))
  assert.equal(assignment.policy.stallMs, 9000)
  assert.equal(assignment.policy.acceptableStatusCodes, 'any')
  assert.deepEqual(assignment.policy.tls, { ca: ['A'], minimumVersion: 'TLSv1.3' })
  assert.deepEqual(assignment.request.headers, [['X-App', '1']])
  assert.equal(assignment.folder, '/home/spool')
  assert.equal(assignment.spooled, true)
})

test('an assignment can cross to another thread', async () => {
  const it = await open()
  const { assignment } = it.engine.of(await it.add())
  assert.deepEqual(structuredClone(assignment), assignment)
})

test('an enqueue that follows another is done after it, and not at all when that one was refused', async () => {
  const it = await open()
  const enqueue = (tasks: readonly NewTask[], position: number, chain = 1): Promise<unknown> =>
    it.call('task.enqueue', { session: 'com.example', tasks, follows: { chain, position } })
  const taken = it.newTask({ key: 'k' })
  const [first, second] = [it.newTask(), it.newTask()]
  // Sent at once; the second is quicker to check.
  await Promise.all([enqueue([taken, first], 0), enqueue([second], 1)])
  const numbers = await Promise.all([first, second].map(async ({ id }) => (await it.get(id)).taskIdentifier))
  assert.ok(numbers[0]! < numbers[1]!)

  const other = it.newTask({ key: 'k', request: { url: 'http://127.0.0.1:9/another', method: 'GET', headers: [] } })
  const late = it.newTask()
  const answers = await Promise.allSettled([enqueue([other], 0, 2), enqueue([late], 1, 2), enqueue([late], 2, 2)])
  assert.deepEqual(
    answers.map((answer) => (answer.status === 'rejected' ? (answer.reason as LonghaulError).code : 'done')),
    ['INVALID_ARGUMENT', 'CANCELLED', 'CANCELLED'],
  )
  // Without the call that it follows, as on a new connection.
  await assert.rejects(enqueue([late], 5, 3), refused('CANCELLED'))
  assert.equal(await it.call('task.get', { id: late.id }), null)
})
