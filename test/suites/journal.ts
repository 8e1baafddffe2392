// What every form of the journal has to do: in the calling thread, in its own, and one day on another machine.
// One long list, so that no form can be held to less than another.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isLonghaulError, type ErrorCode } from '../../src/contract/errors.ts'
import type { Destination } from '../../src/contract/task.ts'
import type { TaskId } from '../../src/contract/words.ts'
import type { AttemptEnd, StartedAttempt } from '../../src/journal/journal.ts'
import {
  day,
  errorJson,
  hour,
  identity,
  lost,
  measure,
  minute,
  requestOf,
  response,
  second,
  Subject,
  type OpenJournal,
} from './journal-subject.ts'

const refused =
  (code: ErrorCode, more: { readonly index?: number; readonly task?: TaskId; readonly says?: RegExp } = {}) =>
  (error: unknown): true => {
    assert.ok(isLonghaulError(error, code), `${String(error)} is no ${code}`)
    if (more.index !== undefined) assert.equal(error.index, more.index)
    if (more.task !== undefined) assert.equal(error.task, more.task)
    if (more.says !== undefined) assert.match(error.message, more.says)
    return true
  }

export function journalSuite(form: string, open: OpenJournal): void {
  const check = (name: string, body: (subject: Subject) => Promise<void>): void => {
    test(name, async () => {
      const subject = await Subject.open(open)
      await body(subject)
      await subject.close()
    })
  }

  describe(`the journal ${form}: events`, () => {
    check('come from the commit of their cause, numbered one after the other', async (s) => {
      const owner = await s.owned()
      const [first, next] = await s.add(owner.session, {}, {})
      s.consequences.length = 0
      await s.complete(first!)
      await s.fail(next!)
      const events = await s.take(owner)
      assert.deepEqual(
        events.map(({ sequence, kind, task }) => [sequence, kind, task?.id]),
        [
          [1, 'didFinishDownloading', first],
          [2, 'didFinishCollectingMetrics', first],
          [3, 'didComplete', first],
          [4, 'didFinishCollectingMetrics', next],
          [5, 'didComplete', next],
        ],
      )
      assert.deepEqual(events[0]!.body, { location: `/spool/${first}.file`, spooled: true })
      assert.deepEqual(events[4]!.body, { error: errorJson('HTTP_STATUS') })
      assert.equal(events[2]!.task!.state, 'completed')
      assert.equal(events[2]!.timeMs, s.wallMs)
      const told = s.consequences.filter(({ ended }) => ended.length > 0)
      assert.deepEqual(
        told.map(({ ended, events: sessions }) => [ended, sessions]),
        [
          [[first], [owner.session]],
          [[next], [owner.session]],
        ],
      )
    })

    check('come again with the same number and redelivered until they are acknowledged, then never', async (s) => {
      const owner = await s.owned()
      await s.complete(await s.addOne(owner.session))
      assert.deepEqual(
        (await s.take(owner)).map(({ redelivered }) => redelivered),
        [false, false, false],
      )
      const again = await s.take(owner)
      assert.deepEqual(
        again.map(({ sequence, redelivered }) => [sequence, redelivered]),
        [
          [1, true],
          [2, true],
          [3, true],
        ],
      )
      const answer = await s.journal.acknowledge({ ...owner, sequences: [1, 3, 3, 99], at: s.at })
      assert.deepEqual(answer, { found: 'recorded', acknowledged: 2 })
      assert.deepEqual(
        (await s.take(owner)).map(({ sequence }) => sequence),
        [2],
      )
      assert.equal((await s.journal.listSessions({}))[0]!.unacknowledged, 1)
    })

    check('are taken from after a number, and no more than asked for', async (s) => {
      const owner = await s.owned()
      await s.complete(await s.addOne(owner.session))
      const taken = await s.journal.takeEvents({ ...owner, after: 1, limit: 1 })
      assert.ok(taken.found === 'taken')
      assert.deepEqual(
        taken.events.map(({ sequence }) => sequence),
        [2],
      )
    })

    check('say whether others come behind them, by number and by weight', async (s) => {
      const owner = await s.owned()
      const metadata = JSON.stringify('字'.repeat(20_000))
      const heavy = { ...lost, message: '字'.repeat(80_000) }
      for (let i = 0; i < 2; i++)
        await s.end(await s.start(await s.addOne(owner.session, { metadata })), { kind: 'fail', error: heavy })
      const taken = async (after: number, limit: number): Promise<readonly unknown[]> => {
        const answer = await s.journal.takeEvents({ ...owner, after, limit })
        assert.ok(answer.found === 'taken')
        return [answer.events.map(({ sequence }) => sequence), answer.more]
      }
      // Of each task its metrics and its end. Both bring its record, which has the error, and the end says it again.
      assert.deepEqual(await taken(0, 100), [[1, 2], true])
      assert.deepEqual(await taken(1, 100), [[2, 3], true])
      assert.deepEqual(await taken(2, 100), [[3, 4], false])
      assert.deepEqual(await taken(0, 1), [[1], true])
      assert.deepEqual(await taken(4, 100), [[], false])
    })

    check('are taken by the first at least, whatever it weighs', async (s) => {
      const owner = await s.owned()
      const heavy = { ...lost, message: 'x'.repeat(3 << 20) }
      await s.end(await s.start(await s.addOne(owner.session)), { kind: 'fail', error: heavy })
      const taken = await s.journal.takeEvents({ ...owner, after: 0, limit: 100 })
      assert.ok(taken.found === 'taken')
      assert.deepEqual([taken.events.length, taken.more], [1, true])
    })

    check('are neither given to nor acknowledged by an owner with an old fence', async (s) => {
      const former = await s.owned()
      await s.complete(await s.addOne(former.session))
      await s.take(former)
      const owner = await s.owned()
      assert.ok(owner.fence > former.fence)
      assert.deepEqual(await s.journal.takeEvents({ ...former, after: 0, limit: 9 }), { found: 'fenced' })
      const late = await s.journal.acknowledge({ ...former, sequences: [1, 2, 3], at: s.at })
      assert.deepEqual(late, { found: 'fenced' })
      assert.deepEqual(await s.journal.detach(former), { found: 'fenced' })
      assert.deepEqual(await s.journal.queueDidFinishEvents({ ...former, at: s.at, blocked: [] }), { found: 'fenced' })
      assert.deepEqual(
        (await s.take(owner)).map(({ sequence, redelivered }) => [sequence, redelivered]),
        [
          [1, true],
          [2, true],
          [3, true],
        ],
      )
    })

    check('cannot be acknowledged before they were given', async (s) => {
      const owner = await s.owned()
      await s.complete(await s.addOne(owner.session))
      const early = await s.journal.acknowledge({ ...owner, sequences: [1, 2, 3], at: s.at })
      assert.deepEqual(early, { found: 'recorded', acknowledged: 0 })
      assert.equal((await s.take(owner)).length, 3)
    })

    check('are not kept before the first owner or launch command, and tasks need a destination then', async (s) => {
      const { session } = await s.openSession('com.example.quiet', { owner: false })
      assert.equal(session.keepsEvents, false)
      const spooled = s.journal.addTasks({ session: session.id, tasks: [s.newTask()], at: s.at })
      await assert.rejects(spooled, refused('INVALID_ARGUMENT', { index: 0, says: /to: is missing/ }))
      const id = await s.addOne(session.id, { destination: { kind: 'file', folder: '/d', name: 'a' } })
      await s.fail(id)
      const owner = await s.owned('com.example.quiet')
      assert.deepEqual(await s.kinds(owner), [])
      const launched = await s.openSession('com.example.launched', { owner: false, launch: { command: '/app' } })
      assert.equal(launched.session.keepsEvents, true)
    })

    check('say that all events are done once, with what is blocked', async (s) => {
      const owner = await s.owned()
      const id = await s.addOne(owner.session)
      for (let i = 0; i < 2; i++) await s.journal.queueDidFinishEvents({ ...owner, at: s.at, blocked: [id] })
      const events = await s.take(owner)
      assert.deepEqual(
        events.map(({ kind, body, task }) => [kind, body, task]),
        [['didFinishEvents', { blocked: [id] }, undefined]],
      )
    })

    check('tell of an attempt that goes on from kept bytes', async (s) => {
      const owner = await s.owned()
      const id = await s.addOne(owner.session)
      await s.retry(await s.startWithBytes(id))
      s.pass(minute)
      await s.wakeDue()
      const attempt = await s.start(id)
      assert.deepEqual(attempt.part, {
        folder: '/spool',
        name: `${id}.part`,
        identity,
        ranges: [[0, 40]],
        representation: { etag: '"1"', total: 100, acceptsRanges: true },
      })
      const facts = { task: id, fence: attempt.fence, at: s.at, offset: 40, total: 100, proof: 'strong ETag' as const }
      assert.deepEqual(await s.journal.resumed(facts), { found: 'recorded' })
      const [event] = await s.take(owner)
      assert.deepEqual([event!.kind, event!.body], ['didResumeAtOffset', { fileOffset: 40, expectedTotalBytes: 100 }])
      assert.equal((await s.journal.explainFacts({ at: s.at, id }))!.attempts.at(-1)!.proof, 'strong ETag')
    })
  })

  describe(`the journal ${form}: new tasks`, () => {
    check('a repeated id is the same task', async (s) => {
      const { session } = await s.owned()
      const task = s.newTask()
      const first = await s.journal.addTasks({ session, tasks: [task], at: s.at })
      const again = await s.journal.addTasks({ session, tasks: [task], at: s.at })
      assert.deepEqual([first.tasks[0]!.isNew, again.tasks[0]!.isNew], [true, false])
      assert.deepEqual(again.tasks[0]!.task, first.tasks[0]!.task)
      assert.equal((await s.journal.counts({})).queued, 1)
      const other = await s.owned('com.example.other')
      await assert.rejects(
        s.journal.addTasks({ session: other.session, tasks: [task], at: s.at }),
        refused('INVALID_ARGUMENT', { index: 0 }),
      )
    })

    check('one bad row refuses its whole call and is named', async (s) => {
      const { session } = await s.owned()
      const tasks = [s.newTask(), s.newTask(), s.newTask({ url: 'ftp://x/y' })]
      await assert.rejects(s.journal.addTasks({ session, tasks, at: s.at }), refused('UNSUPPORTED_URL', { index: 2 }))
      await assert.rejects(
        s.journal.addTasks({ session, tasks: [s.newTask({ url: 'not a url' })], at: s.at }),
        refused('BAD_URL', { index: 0 }),
      )
      await assert.rejects(
        s.journal.addTasks({ session, tasks: [s.newTask({ after: ['01ARZ3NDEKTSV4RRFFQ69G5FAV'] })], at: s.at }),
        refused('INVALID_ARGUMENT', { index: 0, says: /after/ }),
      )
      assert.deepEqual((await s.journal.page({ filter: {}, completed: false, limit: 10 })).tasks, [])
      assert.equal((await s.record(await s.addOne(session))).taskIdentifier, 1)
    })

    check('a record shows what was asked for', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session, {
        url: 'http://127.0.0.1:1/a?b=c',
        description: 'words',
        metadata: '{"a":1}',
        tags: ['x'],
        key: 'k',
        priority: 0,
        destination: { kind: 'folder', folder: '/d' },
        start: false,
      })
      assert.deepEqual(await s.record(id), {
        id,
        taskIdentifier: 1,
        session: 'com.example.app',
        kind: 'download',
        state: 'suspended',
        phase: 'suspended',
        gate: 'suspended',
        description: 'words',
        metadata: '{"a":1}',
        tags: ['x'],
        key: 'k',
        priority: 0,
        originalRequest: requestOf('http://127.0.0.1:1/a?b=c'),
        currentRequest: requestOf('http://127.0.0.1:1/a?b=c'),
        progress: { received: 0, sent: 0, rate: 0 },
        destination: { kind: 'folder', folder: '/d' },
        attempts: 0,
        createdAtMs: s.wallMs,
      })
    })

    check('the same key finds the same task and brings it a fresh query and headers', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session, { key: 'k', request: requestOf('http://127.0.0.1/f?sig=1') })
      const fresh = requestOf('http://127.0.0.1/f?sig=2', [['authorization', 'x']])
      const again = await s.journal.addTasks({ session, tasks: [s.newTask({ key: 'k', request: fresh })], at: s.at })
      assert.equal(again.tasks[0]!.isNew, false)
      assert.equal(again.tasks[0]!.task.id, id)
      assert.deepEqual(again.tasks[0]!.task.currentRequest, fresh)
      assert.deepEqual((await s.start(id)).request, fresh)
    })

    check('a key that belongs to another transfer is refused, whatever differs', async (s) => {
      const { session } = await s.owned()
      const digest = [{ algorithm: 'sha-256' as const, hex: 'aa' }]
      const first = { key: 'k', request: requestOf('http://127.0.0.1/f'), expectedDigests: digest }
      const id = await s.addOne(session, first)
      const others = [
        { ...first, request: { ...first.request, method: 'POST' } },
        { ...first, request: requestOf('http://127.0.0.1/g') },
        { ...first, destination: { kind: 'file' as const, folder: '/d', name: 'f' } },
        { ...first, expectedDigests: [{ algorithm: 'sha-256' as const, hex: 'bb' }] },
      ]
      for (const other of others)
        await assert.rejects(
          s.journal.addTasks({ session, tasks: [s.newTask(other)], at: s.at }),
          refused('INVALID_ARGUMENT', { index: 0, task: id, says: /key/ }),
        )
    })

    check('a key that finds a failed task makes a new one that adopts its bytes', async (s) => {
      const { session } = await s.owned()
      const failed = await s.addOne(session, { key: 'k' })
      await s.end(await s.startWithBytes(failed), { kind: 'fail', error: lost })
      const added = await s.journal.addTasks({ session, tasks: [s.newTask({ key: 'k' })], at: s.at })
      const { task, isNew } = added.tasks[0]!
      assert.ok(isNew)
      assert.equal(task.retryOf, failed)
      assert.equal(task.progress.received, 40)
      assert.equal((await s.start(task.id)).part?.name, `${failed}.part`)
      assert.equal((await s.record(failed)).gate, 'done')
      assert.equal((await s.record(failed)).key, 'k')
    })

    check(
      'a key that finds a finished task answers with it, or revalidates what it left when asked again',
      async (s) => {
        const { session } = await s.owned()
        const done = await s.addOne(session, { key: 'k' })
        await s.complete(done)
        const same = await s.journal.addTasks({ session, tasks: [s.newTask({ key: 'k' })], at: s.at })
        assert.deepEqual([same.tasks[0]!.task.id, same.tasks[0]!.isNew], [done, false])
        const again = await s.addOne(session, { key: 'k', again: true })
        assert.notEqual(again, done)
        const attached = await s.journal.addTasks({ session, tasks: [s.newTask({ key: 'k', again: true })], at: s.at })
        assert.deepEqual([attached.tasks[0]!.task.id, attached.tasks[0]!.isNew], [again, false])
        const attempt = await s.start(again)
        assert.deepEqual(attempt.delivered, {
          file: { folder: '/spool', name: `${done}.file`, identity, size: 100, modifiedMs: 9 },
          response,
          representation: { etag: '"1"', total: 100, acceptsRanges: true },
          lengthVerified: true,
        })
        // Not modified: what it left is handed on to the next one.
        const delivered = attempt.delivered.file
        await s.journal.finish({
          task: again,
          fence: attempt.fence,
          at: s.at,
          result: { path: '/spool/x', bytes: 100, lengthVerified: true, notModified: true },
          response: { ...response, status: 304 },
          delivered,
          measure,
        })
        const third = await s.start(await s.addOne(session, { key: 'k', again: true }))
        assert.deepEqual(third.delivered?.file, delivered)
        assert.deepEqual(third.delivered?.representation, { etag: '"1"', total: 100, acceptsRanges: true })
      },
    )

    check('a file whose length nobody proved is told as such to the task that may revalidate it', async (s) => {
      const { session } = await s.owned()
      const attempt = await s.startWithBytes(await s.addOne(session, { key: 'k' }))
      await s.intent(attempt, { lengthVerified: false })
      await s.finish(attempt, { lengthVerified: false })
      const again = await s.start(await s.addOne(session, { key: 'k', again: true }))
      assert.equal(again.delivered?.lengthVerified, false)
    })

    check('two live tasks never write to one destination, and it is free again at the end', async (s) => {
      const { session } = await s.owned()
      const destination = { kind: 'file' as const, folder: '/d', name: 'f' }
      const first = await s.addOne(session, { destination })
      const second = s.journal.addTasks({ session, tasks: [s.newTask({ destination })], at: s.at })
      await assert.rejects(second, refused('DESTINATION_BUSY', { index: 0, task: first }))
      await s.addOne(session, { destination: { ...destination, name: 'F' } })
      await s.change([first], { kind: 'cancel' })
      await s.addOne(session, { destination })
    })

    check('names that a server chose are reserved when they are known, in turn for keepBoth', async (s) => {
      const { session } = await s.owned()
      const ids = await s.add(session, {}, {}, {})
      const wanted = { destination: { folder: '/d', names: ['f', 'f (1)'] } }
      const attempts = await Promise.all(ids.map((id) => s.start(id)))
      assert.deepEqual(await s.reserve(attempts[0]!, wanted), { found: 'reserved', name: 'f' })
      assert.deepEqual(await s.reserve(attempts[1]!, wanted), { found: 'reserved', name: 'f (1)' })
      assert.deepEqual(await s.reserve(attempts[2]!, wanted), { found: 'busy', by: ids[0] })
      assert.deepEqual(await s.reserve(attempts[0]!, wanted), { found: 'reserved', name: 'f' })
    })

    check('one folder by two paths is one place: a name there is given to one live task', async (s) => {
      const { session } = await s.owned()
      const ids = await s.add(session, {}, {}, {})
      const attempts = await Promise.all(ids.map((id) => s.start(id)))
      const place = { device: '7', inode: '12' }
      const at = (folder: string, ...names: readonly string[]) => ({ destination: { folder, names, place } })
      assert.deepEqual(await s.reserve(attempts[0]!, at('/d', 'f')), { found: 'reserved', name: 'f' })
      assert.deepEqual(await s.reserve(attempts[1]!, at('/mounted', 'f')), { found: 'busy', by: ids[0] })
      assert.deepEqual(await s.reserve(attempts[1]!, at('/mounted', 'f', 'f (1)')), {
        found: 'reserved',
        name: 'f (1)',
      })
      assert.deepEqual(await s.reserve(attempts[0]!, at('/d', 'f')), { found: 'reserved', name: 'f' })
      const elsewhere = { destination: { folder: '/mounted', names: ['f'], place: { device: '7', inode: '13' } } }
      assert.deepEqual(await s.reserve(attempts[2]!, elsewhere), { found: 'reserved', name: 'f' })
      await s.finish(attempts[0]!)
      assert.deepEqual(await s.reserve(attempts[1]!, at('/third', 'f')), { found: 'reserved', name: 'f' })
    })

    check('a name that is the same one where names fold is told, and others are not', async (s) => {
      const { session } = await s.owned()
      const ids = await s.add(session, {}, {}, {}, {})
      const attempts = await Promise.all(ids.map((id) => s.start(id)))
      const place = { device: '7', inode: '12' }
      const at = (name: string) => ({ destination: { folder: '/d', names: [name], place } })
      const name = 'R\u00e9sum\u00e9.PDF'
      assert.deepEqual(await s.reserve(attempts[0]!, at(name)), { found: 'reserved', name })
      const other = 're\u0301sume\u0301.pdf'
      assert.deepEqual(await s.reserve(attempts[1]!, at(other)), { found: 'reserved', name: other, alike: ids[0] })
      const longer = `${name}.gz`
      assert.deepEqual(await s.reserve(attempts[2]!, at(longer)), { found: 'reserved', name: longer })
      const otherFolder = { destination: { folder: '/e', names: [name], place: { device: '8', inode: '12' } } }
      assert.deepEqual(await s.reserve(attempts[3]!, otherFolder), { found: 'reserved', name })
    })

    check('an intent takes the name that it publishes, unless another task has it', async (s) => {
      const { session } = await s.owned()
      const destination = { kind: 'folder' as const, folder: '/d' }
      const ids = await s.add(session, { destination }, { destination })
      const attempts = [await s.startWithBytes(ids[0]!), await s.startWithBytes(ids[1]!)]
      assert.deepEqual(await s.intent(attempts[0]!, { folder: '/d', name: 'f' }), { found: 'recorded' })
      assert.deepEqual(await s.intent(attempts[1]!, { folder: '/d', name: 'f' }), { found: 'busy', by: ids[0] })
      assert.equal(await s.gate(ids[1]!), 'active')
      assert.deepEqual(await s.intent(attempts[1]!, { folder: '/d', name: 'f (1)' }), { found: 'recorded' })
    })

    check('a retry adopts the bytes of a task that has ended, once, and the old one keeps its history', async (s) => {
      const { session } = await s.owned()
      const old = await s.addOne(session, { key: 'k', destination: { kind: 'file', folder: '/d', name: 'f' } })
      await assert.rejects(
        s.journal.retryTask({ id: old, newId: s.id(), at: s.at }),
        refused('INVALID_ARGUMENT', { task: old, says: /tryNow/ }),
      )
      await s.end(await s.startWithBytes(old), { kind: 'fail', error: errorJson('DESTINATION_EXISTS') })
      const newId = s.id()
      const input = {
        id: old,
        newId,
        at: s.at,
        headers: [['a', 'b']] as const,
        destination: { kind: 'file' as const, folder: '/d', name: 'g' },
      }
      const first = await s.journal.retryTask(input)
      assert.deepEqual([first.isNew, first.task.retryOf, first.task.key], [true, old, 'k'])
      const again = await s.journal.retryTask(input)
      assert.deepEqual([again.isNew, again.task], [false, first.task])
      const attempt = await s.start(newId)
      assert.deepEqual(attempt.part?.ranges, [[0, 40]])
      assert.deepEqual(attempt.request.headers, [['a', 'b']])
      assert.deepEqual(attempt.destination, input.destination)
      assert.equal((await s.journal.explainFacts({ at: s.at, id: old }))!.attempts.length, 1)
      assert.equal((await s.journal.explainFacts({ at: s.at, id: old }))!.part, undefined)
    })
  })

  describe(`the journal ${form}: suspend, hold, cancel`, () => {
    check('suspends and resumes nest, and surplus resumes do nothing', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session, { start: false })
      assert.equal(await s.gate(id), 'suspended')
      assert.deepEqual(await s.change([id], { kind: 'suspend' }), { changed: 1 })
      await s.change([id], { kind: 'resume' })
      assert.equal(await s.gate(id), 'suspended')
      await s.change([id], { kind: 'resume' })
      assert.equal(await s.gate(id), 'ready')
      assert.deepEqual(await s.change([id], { kind: 'resume' }), { changed: 0 })
      await s.change([id], { kind: 'suspend' })
      assert.equal(await s.gate(id), 'suspended')
    })

    check("a person's hold stands apart from the app's suspend", async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session, { start: false })
      await s.change([id], { kind: 'hold' })
      await s.change([id], { kind: 'resume' })
      assert.deepEqual([await s.gate(id), (await s.record(id)).state], ['held', 'suspended'])
      await s.change([id], { kind: 'release' })
      assert.equal(await s.gate(id), 'ready')
      assert.deepEqual(await s.change([id], { kind: 'release' }), { changed: 0 })
    })

    for (const [kind, why, gate] of [
      ['suspend', 'suspended', 'suspended'],
      ['hold', 'held', 'held'],
      ['cancel', 'cancelled', 'done'],
    ] as const) {
      check(
        `${kind} stops the attempt that runs, and what it still writes changes nothing but the bytes that are safe`,
        async (s) => {
          const owner = await s.owned()
          const id = await s.addOne(owner.session)
          const attempt = await s.startWithBytes(id)
          s.consequences.length = 0
          await s.change([id], { kind })
          assert.deepEqual(
            s.consequences.flatMap(({ stop }) => stop),
            [{ task: id, why }],
          )
          assert.equal(await s.gate(id), gate)
          await assertFenced(s, attempt, owner, 'its last checkpoint')
          assert.equal((await s.record(id)).progress.received, 40)
          // What it had on disk by then counts, until another attempt writes.
          assert.deepEqual(await s.checkpoint(attempt, 70), { found: 'recorded' })
          assert.equal(await s.gate(id), gate)
          if (kind === 'cancel') {
            const { task } = await s.journal.retryTask({ id, newId: s.id(), at: s.at })
            assert.deepEqual((await s.journal.explainFacts({ at: s.at, id: task.id }))!.part?.ranges, [[0, 70]])
            await assertFenced(s, attempt, owner)
            return
          }
          await s.change([id], { kind: kind === 'hold' ? 'release' : 'resume' })
          const next = await s.start(id)
          assert.deepEqual(next.part?.ranges, [[0, 70]])
          await assertFenced(s, attempt, owner)
        },
      )
    }

    check('an attempt that ended cannot write any more after the next one has ended, either', async (s) => {
      const owner = await s.owned()
      const id = await s.addOne(owner.session)
      const first = await s.startWithBytes(id)
      await s.end(first, { kind: 'stopped' })
      const second = await s.startWithBytes(id)
      await s.end(second, { kind: 'stopped' })
      await assertFenced(s, first, owner)
      await assertFenced(s, second, owner)
    })

    check('an attempt that ended cannot write any more, nor can one with another fence', async (s) => {
      const owner = await s.owned()
      const id = await s.addOne(owner.session)
      const attempt = await s.startWithBytes(id)
      await assertFenced(s, { ...attempt, fence: attempt.fence - 1 }, owner)
      await assertFenced(s, { ...attempt, fence: attempt.fence + 1 }, owner)
      await s.retry(attempt)
      await assertFenced(s, attempt, owner)
      assert.deepEqual(await s.journal.startAttempt({ task: id, at: s.at }), { found: 'not ready', gate: 'backoff' })
      assert.deepEqual(await s.journal.startAttempt({ task: s.id(), at: s.at }), {
        found: 'not ready',
        gate: undefined,
      })
    })

    check('cancel ends a task once and frees what it holds', async (s) => {
      const owner = await s.owned()
      const ids = await s.add(owner.session, {}, { start: false })
      assert.deepEqual(await s.change(ids, { kind: 'cancel' }), { changed: 2 })
      assert.deepEqual(await s.change(ids, { kind: 'cancel' }), { changed: 0 })
      const record = await s.record(ids[0]!)
      assert.deepEqual([record.state, record.error?.code, record.completedAtMs], ['completed', 'CANCELLED', s.wallMs])
      assert.deepEqual(await s.kinds(owner), [
        'didFinishCollectingMetrics',
        'didComplete',
        'didFinishCollectingMetrics',
        'didComplete',
      ])
    })

    check('a cancel after the intent is remembered, and a finished task is finished', async (s) => {
      const owner = await s.owned()
      const id = await s.addOne(owner.session)
      const attempt = await s.startWithBytes(id)
      await s.intent(attempt)
      s.consequences.length = 0
      await s.change([id], { kind: 'cancel' })
      assert.deepEqual(
        s.consequences.flatMap(({ stop }) => stop),
        [],
      )
      assert.deepEqual([await s.gate(id), (await s.record(id)).state], ['publishing', 'canceling'])
      assert.deepEqual(await s.finish(attempt), { found: 'recorded' })
      assert.equal((await s.record(id)).error, undefined)
      assert.equal((await s.kinds(owner)).filter((kind) => kind === 'didComplete').length, 1)
    })

    for (const end of [
      { kind: 'fail', error: lost },
      { kind: 'wait', gate: 'destination', cause: lost, wakeAtMs: 2_000_000 },
    ] as const) {
      check(`a remembered cancel wins when publishing ends in ${end.kind}`, async (s) => {
        const owner = await s.owned()
        const id = await s.addOne(owner.session)
        const attempt = await s.startWithBytes(id)
        await s.intent(attempt)
        await s.change([id], { kind: 'cancel' })
        assert.deepEqual(await s.end(attempt, end), { found: 'recorded' })
        assert.equal((await s.record(id)).error?.code, 'CANCELLED')
        assert.deepEqual(await s.kinds(owner), ['didFinishCollectingMetrics', 'didComplete'])
      })
    }

    check(
      'a remembered cancel claims nothing of a file that may be in place: publishing is tried again first',
      async (s) => {
        const owner = await s.owned()
        const id = await s.addOne(owner.session)
        const attempt = await s.startWithBytes(id)
        await s.intent(attempt)
        await s.change([id], { kind: 'cancel' })
        await s.end(attempt, {
          kind: 'retry',
          cause: lost,
          origin: 'http://127.0.0.1:1',
          wakeAtMs: s.at.steadyMs,
          serverAsked: false,
          progressed: false,
        })
        assert.equal((await s.record(id)).state, 'canceling')
        await s.journal.wakeDue({ at: s.at })
        await s.finish(await s.start(id))
        assert.equal((await s.record(id)).error, undefined)
        assert.equal((await s.kinds(owner)).filter((kind) => kind === 'didComplete').length, 1)
      },
    )

    check('a remembered cancel waits while the daemon stops, and the next life publishes or cancels', async (s) => {
      const owner = await s.owned()
      const ids = await s.add(owner.session, {}, {})
      for (const id of ids) {
        const attempt = await s.startWithBytes(id)
        await s.intent(attempt)
        await s.change([id], { kind: 'cancel' })
        assert.deepEqual(await s.end(attempt, { kind: 'stopped' }), { found: 'recorded' })
        assert.deepEqual([await s.gate(id), (await s.record(id)).state], ['ready', 'canceling'])
      }
      await s.restart({ clean: true })
      await s.finish(await s.start(ids[0]!))
      assert.equal((await s.record(ids[0]!)).error, undefined)
      // The file was nowhere: it would have to be fetched again, which nobody wants any more.
      const attempt = await s.start(ids[1]!)
      assert.deepEqual(await s.reserve(attempt), { found: 'fenced' })
      assert.equal((await s.record(ids[1]!)).error?.code, 'CANCELLED')
    })

    for (const [kind, after] of [
      ['hold', 'held'],
      ['suspend', 'suspended'],
      ['cancel', 'done'],
    ] as const) {
      check(`a ${kind} while it publishes counts once what was published is lost: nothing is fetched`, async (s) => {
        const { session } = await s.owned()
        const id = await s.addOne(session)
        const attempt = await s.startWithBytes(id)
        await s.intent(attempt)
        await s.change([id], { kind })
        assert.equal(await s.gate(id), 'publishing')
        const restart = { task: id, fence: attempt.fence, at: s.at, why: 'lost', because: 'cannot go on' } as const
        assert.deepEqual(await s.journal.restart(restart), { found: 'fenced' })
        assert.deepEqual([await s.gate(id), (await s.record(id)).progress.received], [after, 0])
        assert.deepEqual(
          (await s.journal.owed({ limit: 9, at: s.at })).map(({ name }) => name),
          [`${id}.part`],
        )
      })
    }

    check('a remembered cancel refuses a second intent', async (s) => {
      const owner = await s.owned()
      const id = await s.addOne(owner.session)
      const attempt = await s.startWithBytes(id)
      await s.intent(attempt)
      await s.change([id], { kind: 'cancel' })
      assert.deepEqual(await s.intent(attempt, { name: 'next' }), { found: 'cancelled' })
      assert.equal((await s.record(id)).error?.code, 'CANCELLED')
      await assertFenced(s, attempt, owner)
    })

    check('publishing is finished before a suspend or hold counts', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const attempt = await s.startWithBytes(id)
      await s.intent(attempt)
      await s.change([id], { kind: 'suspend' })
      await s.change([id], { kind: 'hold' })
      assert.equal(await s.gate(id), 'publishing')
      // The daemon ends in the middle: the next life publishes first.
      await s.restart({ clean: false })
      assert.equal(await s.gate(id), 'ready')
      const next = await s.start(id)
      assert.equal(next.intent?.name, `${id}.file`)
      assert.equal(await s.gate(id), 'publishing')
      await s.finish(next)
      assert.equal(await s.gate(id), 'done')
    })

    check('a held session keeps its gates and starts nothing; the schedule says that it is held', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      await s.journal.holdSession({ session, held: true, at: s.at })
      assert.equal(await s.gate(id), 'ready')
      assert.equal((await s.schedule()).sessions[0]!.held, true)
      assert.deepEqual(await s.journal.idle({}), { unfinished: 0 })
      assert.deepEqual(await s.journal.startAttempt({ task: id, at: s.at }), { found: 'not ready', gate: 'ready' })
      await s.journal.holdSession({ session, held: false, at: s.at })
      assert.deepEqual(await s.journal.idle({}), { unfinished: 1 })
      await s.start(id)
    })

    check('holding a session ends its attempts in the same commit, but for those that publish', async (s) => {
      const { session } = await s.owned()
      const [active, publishing] = await s.add(session, {}, {})
      const other = await s.addOne((await s.owned('com.example.other')).session)
      const attempt = await s.startWithBytes(active!)
      const publishes = await s.startWithBytes(publishing!)
      await s.intent(publishes)
      await s.start(other)
      s.consequences.length = 0
      await s.journal.holdSession({ session, held: true, at: s.at })
      assert.deepEqual(
        s.consequences.flatMap(({ stop }) => stop),
        [{ task: active, why: 'held' }],
      )
      assert.deepEqual(
        [await s.gate(active!), await s.gate(publishing!), await s.gate(other)],
        ['ready', 'publishing', 'active'],
      )
      assert.deepEqual(await s.checkpoint(attempt, 200), { found: 'recorded' }, 'its last one')
      const { fence } = publishes
      const again = { task: publishing!, fence, at: s.at, why: 'test', because: 'cannot go on' } as const
      assert.deepEqual(await s.journal.restart(again), { found: 'fenced' }, 'what is to be fetched again waits too')
      assert.equal(await s.gate(publishing!), 'ready')
    })

    check('a new request counts from the next attempt, or ends this one when it is to start again', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const attempt = await s.start(id)
      await s.change([id], { kind: 'request', url: 'http://other.example/f', restart: false })
      assert.equal(await s.gate(id), 'active')
      assert.deepEqual(await s.end(attempt, { kind: 'stopped' }), { found: 'recorded' })
      assert.equal((await s.schedule()).lanes[0]!.origin, 'http://other.example')
      const next = await s.start(id)
      assert.equal(next.request.url, 'http://other.example/f')
      s.consequences.length = 0
      await s.change([id], { kind: 'request', headers: [['a', 'b']], restart: true })
      assert.deepEqual(
        s.consequences.flatMap(({ stop }) => stop),
        [{ task: id, why: 'request changed' }],
      )
      assert.deepEqual((await s.start(id)).request, requestOf('http://other.example/f', [['a', 'b']]))
      assert.equal((await s.record(id)).originalRequest.url, 'http://127.0.0.1:1/file')
    })

    check('a change by filter reaches all that fit and nothing else', async (s) => {
      const { session } = await s.owned()
      const other = await s.owned('com.example.other')
      const ids = await s.add(
        session,
        ...Array.from({ length: 1200 }, (_, i) => ({ tags: i % 2 === 0 ? ['even'] : [] })),
      )
      await s.add(other.session, { tags: ['even'] })
      const targets = { session, filter: { tag: 'even' } }
      assert.deepEqual(await s.journal.change({ targets, change: { kind: 'hold' }, at: s.at }), { changed: 600 })
      assert.deepEqual((await s.journal.counts({ session })).held, 600)
      assert.deepEqual((await s.journal.counts({ session: other.session })).held, 0)
      assert.deepEqual(await s.change(ids, { kind: 'cancel' }), { changed: 1200 })
      assert.equal((await s.journal.counts({ session })).completed, 1200)
    })
  })

  describe(`the journal ${form}: time`, () => {
    check('a failed attempt waits for its time, and its failures in a row are counted', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const first = await s.start(id)
      assert.deepEqual([first.past.failures, first.past.failed, first.past.lastCode], [0, 0, undefined])
      await s.retry(first)
      assert.equal((await s.schedule()).wakeAtMs, s.steadyMs + 10 * second)
      s.pass(10 * second - 1)
      assert.deepEqual(await s.wakeDue(), { woken: 0, more: false })
      assert.equal(await s.gate(id), 'backoff')
      s.pass(1)
      assert.deepEqual(await s.wakeDue(), { woken: 1, more: false })
      assert.equal(await s.gate(id), 'ready')
      const next = await s.startWithBytes(id)
      assert.deepEqual([next.attempt, next.past.failures, next.past.lastCode], [2, 1, 'NETWORK_CONNECTION_LOST'])
      await s.retry(next, { progressed: true })
      const facts = (await s.journal.explainFacts({ at: s.at, id }))!
      assert.deepEqual([facts.gate, facts.wakeAtMs, facts.serverAsked], ['backoff', s.steadyMs + 10 * second, false])
      assert.deepEqual(facts.lastCause, lost)
      assert.deepEqual(
        facts.attempts.map(({ number, bytes, cause }) => [number, bytes, cause?.code]),
        [
          [1, 10, 'NETWORK_CONNECTION_LOST'],
          [2, 10, 'NETWORK_CONNECTION_LOST'],
        ],
      )
      s.pass(10 * second)
      await s.wakeDue()
      const third = await s.start(id)
      assert.deepEqual([third.past.failed, third.past.failures, third.past.silentMs], [2, 1, 10 * second])
    })

    check('an attempt and the back-off after it are silent, the time in a queue is not', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      s.pass(hour)
      const first = await s.start(id)
      assert.deepEqual([first.past.silentMs, first.past.startedAtMs, first.past.stallMs], [0, s.steadyMs, minute])
      s.pass(5 * second)
      await s.retry(first)
      s.pass(10 * second)
      await s.wakeDue()
      s.pass(hour)
      const next = await s.start(id)
      assert.equal(next.past.silentMs, 15 * second)
      s.pass(20 * second)
      // Stopped by us, it was as silent.
      await s.end(next, { kind: 'stopped' })
      s.pass(hour)
      const third = await s.start(id)
      assert.equal(third.past.silentMs, 35 * second)
      s.pass(second)
      await s.retry(third)
      s.pass(4 * second)
      await s.journal.networkChanged({ at: s.at })
      s.pass(hour)
      const fourth = await s.startWithBytes(id)
      assert.equal(fourth.past.silentMs, 40 * second)
      s.pass(2 * second)
      await s.end(fourth, { kind: 'stopped' })
      assert.equal((await s.start(id)).past.silentMs, 2 * second, 'since its bytes became safe')
    })

    check('an attempt is no longer silent than its stall timer allows', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session, { policy: { timeoutIntervalForRequestMs: 20 * second } })
      const first = await s.start(id)
      assert.equal(first.past.stallMs, 20 * second)
      s.pass(hour)
      await s.retry(first)
      s.pass(10 * second)
      await s.wakeDue()
      await s.start(id)
      s.pass(hour)
      await s.restart({ clean: false })
      assert.equal((await s.start(id)).past.silentMs, 50 * second)
    })

    check('what is no back-off is not silent, nor one that ended while nobody was there', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const cause = errorJson('DISK_FULL')
      await s.end(await s.start(id), { kind: 'wait', gate: 'disk', cause, wakeAtMs: s.steadyMs + 20 * second })
      s.pass(20 * second)
      await s.wakeDue()
      await s.retry(await s.start(id))
      s.pass(hour)
      await s.wakeDue()
      await s.retry(await s.start(id))
      s.pass(hour)
      await s.journal.networkChanged({ at: s.at })
      const last = await s.start(id)
      assert.equal(last.past.silentMs, 0)
    })

    check('whoever resumes or releases a task has it tried anew', async (s) => {
      const { session } = await s.owned()
      for (const [stop, goOn] of [
        ['suspend', 'resume'],
        ['hold', 'release'],
      ] as const) {
        const id = await s.addOne(session)
        const first = await s.start(id)
        s.pass(30 * second)
        await s.retry(first, { wakeAtMs: s.steadyMs + minute })
        s.pass(20 * second)
        await s.change([id], { kind: stop })
        s.pass(30 * second)
        await s.change([id], { kind: goOn })
        s.pass(10 * second)
        await s.wakeDue()
        assert.equal((await s.start(id)).past.silentMs, 10 * second, 'what was left of the back-off')
      }
    })

    check(
      'failures in a row end where bytes became safe that never were, also in an attempt that we stopped',
      async (s) => {
        const { session } = await s.owned()
        const id = await s.addOne(session)
        for (const [bytes, failures] of [
          [40, 1],
          [40, 2],
          [41, 1],
        ] as const) {
          await s.end(await s.startWithBytes(id, bytes), { kind: 'stopped' })
          await s.retry(await s.start(id))
          s.pass(minute)
          await s.wakeDue()
          const next = await s.start(id)
          assert.equal(next.past.failures, failures)
          await s.end(next, { kind: 'stopped' })
        }
      },
    )

    check('the last 20 attempts are kept', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      for (let i = 0; i < 25; i++) {
        await s.retry(await s.start(id))
        s.pass(minute)
        await s.wakeDue()
      }
      const { attempts, record } = (await s.journal.explainFacts({ at: s.at, id }))!
      assert.deepEqual([attempts.length, attempts[0]!.number, record.attempts], [20, 6, 25])
    })

    check(
      'tryNow and a change of network end a wait that nobody asked for, and leave one that a server asked for',
      async (s) => {
        const { session } = await s.owned()
        const [ours, theirs] = await s.add(session, {}, {})
        await s.retry(await s.start(ours!))
        await s.retry(await s.start(theirs!), { serverAsked: true })
        assert.deepEqual(await s.change([ours!, theirs!], { kind: 'tryNow' }), { changed: 1 })
        assert.deepEqual([await s.gate(ours!), await s.gate(theirs!)], ['ready', 'backoff'])
        await s.retry(await s.start(ours!))
        assert.deepEqual(await s.journal.networkChanged({ at: s.at }), { woken: 1 })
        assert.deepEqual([await s.gate(ours!), await s.gate(theirs!)], ['ready', 'backoff'])
      },
    )

    check(
      'an origin that asked everybody to wait is closed for all sessions, also for new tasks, until then',
      async (s) => {
        const one = await s.owned('com.example.one')
        const two = await s.owned('com.example.two')
        const [first] = await s.add(one.session, { url: 'http://slow.example/1' }, { url: 'http://slow.example/2' })
        const reopensAtMs = s.steadyMs + minute
        await s.retry(await s.start(first!), {
          origin: 'http://slow.example',
          serverAsked: true,
          reopensAtMs,
          wakeAtMs: s.steadyMs + 5 * minute,
        })
        const late = await s.addOne(two.session, { url: 'http://slow.example/3' })
        await s.addOne(two.session, { url: 'http://fast.example/4' })
        const seen = await s.schedule()
        assert.deepEqual(
          seen.lanes.map(({ origin, session, closedUntilMs }) => [session, origin, closedUntilMs]),
          [
            [two.session, 'http://fast.example', undefined],
            [two.session, 'http://slow.example', s.steadyMs + minute],
            // It has just started one, so it comes last.
            [one.session, 'http://slow.example', s.steadyMs + minute],
          ],
        )
        assert.equal((await s.journal.explainFacts({ at: s.at, id: late }))!.laneClosedUntilMs, s.steadyMs + minute)
        s.pass(minute)
        s.consequences.length = 0
        await s.wakeDue()
        assert.ok(s.consequences.some(({ schedule }) => schedule))
        assert.ok((await s.schedule()).lanes.every(({ closedUntilMs }) => closedUntilMs === undefined))
      },
    )

    check('a full disk and a folder that has gone are waited for and looked at again', async (s) => {
      const { session } = await s.owned()
      for (const gate of ['disk', 'destination'] as const) {
        const id = await s.addOne(session)
        const wakeAtMs = s.steadyMs + minute
        await s.end(await s.start(id), { kind: 'wait', gate, cause: errorJson('DISK_FULL'), wakeAtMs })
        assert.equal(await s.gate(id), gate)
        s.pass(minute)
        await s.wakeDue()
        assert.equal(await s.gate(id), 'ready')
        assert.equal((await s.start(id)).past.failures, 0)
      }
    })

    check('an earliest date is waited for by the wall clock', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session, { earliestBeginMs: s.wallMs + hour })
      assert.equal(await s.gate(id), 'time')
      assert.equal((await s.schedule()).wakeAtMs, s.steadyMs + hour)
      // The wall clock is set forward; nothing else passes.
      s.wallMs += hour
      assert.deepEqual(await s.wakeDue(), { woken: 1, more: false })
      assert.equal(await s.gate(id), 'ready')
      assert.equal(await s.gate(await s.addOne(session, { earliestBeginMs: s.wallMs - 1 })), 'ready')
    })

    check('a deadline that passed while nobody could notice ends the task before it is tried again', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session, { policy: { timeoutIntervalForResourceMs: minute } })
      await s.start(id)
      // The machine sleeps, and the daemon ends before it has looked.
      s.pass(hour)
      await s.restart({ clean: false })
      assert.deepEqual(await s.journal.startAttempt({ task: id, at: s.at }), { found: 'not ready', gate: 'done' })
      assert.equal((await s.record(id)).error?.code, 'TIMED_OUT')
      assert.equal((await s.record(id)).attempts, 1)
    })

    check('the deadline ends a waiting task with the error of its last attempt', async (s) => {
      const owner = await s.owned()
      const id = await s.addOne(owner.session, { policy: { timeoutIntervalForResourceMs: minute } })
      await s.retry(await s.startWithBytes(id), { wakeAtMs: s.steadyMs + hour })
      s.pass(minute)
      assert.deepEqual(await s.wakeDue(), { woken: 1, more: false })
      const { error } = await s.record(id)
      assert.equal(error?.code, 'TIMED_OUT')
      assert.deepEqual(error.cause, lost)
      assert.deepEqual(await s.kinds(owner), ['didFinishCollectingMetrics', 'didComplete'])
    })

    check('the deadline stops an attempt that runs, and waits for publishing', async (s) => {
      const owner = await s.owned()
      const policy = { timeoutIntervalForResourceMs: minute }
      const [running, publishing] = await s.add(owner.session, { policy }, { policy })
      const attempt = await s.startWithBytes(running!)
      const last = await s.startWithBytes(publishing!)
      await s.intent(last)
      s.pass(2 * minute)
      s.consequences.length = 0
      await s.wakeDue()
      assert.deepEqual(
        s.consequences.flatMap(({ stop }) => stop),
        [{ task: running, why: 'deadline' }],
      )
      await assertFenced(s, attempt, owner, 'its last checkpoint')
      assert.equal((await s.record(running!)).error?.code, 'TIMED_OUT')
      assert.equal((await s.schedule()).wakeAtMs, undefined)
      assert.deepEqual(await s.finish(last), { found: 'recorded' })
    })

    check('the deadline stands still while a task is suspended, held, or queued', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session, { policy: { timeoutIntervalForResourceMs: minute } })
      s.pass(hour)
      const attempt = await s.start(id)
      assert.equal(attempt.past.deadlineAtMs, s.steadyMs + minute)
      s.pass(20 * second)
      await s.change([id], { kind: 'suspend' })
      s.pass(hour)
      await s.change([id], { kind: 'hold' })
      await s.change([id], { kind: 'resume' })
      s.pass(hour)
      await s.change([id], { kind: 'release' })
      s.pass(hour)
      await s.wakeDue()
      assert.equal(await s.gate(id), 'ready')
      assert.equal((await s.start(id)).past.deadlineAtMs, s.steadyMs + 40 * second)
      assert.equal((await s.schedule()).wakeAtMs, s.steadyMs + 40 * second)
    })
  })

  describe(`the journal ${form}: tasks that need others`, () => {
    check('wait until all of them have succeeded', async (s) => {
      const { session } = await s.owned()
      const needs = await s.add(session, {}, {})
      const id = await s.addOne(session, { after: needs })
      assert.equal(await s.gate(id), 'dependency')
      assert.deepEqual((await s.journal.explainFacts({ at: s.at, id }))!.unmet, needs)
      await s.complete(needs[0]!)
      assert.equal(await s.gate(id), 'dependency')
      await s.complete(needs[1]!)
      assert.equal(await s.gate(id), 'ready')
      assert.equal(await s.gate(await s.addOne(session, { after: needs })), 'ready')
    })

    check('fail when one of them does, and so do those that need them', async (s) => {
      const owner = await s.owned()
      const root = await s.addOne(owner.session)
      const next = await s.addOne(owner.session, { after: [root], start: false })
      const last = await s.addOne(owner.session, { after: [next] })
      await s.fail(root)
      for (const id of [next, last]) assert.equal((await s.record(id)).error?.code, 'DEPENDENCY_FAILED')
      assert.equal((await s.kinds(owner)).filter((kind) => kind === 'didComplete').length, 3)
      const late = await s.addOne(owner.session, { after: [root] })
      assert.equal((await s.record(late)).error?.code, 'DEPENDENCY_FAILED')
    })

    check('are many: the first 1,000 end in the command, the rest when woken', async (s) => {
      const { session } = await s.owned()
      const root = await s.addOne(session)
      for (let i = 0; i < 3; i++) await s.add(session, ...Array.from({ length: 800 }, () => ({ after: [root] })))
      await s.change([root], { kind: 'cancel' })
      assert.equal((await s.journal.counts({})).completed, 1001)
      assert.equal((await s.schedule()).wakeAtMs, s.steadyMs)
      let calls = 0
      while ((await s.wakeDue()).more) calls += 1
      assert.equal((await s.journal.counts({})).completed, 2401)
      assert.ok(calls >= 1)
      assert.equal((await s.schedule()).wakeAtMs, undefined)
    })
  })

  describe(`the journal ${form}: sessions`, () => {
    check('are found again by their identifier, and keep their launch command until told otherwise', async (s) => {
      const launch = { command: '/bin/app', args: ['a'] }
      const first = await s.openSession('com.example.app', { launch, launchWhen: { atLeast: 2 } })
      assert.ok(first.created)
      const again = await s.openSession('com.example.app')
      assert.deepEqual([again.created, again.session.id, again.session.launch], [false, first.session.id, launch])
      assert.deepEqual(again.session.launchWhen, { atLeast: 2 })
      assert.equal((await s.openSession('com.example.app', { launch: null })).session.launch, undefined)
      assert.deepEqual(await s.journal.findSession({ identifier: 'com.example.none' }), undefined)
      assert.equal((await s.journal.findSession({ identifier: 'com.example.app' }))!.id, first.session.id)
    })

    check(
      'take other explicit values from an owner, not from a controller, and from nobody who is strict',
      async (s) => {
        const { session } = await s.openSession('com.example.app', { configuration: { maximumActiveTasks: 3 } })
        assert.equal(session.configuration.maximumActiveTasks, 3)
        const configuration = { maximumActiveTasks: 4, maximumConnectionsPerHost: 6 }
        await assert.rejects(
          s.openSession('com.example.app', { configuration, strict: true }),
          refused('CONFIGURATION_MISMATCH', { says: /maximumActiveTasks/ }),
        )
        const controller = await s.openSession('com.example.app', { configuration, owner: false })
        assert.deepEqual([controller.changed, controller.session.configuration.maximumActiveTasks], [[], 3])
        const owner = await s.openSession('com.example.app', { configuration })
        assert.deepEqual(owner.changed, ['maximumActiveTasks'])
        assert.equal(owner.session.configuration.maximumActiveTasks, 4)
        assert.deepEqual((await s.openSession('com.example.app', { configuration, strict: true })).changed, [])
      },
    )

    check('tasks that have started keep the configuration that they started with', async (s) => {
      const { session } = await s.owned()
      const [started, waiting] = await s.add(session, {}, {})
      await s.end(await s.start(started!), { kind: 'stopped' })
      await s.openSession('com.example.app', { configuration: { timeoutIntervalForRequestMs: 5 } })
      assert.equal((await s.start(started!)).configuration.timeoutIntervalForRequestMs, 60_000)
      assert.equal((await s.start(waiting!)).configuration.timeoutIntervalForRequestMs, 5)
    })

    check('that finish take no more tasks, and end with their last one', async (s) => {
      const owner = await s.owned()
      const [running, suspended] = await s.add(owner.session, {}, { start: false })
      const answer = await s.journal.invalidate({ session: owner.session, how: 'finish', at: s.at })
      assert.deepEqual(answer, { waitingFor: [suspended] })
      await assert.rejects(
        s.journal.addTasks({ session: owner.session, tasks: [s.newTask()], at: s.at }),
        refused('SESSION_INVALIDATED'),
      )
      await s.complete(running!)
      assert.ok(!(await s.kinds(owner)).includes('didBecomeInvalid'))
      await s.change([suspended!], { kind: 'cancel' })
      const events = await s.take(owner)
      assert.equal(events.at(-1)!.kind, 'didBecomeInvalid')
      await s.journal.acknowledge({ ...owner, sequences: [1], at: s.at })
      assert.equal((await s.kinds(owner)).filter((kind) => kind === 'didBecomeInvalid').length, 1)
      const attached = await s.openSession('com.example.app', { configuration: { maximumActiveTasks: 1 } })
      assert.deepEqual([attached.created, attached.session.state, attached.changed], [false, 'invalid', []])
    })

    check('give their identifier free when the last event is acknowledged, but never its old fences', async (s) => {
      const owner = await s.owned()
      const id = await s.addOne(owner.session)
      await s.journal.invalidate({ session: owner.session, how: 'cancel', at: s.at })
      const events = await s.take(owner)
      assert.deepEqual(
        events.map(({ kind }) => kind),
        ['didFinishCollectingMetrics', 'didComplete', 'didBecomeInvalid'],
      )
      const sequences = events.map(({ sequence }) => sequence)
      await s.journal.acknowledge({ ...owner, sequences, at: s.at })
      assert.deepEqual(await s.journal.listSessions({}), [])
      assert.equal(await s.journal.getTask({ id }), undefined)
      const next = await s.owned()
      assert.notEqual(next.session, owner.session)
      assert.ok(next.fence > owner.fence)
      while ((await s.journal.retire({ at: s.at })).more);
      assert.deepEqual(await s.journal.counts({}), counted({}))
    })

    check('without events are gone as soon as they are invalidated and idle', async (s) => {
      const { session } = await s.openSession('com.example.quiet', { owner: false })
      await s.journal.invalidate({ session: session.id, how: 'finish', at: s.at })
      assert.deepEqual(await s.journal.listSessions({}), [])
    })

    check('of many tasks are cancelled in steps', async (s) => {
      const owner = await s.owned()
      for (let i = 0; i < 3; i++) await s.add(owner.session, ...Array.from({ length: 900 }, () => ({})))
      await s.journal.invalidate({ session: owner.session, how: 'cancel', at: s.at })
      assert.ok((await s.journal.counts({})).queued > 0)
      while ((await s.wakeDue()).more);
      assert.deepEqual(await s.journal.counts({}), counted({ completed: 2700 }))
      const events = await s.take(owner, 5399)
      assert.deepEqual(
        events.map(({ sequence, kind }) => [sequence, kind]),
        [
          [5400, 'didComplete'],
          [5401, 'didBecomeInvalid'],
        ],
      )
    })

    check('are dropped with their events and spooled files, unless tasks are unfinished', async (s) => {
      const owner = await s.owned()
      const [done, waiting] = await s.add(owner.session, {}, {})
      await s.complete(done!)
      await assert.rejects(
        s.journal.dropSession({ session: owner.session, at: s.at }),
        refused('SESSION_IN_USE', { says: /1 unfinished/ }),
      )
      await s.change([waiting!], { kind: 'cancel' })
      assert.deepEqual(await s.journal.dropSession({ session: owner.session, at: s.at }), { events: 5, files: 1 })
      const files = await s.journal.owed({ limit: 10, at: s.at })
      assert.deepEqual(
        files.map(({ folder, name }) => [folder, name]),
        [['/spool', `${done}.file`]],
      )
      assert.equal((await s.openSession('com.example.app')).created, true)
    })

    check('have their own configuration, also where one that is gone had its place', async (s) => {
      const first = await s.openSession('com.example.first', { configuration: { maximumActiveTasks: 3 } })
      assert.equal(first.session.configuration.maximumActiveTasks, 3)
      await s.journal.dropSession({ session: first.session.id, at: s.at })
      while ((await s.journal.retire({ at: s.at })).more);
      const second = await s.openSession('com.example.second', { configuration: { maximumActiveTasks: 5 } })
      assert.equal(second.session.configuration.maximumActiveTasks, 5)
    })

    check('show what their launch depends on', async (s) => {
      const launch = { command: '/bin/app' }
      const { session } = await s.openSession('com.example.app', { launch })
      assert.deepEqual(await s.journal.launchable({}), [])
      const [done, held] = await s.add(session.id, {}, { start: false })
      const endedAt = s.wallMs
      await s.complete(done!)
      s.pass(minute)
      const facts = (await s.journal.launchFacts({ session: session.id }))!
      assert.deepEqual([facts.events, facts.waitingTasks, facts.oldestEventMs], [3, 1, endedAt])
      assert.deepEqual([facts.unfinished, facts.blocking], [1, [{ id: held, gate: 'suspended' }]])
      assert.deepEqual(await s.journal.launchable({}), [session.id])
      const state = { failures: 2, notBeforeMs: 7, current: { token: 't' } }
      await s.journal.launchChanged({ session: session.id, state })
      assert.deepEqual((await s.journal.launchFacts({ session: session.id }))!.state, state)
      // One whose launch is under way, though nothing waits for it any more.
      const other = (await s.openSession('com.example.other', { launch })).session
      assert.deepEqual(await s.journal.launchable({}), [session.id])
      await s.journal.launchChanged({ session: other.id, state })
      assert.deepEqual(await s.journal.launchable({}), [session.id, other.id])
      assert.equal(await s.journal.launchFacts({ session: 99 }), undefined)
      const { fence } = await s.journal.attach({ session: session.id, pid: 1, methods: ['didComplete'] })
      await s.take({ session: session.id, fence })
      await s.journal.acknowledge({ session: session.id, fence, sequences: [3], at: s.at })
      const later = (await s.journal.launchFacts({ session: session.id }))!
      assert.deepEqual(
        [later.waitingTasks, later.oldestEventMs, later.session.methods],
        [0, undefined, ['didComplete']],
      )
    })
  })

  describe(`the journal ${form}: the queue`, () => {
    check('shows the best task of each lane, higher priority first, then older', async (s) => {
      const { session } = await s.owned()
      const [low, old, high, there] = await s.add(
        session,
        { url: 'http://a/1', priority: 0.2 },
        { url: 'http://a/2', priority: 0.7 },
        { url: 'http://a/3', priority: 0.7 },
        { url: 'http://b/4', priority: 0.5 },
      )
      const lanes = async (): Promise<unknown> =>
        (await s.schedule()).lanes.map(({ origin, task, ready, priority }) => [origin, task, ready, priority])
      assert.deepEqual(await lanes(), [
        ['http://a', old, 3, 0.7],
        ['http://b', there, 1, 0.5],
      ])
      assert.equal((await s.journal.explainFacts({ at: s.at, id: low! }))!.ahead, 2)
      await s.start(old!)
      await s.change([low!], { kind: 'priority', priority: 0.9 })
      assert.deepEqual(await lanes(), [
        ['http://a', low, 2, 0.9],
        ['http://b', there, 1, 0.5],
      ])
      assert.deepEqual((await s.schedule()).active, [{ task: old, session, origin: 'http://a' }])
      await s.change([low!, high!], { kind: 'cancel' })
      assert.deepEqual(await lanes(), [['http://b', there, 1, 0.5]])
    })

    check('shows who comes after the best ones where fewer lanes are open than places are free', async (s) => {
      const { session } = await s.owned()
      const [a1, a2, a3, a4, b1, b2] = await s.add(
        session,
        ...['http://a/1', 'http://a/2', 'http://a/3', 'http://a/4', 'http://b/1', 'http://b/2'].map((url) => ({ url })),
      )
      await s.change([a3!], { kind: 'priority', priority: 0.9 })
      const shown = async (total: number, perOrigin = 10): Promise<unknown> =>
        (await s.journal.schedule({ at: s.at, lanesPerSession: 10, places: { total, perOrigin } })).lanes.map(
          ({ task }) => task,
        )
      assert.deepEqual(await shown(2), [a3, b1])
      assert.deepEqual(await shown(3), [a3, a1, b1, b2])
      assert.deepEqual(await shown(8), [a3, a1, a2, a4, b1, b2])
      assert.deepEqual(await shown(8, 2), [a3, a1, b1, b2], 'no more than an origin may have')
      await s.start(b1!)
      assert.deepEqual(await shown(3), [a3, b2], 'one place is taken')
      await s.start(a3!)
      assert.deepEqual(await shown(8, 3), [a1, a2, b2], 'one of each origin is taken')
    })

    check('serves the longest unserved session first', async (s) => {
      const one = await s.owned('com.example.one')
      const two = await s.owned('com.example.two')
      const [first] = await s.add(one.session, {}, {})
      await s.add(two.session, {})
      await s.start(first!)
      const { sessions } = await s.schedule()
      assert.deepEqual(
        sessions.map(({ session }) => session),
        [two.session, one.session],
      )
      assert.ok(sessions[0]!.lastStart < sessions[1]!.lastStart)
    })

    check('is counted, paged and filtered', async (s) => {
      const { session } = await s.owned()
      const ids = await s.add(
        session,
        ...Array.from({ length: 7 }, (_, i) => ({
          url: `http://h${i % 2}.example/file-${i}.bin`,
          tags: [`t${i % 3}`],
        })),
      )
      await s.complete(ids[0]!)
      await s.fail(ids[1]!)
      await s.change([ids[2]!], { kind: 'cancel' })
      await s.change([ids[3]!], { kind: 'suspend' })
      assert.deepEqual(await s.journal.counts({}), counted({ queued: 3, suspended: 1, completed: 3 }))
      assert.deepEqual(
        await s.journal.counts({ filter: { tag: 't0' } }),
        counted({ queued: 1, suspended: 1, completed: 1 }),
      )
      const found = async (
        filter: object,
        more: { readonly completed?: boolean; readonly sinceMs?: number } = {},
      ): Promise<readonly number[]> => {
        const { tasks } = await s.journal.page({ filter, completed: false, limit: 100, ...more })
        return tasks.map(({ id }) => ids.indexOf(id))
      }
      assert.deepEqual(await found({}), [3, 4, 5, 6])
      assert.deepEqual(await found({}, { completed: true }), [0, 1, 2])
      assert.deepEqual(await found({ group: 'suspended' }), [3])
      assert.deepEqual(await found({ group: 'completed' }), [0, 1, 2])
      assert.deepEqual(await found({ outcome: 'failed' }), [1])
      assert.deepEqual(await found({ outcome: 'cancelled' }, { completed: true }), [2])
      assert.deepEqual(await found({ host: 'h0.example' }), [4, 6])
      assert.deepEqual(await found({ match: 'file-?.bin', tag: 't1' }), [4])
      assert.deepEqual(await found({ match: '*/FILE-5*' }), [5])
      assert.deepEqual(await found({ ids: [ids[6]!, ids[0]!] }), [6])
      assert.deepEqual(await found({}, { completed: true, sinceMs: s.wallMs + 1 }), [])
      const first = await s.journal.page({ session, filter: {}, completed: false, limit: 3 })
      const rest = await s.journal.page({ session, filter: {}, completed: false, limit: 3, cursor: first.cursor! })
      assert.deepEqual(
        [...first.tasks, ...rest.tasks].map(({ id }) => ids.indexOf(id)),
        [3, 4, 5, 6],
      )
      assert.equal(rest.cursor, undefined)
    })

    check('gives pages of at most half a mebibyte, whatever the language of what is told of a task', async (s) => {
      const { session } = await s.owned()
      const metadata = [JSON.stringify('x'.repeat(60_000)), JSON.stringify('字'.repeat(20_000))]
      await s.add(session, ...Array.from({ length: 40 }, (_, n) => ({ metadata: metadata[(n >> 3) & 1]! })))
      const seen = new Set<string>()
      let cursor: string | undefined
      do {
        const page = await s.journal.page({
          filter: {},
          completed: false,
          limit: 100,
          ...(cursor !== undefined && { cursor }),
        })
        assert.ok(Buffer.byteLength(JSON.stringify(page)) < 600_000)
        for (const { id } of page.tasks) {
          assert.ok(!seen.has(id))
          seen.add(id)
        }
        cursor = page.cursor
      } while (cursor !== undefined)
      assert.equal(seen.size, 40)
    })

    check('is found by id, tail of the id, file name, number, or as the last one', async (s) => {
      const { session } = await s.owned()
      const [a, b] = await s.add(
        session,
        { destination: { kind: 'file', folder: '/d', name: 'model.gguf' } },
        { url: 'http://x/picture.png' },
      )
      const found = async (text: string): Promise<readonly TaskId[]> =>
        (await s.journal.findTasks({ text })).map(({ id }) => id)
      assert.deepEqual(await found(a!), [a])
      assert.deepEqual(await found(b!.slice(-6)), [b])
      assert.deepEqual(await found('model'), [a])
      assert.deepEqual(await found('pict'), [b])
      assert.deepEqual(await found('com.example.app/2'), [b])
      assert.deepEqual(await found('@last'), [b])
      assert.deepEqual(await found('nothing like it'), [])
      assert.equal((await s.journal.getTask({ session, taskIdentifier: 2 }))!.id, b)
    })

    check('is found with as many others of its name as one answer has room for', async (s) => {
      const { session } = await s.owned()
      const ids = await s.add(session, ...Array.from({ length: 14 }, (_, n) => ({ url: `http://x/film-${n}` })))
      const error = { ...errorJson('HTTP_STATUS'), message: '字'.repeat(29_000) }
      for (const id of ids) await s.end(await s.start(id), { kind: 'fail', error })
      const found = await s.journal.findTasks({ text: 'film' })
      assert.deepEqual(
        found.map(({ id }) => id),
        ids.toReversed().slice(0, found.length),
      )
      assert.ok(found.length > 1 && Buffer.byteLength(JSON.stringify(found)) < 600_000)
    })

    check('is found by its name however old it is, while others are answered', async (s) => {
      const { session } = await s.owned()
      const old = await s.add(
        session,
        { destination: { kind: 'file', folder: '/d', name: 'old.gguf' }, metadata: JSON.stringify('x'.repeat(60_000)) },
        { url: 'http://x/old.png' },
      )
      for (let i = 0; i < 6; i++)
        await s.journal.enqueueTasks({ session, at: s.at, tasks: Array.from({ length: 1000 }, () => s.newTask()) })
      const answered: string[] = []
      const found = s.journal.findTasks({ text: 'old.' }).then((tasks) => {
        answered.push('the name')
        return tasks.map(({ id }) => id)
      })
      await s.journal.idle({}).then(() => answered.push('another'))
      assert.deepEqual(await found, old.toReversed())
      assert.deepEqual(answered, ['another', 'the name'])
    })

    check('keeps the daemon only for what can go on', async (s) => {
      const { session } = await s.owned()
      const ids = await s.add(session, {}, {}, { start: false })
      assert.deepEqual(await s.journal.idle({}), { unfinished: 2 })
      await s.change(ids, { kind: 'hold' })
      assert.deepEqual(await s.journal.idle({}), { unfinished: 0 })
    })
  })

  describe(`the journal ${form}: attempts`, () => {
    check('go on from the last checkpoint, and say how long nothing was gained', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const attempt = await s.startWithBytes(id, 40)
      assert.deepEqual((await s.record(id)).progress, { received: 40, sent: 0, total: 100, fraction: 0.4, rate: 0 })
      assert.deepEqual((await s.record(id)).response, response)
      await s.journal.restart({ task: id, fence: attempt.fence, at: s.at, why: 'changed', because: 'bytes changed' })
      assert.equal((await s.record(id)).progress.received, 0)
      const owed = await s.journal.owed({ limit: 9, at: s.at })
      assert.deepEqual(
        owed.map(({ name, identity: whose }) => [name, whose]),
        [[`${id}.part`, identity]],
      )
      await s.journal.paid({ ids: owed.map((file) => file.id) })
      assert.deepEqual(await s.journal.owed({ limit: 9, at: s.at }), [])
      await s.end(attempt, { kind: 'stopped' })
      const next = await s.start(id)
      assert.deepEqual([next.part, next.restarts], [undefined, 1])
      await s.reserve(next)
      await s.checkpoint(next, 40)
      await s.end(next, { kind: 'stopped' })
      assert.equal((await s.start(id)).restarts, 1)
    })

    check('a part whose publishing failed half way is owed by its identity, which only the intent knows', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const attempt = await s.start(id)
      await s.reserve(attempt)
      assert.equal((await s.intent(attempt)).found, 'recorded')
      await s.end(attempt, { kind: 'fail', error: lost })
      assert.deepEqual(
        (await s.journal.owed({ limit: 9, at: s.at })).map(({ name, identity: whose }) => [name, whose]),
        [[`${id}.part`, identity]],
      )
    })

    check('bytes no longer count where the disk failed while names were changed, however the task ends', async (s) => {
      const { session } = await s.owned()
      const fail = { kind: 'fail', error: lost } as const
      const ended = async (diskFailed: boolean, how: 'at once' | 'at a later try' | 'cancelled'): Promise<unknown> => {
        const id = await s.addOne(session)
        const first = await s.startWithBytes(id, 40)
        await s.intent(first)
        const end = ({ fence }: StartedAttempt, what: AttemptEnd, disk: boolean): Promise<unknown> =>
          s.journal.endAttempt({ task: id, fence, at: s.at, end: what, measure, diskFailed: disk })
        if (how === 'cancelled') await s.change([id], { kind: 'cancel' })
        if (how === 'at a later try') {
          await end(first, { kind: 'wait', gate: 'destination', cause: lost, wakeAtMs: s.steadyMs }, diskFailed)
          await s.wakeDue()
          const next = await s.start(id)
          assert.ok(next.intent !== undefined, 'which finds out where the file is')
          await end(next, fail, false)
        } else await end(first, fail, diskFailed)
        const owed = await s.journal.owed({ limit: 99, at: s.at })
        return [(await s.record(id)).progress.received, owed.some(({ name }) => name === `${id}.part`)]
      }
      for (const how of ['at once', 'at a later try', 'cancelled'] as const) {
        assert.deepEqual(await ended(false, how), [40, false], how)
        assert.deepEqual(await ended(true, how), [0, true], how)
      }
    })

    check('paying for a file that was taken back meanwhile does not pay for the next one', async (s) => {
      const { session } = await s.owned()
      const [first, second] = await s.add(session, {}, {})
      const attempt = await s.startWithBytes(first!, 40)
      const other = await s.startWithBytes(second!, 40)
      await s.journal.restart({
        task: first!,
        fence: attempt.fence,
        at: s.at,
        why: 'changed',
        because: 'bytes changed',
      })
      const ids = (await s.journal.owed({ limit: 9, at: s.at })).map(({ id }) => id)
      // While it is unlinked, the attempt takes the name again, and another part is given up.
      await s.reserve(attempt)
      await s.journal.restart({ task: second!, fence: other.fence, at: s.at, why: 'changed', because: 'bytes changed' })
      await s.journal.paid({ ids })
      assert.deepEqual(
        (await s.journal.owed({ limit: 9, at: s.at })).map(({ name }) => name),
        [`${second}.part`],
      )
    })

    check('count no restart of bytes that only cannot be gone on from', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const attempt = await s.startWithBytes(id, 40)
      await s.journal.restart({ task: id, fence: attempt.fence, at: s.at, why: 'no ranges', because: 'cannot go on' })
      await s.end(attempt, { kind: 'stopped' })
      const next = await s.start(id)
      assert.deepEqual([next.part, next.restarts], [undefined, 0])
    })

    check('forget their restarts when more was gained than ever before', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const attempt = await s.startWithBytes(id, 40)
      await s.journal.restart({ task: id, fence: attempt.fence, at: s.at, why: 'changed', because: 'bytes changed' })
      await s.reserve(attempt)
      await s.checkpoint(attempt, 41)
      await s.end(attempt, { kind: 'stopped' })
      assert.equal((await s.start(id)).restarts, 0)
    })

    check('adopt a part or owe it, but never owe a name that they write to again', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const attempt = await s.startWithBytes(id)
      await s.reserve(attempt, { kept: 'in place', part: { folder: '/spool', name: 'another' } })
      assert.equal((await s.journal.explainFacts({ at: s.at, id }))!.part?.name, `${id}.part`)
      assert.deepEqual((await s.journal.explainFacts({ at: s.at, id }))!.part?.ranges, [[0, 40]])
      assert.equal((await s.record(id)).progress.received, 40)
      await s.reserve(attempt)
      assert.equal((await s.record(id)).progress.received, 0)
      assert.deepEqual(await s.journal.owed({ limit: 9, at: s.at }), [])
      assert.deepEqual((await s.journal.explainFacts({ at: s.at, id }))!.part?.ranges, [])
      await s.checkpoint(attempt, 50)
      await s.reserve(attempt, { part: { folder: '/spool', name: 'another' } })
      assert.deepEqual(
        (await s.journal.owed({ limit: 9, at: s.at })).map(({ name }) => name),
        [`${id}.part`],
      )
    })

    check('keep what was written when they were cancelled before anything of it counted', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const attempt = await s.start(id)
      await s.reserve(attempt)
      await s.change([id], { kind: 'cancel' })
      assert.equal((await s.journal.owed({ limit: 9, at: s.at })).length, 1)
      assert.deepEqual(await s.checkpoint(attempt, 30), { found: 'recorded' })
      assert.deepEqual(await s.journal.owed({ limit: 9, at: s.at }), [])
      assert.deepEqual((await s.journal.explainFacts({ at: s.at, id }))!.part?.ranges, [[0, 30]])
    })

    check('keep their bytes where they are until a checkpoint counts them in the copy', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const attempt = await s.startWithBytes(id)
      const copy = { folder: '/other', name: 'copy' }
      const facts = async (): Promise<unknown> => {
        const { part } = (await s.journal.explainFacts({ at: s.at, id }))!
        const owed = await s.journal.owed({ limit: 9, at: s.at })
        return [part?.folder, part?.ranges, owed.map(({ folder }) => folder)]
      }
      for (let copies = 0; copies < 2; copies++) {
        await s.reserve(attempt, { kept: 'to be copied', part: copy })
        assert.deepEqual(await facts(), ['/spool', [[0, 40]], ['/other']])
        assert.equal((await s.record(id)).progress.received, 40)
      }
      assert.deepEqual(await s.checkpoint(attempt, 40, copy), { found: 'recorded' })
      assert.deepEqual(await facts(), ['/other', [[0, 40]], ['/spool']])
      await s.checkpoint(attempt, 41, copy)
      assert.deepEqual(await facts(), ['/other', [[0, 41]], ['/spool']])
    })

    check('are not robbed of a name that was owed when they take it again', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const attempt = await s.startWithBytes(id)
      await s.journal.restart({ task: id, fence: attempt.fence, at: s.at, why: 'changed', because: 'bytes changed' })
      assert.equal((await s.journal.owed({ limit: 9, at: s.at })).length, 1)
      await s.reserve(attempt)
      assert.deepEqual(await s.journal.owed({ limit: 9, at: s.at }), [])
    })

    check('end a wrong digest once more only', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      await s.retry(await s.start(id), { cause: errorJson('DIGEST_MISMATCH'), wakeAtMs: s.steadyMs })
      await s.wakeDue()
      assert.equal((await s.start(id)).digestFailures, 1)
    })

    check('leave their measure to the metrics of the task', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      const transaction = {
        request: requestOf('http://127.0.0.1:1/file'),
        protocol: 'http/1.1' as const,
        reused: false,
        proxied: false,
        headerBytesSent: 1,
        bodyBytesSent: 0,
        headerBytesReceived: 2,
        bodyBytesReceived: 3,
        fetchStartMs: 4,
      }
      const more = { bytes: 3, transactions: [transaction], redirects: 2 }
      const end = {
        kind: 'retry',
        cause: lost,
        origin: 'http://127.0.0.1:1',
        wakeAtMs: s.steadyMs,
        serverAsked: false,
      } as const
      const first = await s.start(id)
      await s.journal.endAttempt({
        task: id,
        fence: first.fence,
        at: s.at,
        end: { ...end, progressed: false },
        measure: more,
      })
      assert.equal(await s.journal.taskEnd({ id }), undefined)
      await s.wakeDue()
      const startMs = s.wallMs
      s.pass(minute)
      const next = await s.start(id)
      await s.journal.endAttempt({
        task: id,
        fence: next.fence,
        at: s.at,
        end: { kind: 'fail', error: lost },
        measure: more,
      })
      const ended = (await s.journal.taskEnd({ id }))!
      assert.deepEqual(ended.metrics, {
        startMs,
        endMs: s.wallMs,
        redirectCount: 4,
        attempts: 2,
        transactions: [transaction, transaction],
      })
      assert.equal(ended.task.id, id)
    })
  })

  describe(`the journal ${form}: lives`, () => {
    check('a new life ends the attempts of the last one, and their tasks are ready with their bytes', async (s) => {
      const owner = await s.owned()
      const [active, backoff] = await s.add(owner.session, {}, {})
      const attempt = await s.startWithBytes(active!)
      await s.retry(await s.start(backoff!))
      s.pass(hour)
      const recovery = await s.restart({ clean: false })
      assert.deepEqual(recovery, {
        unclean: true,
        interrupted: 1,
        parked: [],
        owned: [owner.session],
      })
      assert.deepEqual([await s.gate(active!), await s.gate(backoff!)], ['ready', 'backoff'])
      assert.equal(s.journal.savedSteadyMs, s.steadyMs)
      await assertFenced(s, attempt, owner)
      const next = await s.start(active!)
      assert.deepEqual([next.part?.ranges, next.part?.identity], [[[0, 40]], identity])
      assert.deepEqual([next.past.failures, next.past.lastCode], [0, undefined])
      assert.equal(
        (await s.journal.explainFacts({ at: s.at, id: active! }))!.attempts[0]!.cause?.code,
        'DAEMON_UNAVAILABLE',
      )
    })

    check('sessions that had an owner are named, unless the machine was started anew since', async (s) => {
      const { session } = await s.owned()
      assert.deepEqual((await s.restart({ clean: true })).owned, [session])
      assert.deepEqual((await s.restart({ clean: false })).owned, [], 'nobody came back')
      await s.owned()
      assert.deepEqual((await s.restart({ clean: false, boot: 'boot 2' })).owned, [])
      const owner = await s.owned()
      await s.journal.detach(owner)
      assert.deepEqual((await s.restart({ clean: false, boot: 'boot 2' })).owned, [])
    })

    check('a clean end is no unclean one', async (s) => {
      await s.owned()
      assert.equal((await s.restart({ clean: true })).unclean, false)
      assert.equal((await s.restart({ clean: false })).unclean, true)
    })

    check(
      'an attempt is told what its folder was when the place was settled; a retry keeps that, unless it is given a place',
      async (s) => {
        const { session } = await s.owned()
        const destination = (name: string): Destination => ({ kind: 'file', folder: '/usb', name })
        const folders = new Map([['/usb', identity]])
        const tasks = [
          s.newTask({ destination: destination('a') }),
          s.newTask({ destination: destination('b') }),
          s.newTask(),
        ]
        const added = await s.journal.enqueueTasks({ session, tasks, folders, at: s.at })
        const [a, b, spooled] = added.tasks.map(({ id }) => id)
        const first = await s.start(a!)
        assert.deepEqual(first.folderIdentity, identity)
        assert.equal((await s.start(spooled!)).folderIdentity, undefined)
        assert.deepEqual((await s.record(a!)).destination, destination('a'))

        await s.end(first, { kind: 'fail', error: lost })
        const retry = async (id: string, more: object = {}): Promise<StartedAttempt> =>
          s.start((await s.journal.retryTask({ id, newId: s.id(), at: s.at, ...more })).task.id)
        const second = await retry(a!)
        assert.deepEqual(second.folderIdentity, identity)
        await s.end(second, { kind: 'fail', error: lost })
        const now = { ...identity, device: '99' }
        const given = { destination: destination('a'), folders: new Map([['/usb', now]]) }
        const third = await retry(second.task, given)
        assert.deepEqual(third.folderIdentity, now)
        await s.end(third, { kind: 'fail', error: lost })
        assert.equal((await retry(third.task, { destination: destination('a') })).folderIdentity, undefined)

        await s.restart({ clean: true, boot: 'boot 2' })
        assert.deepEqual((await s.start(b!)).folderIdentity, { ...identity, device: '' })
      },
    )

    check(
      'publishing that was interrupted is started with its intent, and device numbers of another boot are forgotten',
      async (s) => {
        const { session } = await s.owned()
        const id = await s.addOne(session)
        await s.intent(await s.startWithBytes(id))
        await s.restart({ clean: false, boot: 'boot 2' })
        const next = await s.start(id)
        assert.equal(await s.gate(id), 'publishing')
        assert.deepEqual(next.intent?.identity, { ...identity, device: '' })
        assert.deepEqual(next.part?.identity, { ...identity, device: '' })
        // The file was nowhere: it is fetched again, and a cancel counts at once.
        assert.equal((await s.reserve(next)).found, 'reserved')
        assert.equal(await s.gate(id), 'active')
        await s.change([id], { kind: 'cancel' })
        assert.equal((await s.record(id)).error?.code, 'CANCELLED')
      },
    )

    check('a task that was active in three unclean ends within ten minutes is left alone for an hour', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      for (let i = 0; i < 2; i++) {
        await s.start(id)
        s.pass(minute)
        assert.deepEqual((await s.restart({ clean: false })).parked, [])
      }
      await s.start(id)
      s.pass(minute)
      assert.deepEqual((await s.restart({ clean: false })).parked, [id])
      const facts = (await s.journal.explainFacts({ at: s.at, id }))!
      assert.deepEqual([facts.gate, facts.parked, facts.wakeAtMs], ['backoff', true, s.steadyMs + hour])
      assert.deepEqual(await s.journal.networkChanged({ at: s.at }), { woken: 0 })
      await s.change([id], { kind: 'resume' })
      assert.equal(await s.gate(id), 'backoff')
      await s.change([id], { kind: 'tryNow' })
      assert.equal(await s.gate(id), 'ready')
      await s.start(id)
      assert.deepEqual((await s.restart({ clean: false })).parked, [])
    })

    check('a task that gains bytes between unclean ends is not taken for their cause', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      for (let i = 1; i <= 5; i++) {
        await s.checkpoint(await s.startWithBytes(id, 10 * i), 10 * i + 5)
        s.pass(minute)
        assert.deepEqual((await s.restart({ clean: false })).parked, [])
      }
      // The same bytes once more are no gain; the last of the ends above was the first of three.
      for (let i = 2; i <= 3; i++) {
        await s.startWithBytes(id, 55)
        s.pass(minute)
        assert.deepEqual((await s.restart({ clean: false })).parked, i < 3 ? [] : [id])
      }
    })

    check('three unclean ends over a longer time park nothing', async (s) => {
      const { session } = await s.owned()
      const id = await s.addOne(session)
      for (let i = 0; i < 4; i++) {
        await s.start(id)
        s.pass(6 * minute)
        assert.deepEqual((await s.restart({ clean: false })).parked, [])
      }
    })
  })

  describe(`the journal ${form}: what is forgotten`, () => {
    check('a spooled file is owed a day after its event was acknowledged', async (s) => {
      const owner = await s.owned()
      const id = await s.addOne(owner.session)
      await s.complete(id)
      await s.take(owner)
      await s.journal.acknowledge({ ...owner, sequences: [1, 2, 3], at: s.at })
      s.pass(day - 1)
      assert.deepEqual(await s.journal.owed({ limit: 9, at: s.at }), [])
      s.pass(1)
      const files = await s.journal.owed({ limit: 9, at: s.at })
      assert.deepEqual(
        files.map(({ folder, name, identity: whose }) => [folder, name, whose]),
        [['/spool', `${id}.file`, identity]],
      )
    })

    check('a file at its destination is never owed', async (s) => {
      const owner = await s.owned()
      const id = await s.addOne(owner.session, { destination: { kind: 'file', folder: '/d', name: 'f' } })
      await s.complete(id)
      await s.take(owner)
      await s.journal.acknowledge({ ...owner, sequences: [1, 2, 3], at: s.at })
      s.pass(2 * day)
      assert.deepEqual(await s.journal.owed({ limit: 9, at: s.at }), [])
    })

    check('bytes of failed tasks after seven days, those without bytes at once', async (s) => {
      const { session } = await s.owned()
      const [some, none] = await s.add(session, {}, {})
      await s.end(await s.startWithBytes(some!), { kind: 'fail', error: lost })
      await s.end(await s.startWithBytes(none!, 0), { kind: 'fail', error: lost })
      const names = async (): Promise<readonly string[]> =>
        (await s.journal.owed({ limit: 9, at: s.at })).map(({ name }) => name)
      assert.deepEqual(await names(), [`${none}.part`])
      s.pass(7 * day - 1)
      await s.journal.retire({ at: s.at })
      assert.deepEqual(await names(), [`${none}.part`])
      s.pass(1)
      await s.journal.retire({ at: s.at })
      assert.deepEqual(await names(), [`${none}.part`, `${some}.part`])
    })

    check(
      'bytes of failed tasks after seven days by the clock that never jumps, however the other one is set',
      async (s) => {
        const { session } = await s.owned()
        await s.end(await s.startWithBytes(await s.addOne(session)), { kind: 'fail', error: lost })
        const keeps = async (setMs: number): Promise<boolean> => {
          await s.journal.retire({ at: { ...s.at, wallMs: s.at.wallMs + setMs } })
          return (await s.journal.owed({ limit: 9, at: s.at })).length === 0
        }
        s.pass(1000)
        assert.ok(await keeps(50 * 365 * day))
        s.pass(7 * day - 1001)
        assert.ok(await keeps(0))
        s.pass(1)
        assert.ok(!(await keeps(-365 * day)))
      },
    )

    check('no completed task because the clock was set forward', async (s) => {
      const owner = await s.owned()
      await s.change(await s.add(owner.session, ...Array.from({ length: 1200 }, () => ({}))), { kind: 'cancel' })
      s.pass(day)
      await s.journal.retire({ at: { ...s.at, wallMs: s.at.wallMs + 50 * 365 * day } })
      assert.equal((await s.journal.counts({})).completed, 1200)
    })

    check('completed tasks after 30 days, but the newest thousand, and none with events to come', async (s) => {
      const owner = await s.owned()
      const ids = [
        ...(await s.add(owner.session, ...Array.from({ length: 600 }, () => ({})))),
        ...(await s.add(owner.session, ...Array.from({ length: 600 }, () => ({})))),
      ]
      await s.change(ids, { kind: 'cancel' })
      s.pass(31 * day)
      await s.journal.retire({ at: s.at })
      assert.equal((await s.journal.counts({})).completed, 1200)
      for (const after of [0, 1000, 2000]) await s.take(owner, after)
      await s.journal.acknowledge({ ...owner, sequences: Array.from({ length: 2400 }, (_, i) => i + 1), at: s.at })
      while ((await s.journal.retire({ at: s.at })).more);
      assert.equal((await s.journal.counts({})).completed, 1000)
      assert.equal(await s.journal.getTask({ id: ids[0]! }), undefined)
      assert.ok((await s.journal.getTask({ id: ids[1199]! })) !== undefined)
    })
  })
}

const counted = (some: Record<string, number>): Record<string, number> => ({
  suspended: 0,
  held: 0,
  queued: 0,
  waiting: 0,
  active: 0,
  completed: 0,
  ...some,
})

/** Every command of an attempt, with a fence that no longer holds: answered `fenced`, and nothing is other than before. */
async function assertFenced(
  s: Subject,
  attempt: { readonly task: TaskId; readonly fence: number },
  owner: { readonly session: number; readonly fence: number },
  but?: 'its last checkpoint',
): Promise<void> {
  const state = async (): Promise<unknown> => [
    await s.journal.explainFacts({ at: s.at, id: attempt.task }),
    await s.journal.counts({}),
    (await s.journal.listSessions({})).map(({ unacknowledged }) => unacknowledged),
    await s.journal.owed({ limit: 100, at: { ...s.at, steadyMs: Infinity } }),
    await s.journal.launchFacts({ session: owner.session }),
  ]
  const before = await state()
  s.consequences.length = 0
  const { task, fence } = attempt
  const answers = await Promise.all([
    s.reserve(attempt),
    s.reserve(attempt, { kept: 'in place' }),
    ...(but === undefined ? [s.checkpoint(attempt, 99)] : []),
    s.journal.resumed({ task, fence, at: s.at, offset: 1, proof: 'digest' }),
    s.journal.restart({ task, fence, at: s.at, why: 'test', because: 'bytes changed' }),
    s.intent(attempt),
    s.finish(attempt),
    s.retry(attempt, { reopensAtMs: s.steadyMs + minute }),
    s.end(attempt, { kind: 'fail', error: lost }),
    s.end(attempt, { kind: 'stopped' }),
  ])
  for (const answer of answers) assert.deepEqual(answer, { found: 'fenced' })
  assert.deepEqual(await state(), before)
  assert.deepEqual(s.consequences, [])
}
