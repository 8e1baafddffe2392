import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import type { DurableEventJson } from '../../src/contract/events.ts'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import { defaultConfiguration } from '../../src/contract/session.ts'
import type { Result } from '../../src/contract/verbs.ts'
import { linkTo } from '../../src/client/this-app.ts'
import { BackgroundSession, type SessionDelegate } from '../../src/index.ts'
import { ScriptedDaemon, someRecord } from './scripted-daemon.ts'

const identifier = 'com.example.test'
const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV'

async function scripted(t: TestContext): Promise<ScriptedDaemon> {
  const daemon = await ScriptedDaemon.start()
  t.after(() => daemon.stop())
  return daemon
}

function event(sequence: number, redelivered = false): DurableEventJson {
  return {
    kind: 'didResumeAtOffset',
    sequence,
    redelivered,
    timeMs: 5,
    task: someRecord(id),
    body: { fileOffset: 10 },
  }
}

async function opened(
  t: TestContext,
  daemon: ScriptedDaemon,
  delegate?: SessionDelegate,
  more: { readonly takeover?: boolean } = {},
): Promise<BackgroundSession> {
  const session = await BackgroundSession.open({ identifier, daemon: daemon.daemon, delegate, ...more })
  t.after(() => session.close())
  return session
}

test('without a delegate a session is a controller and asks for no ownership', async (t) => {
  const daemon = await scripted(t)
  const session = await opened(t, daemon)
  assert.equal(session.role, 'controller')
  assert.equal(daemon.callsOf('session.open')[0]?.own, undefined)
  assert.equal(session.configuration.maximumActiveTasks, 16)
  await assert.rejects(session.activate(), (error) => isLonghaulError(error, 'INVALID_ARGUMENT'))
})

test('with a delegate it is the owner, and tells which methods there are', async (t) => {
  const daemon = await scripted(t)
  const session = await opened(t, daemon, { didComplete: () => {} })
  assert.equal(session.role, 'owner')
  assert.deepEqual(daemon.callsOf('session.open')[0]?.own?.methods, ['didComplete'])
})

test('a misspelt delegate method is refused before anything is asked of the daemon', async (t) => {
  const daemon = await scripted(t)
  await assert.rejects(
    opened(t, daemon, { didComplet: () => {} } as SessionDelegate),
    (error) => isLonghaulError(error, 'INVALID_ARGUMENT') && error.message.includes("'didComplete'"),
  )
  assert.deepEqual(daemon.calls, [])
})

test('an event is acknowledged when the promise of its callback has resolved, not before', async (t) => {
  const daemon = await scripted(t)
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const session = await opened(t, daemon, {
    async didResumeAtOffset(task, { fileOffset, sequence, time }) {
      assert.deepEqual([task.id, fileOffset, sequence, time.getTime()], [id, 10, 1, 5])
      begun.resolve()
      await goOn.promise
    },
  })
  await session.activate()
  daemon.note('event', { session: identifier, event: event(1) })
  await begun.promise
  await session.counts()
  assert.equal(daemon.callsOf('event.acknowledge').length, 0)
  goOn.resolve()
  await daemon.came('event.acknowledge')
  assert.deepEqual(daemon.callsOf('event.acknowledge')[0]?.sequences, [1])
})

test('events for which there is no method are acknowledged; what settles while a call is under way goes in the next', async (t) => {
  const daemon = await scripted(t)
  const first = Promise.withResolvers<void>()
  daemon.answer({
    'event.acknowledge': async ({ sequences }) => {
      await first.promise
      return { acknowledged: sequences.length }
    },
  })
  const session = await opened(t, daemon, {})
  await session.activate()
  for (const sequence of [1, 2, 3]) daemon.note('event', { session: identifier, event: event(sequence) })
  await daemon.came('event.acknowledge')
  await session.counts()
  first.resolve()
  await daemon.came('event.acknowledge', 2)
  assert.deepEqual(
    daemon.callsOf('event.acknowledge').map((call) => call.sequences),
    [[1], [2, 3]],
  )
})

test('a callback that throws is told to the developer and called again', async (t) => {
  const daemon = await scripted(t)
  const again = Promise.withResolvers<void>()
  const warning = once(process, 'warning')
  const redelivered: boolean[] = []
  const session = await opened(t, daemon, {
    didResumeAtOffset(_: unknown, event: { readonly redelivered: boolean }) {
      redelivered.push(event.redelivered)
      if (redelivered.length === 1) throw new Error('not yet')
      again.resolve()
    },
  })
  await session.activate()
  daemon.note('event', { session: identifier, event: event(1) })
  const [warned] = (await warning) as [Error & { code?: string }]
  assert.equal(warned.code, 'LONGHAUL_CALLBACK_THREW')
  session.ref()
  await again.promise
  // It may have done its work before it threw.
  assert.deepEqual(redelivered, [false, true])
})

test('a second owner in the same process is refused with its pid, and the first is not disturbed', async (t) => {
  const daemon = await scripted(t)
  const first = await opened(t, daemon, {})
  await assert.rejects(opened(t, daemon, {}), (error) => {
    assert.ok(isLonghaulError(error, 'SESSION_IN_USE'))
    assert.equal(error.ownerPid, process.pid)
    return true
  })
  assert.equal(first.role, 'owner')
  assert.equal(daemon.callsOf('session.open').length, 1)
})

test('takeover in one process: the first is told, and lets go before the second attaches', async (t) => {
  const daemon = await scripted(t)
  let lost: LonghaulError | undefined
  const first = await opened(t, daemon, { didLoseOwnership: (error) => void (lost = error) })
  const second = await opened(t, daemon, {}, { takeover: true })
  assert.equal(lost?.code, 'SESSION_TAKEN_OVER')
  assert.equal(first.role, 'controller')
  assert.equal(second.role, 'owner')
  assert.deepEqual(
    daemon.calls.map((call) => call.verb),
    ['session.open', 'session.close', 'session.open'],
  )
})

test('of two takeovers at once the one that was asked last is the owner, and the daemon knows of no other', async (t) => {
  for (const isOwned of [false, true]) {
    const daemon = await scripted(t)
    // As the real one: one owner for each session, whatever was asked.
    let owner: number | undefined
    let fence = 0
    daemon.answer({
      'session.open': ({ identifier: name, own }) => {
        if (own === undefined) return usualOpened(name)
        if (owner !== undefined) throw new LonghaulError('SESSION_IN_USE', 'this process already')
        owner = ++fence
        return { ...usualOpened(name), fence }
      },
      'session.close': (asked) => {
        if (asked.fence === owner) owner = undefined
        return null
      },
    })
    const lost: string[] = []
    const open = (name: string): Promise<BackgroundSession> =>
      opened(t, daemon, { didLoseOwnership: () => void lost.push(name) }, { takeover: true })
    const before = isOwned ? ['first'] : []
    for (const name of before) await open(name)
    const [one, two] = await Promise.all([open('one'), open('two')])
    assert.deepEqual([one.role, two.role, lost], ['controller', 'owner', [...before, 'one']])
    await two.activate()
    assert.equal(daemon.callsOf('session.activate').at(-1)?.fence, owner)
    assert.equal((await open('three')).role, 'owner')
  }
})

test('one that opens while another object of its process does waits for how that ends', async (t) => {
  const daemon = await scripted(t)
  const goOn = Promise.withResolvers<void>()
  daemon.answer({
    'session.open': async ({ identifier: name }) => {
      if (daemon.callsOf('session.open').length > 1) return { ...usualOpened(name), fence: 2 }
      await goOn.promise
      throw new LonghaulError('CONFIGURATION_MISMATCH', 'another one')
    },
  })
  const one = assert.rejects(opened(t, daemon, {}), (error) => isLonghaulError(error, 'CONFIGURATION_MISMATCH'))
  const two = opened(t, daemon, {})
  await daemon.came('session.open')
  goOn.resolve()
  await one
  assert.equal((await two).role, 'owner')
})

test('an ownership that ended before its answer came is not handed out, and the daemon lets go of it', async (t) => {
  const daemon = await scripted(t)
  const other = await opened(t, daemon)
  other.ref()
  daemon.answer({
    'session.open': ({ identifier: name }) => {
      daemon.note('ended', { session: name, error: new LonghaulError('SESSION_TAKEN_OVER', 'by 7').toJSON() })
      return { ...usualOpened(name), fence: 3000 }
    },
  })
  const delegate = { didLoseOwnership: () => assert.fail('it has never been the owner') }
  await assert.rejects(opened(t, daemon, delegate), (error) => isLonghaulError(error, 'SESSION_TAKEN_OVER'))
  assert.deepEqual(daemon.callsOf('session.close'), [{ identifier, fence: 3000 }])
})

test('taken over by another process: the delegate is told, and a late result is not acknowledged', async (t) => {
  const daemon = await scripted(t)
  const begun = Promise.withResolvers<AbortSignal>()
  const goOn = Promise.withResolvers<void>()
  const lost = Promise.withResolvers<LonghaulError>()
  const session = await opened(t, daemon, {
    didResumeAtOffset(_, { signal }) {
      begun.resolve(signal)
      return goOn.promise
    },
    didLoseOwnership: lost.resolve,
  })
  await session.activate()
  daemon.note('event', { session: identifier, event: event(1) })
  const signal = await begun.promise
  daemon.note('ended', { session: identifier, error: new LonghaulError('SESSION_TAKEN_OVER', 'by 7').toJSON() })
  assert.equal((await lost.promise).message, 'by 7')
  assert.equal(signal.aborted, true)
  goOn.resolve()
  await session.counts()
  assert.deepEqual(daemon.callsOf('event.acknowledge'), [])
  await assert.rejects(session.activate(), (error) => isLonghaulError(error))
})

test('after a break it attaches again with its fence, activates, and acknowledges under the new one', async (t) => {
  const daemon = await scripted(t)
  let calls = 0
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const session = await opened(t, daemon, {
    async didResumeAtOffset() {
      calls++
      begun.resolve()
      await goOn.promise
    },
  })
  await session.activate()
  const first = daemon.callsOf('session.activate')[0]!.fence
  daemon.note('event', { session: identifier, event: event(1) })
  await begun.promise
  session.ref()
  await daemon.stop()
  await daemon.listen()
  await daemon.came('session.activate', 2)
  const again = daemon.callsOf('session.open')[1]
  assert.deepEqual([again?.own?.fence, again?.own?.takeover], [first, false])
  await session.counts()
  daemon.note('event', { session: identifier, event: event(1, true) })
  await session.counts()
  goOn.resolve()
  await daemon.came('event.acknowledge')
  assert.equal(calls, 1, 'a callback that runs is not called a second time')
  assert.equal(daemon.callsOf('event.acknowledge')[0]?.fence, daemon.callsOf('session.activate')[1]?.fence)
})

test('an acknowledgement whose answer was lost is said again before events flow', async (t) => {
  const daemon = await scripted(t)
  let lost = false
  daemon.answer({
    'event.acknowledge': ({ sequences }) => {
      if (!lost) {
        lost = true
        daemon.cut()
      }
      return { acknowledged: sequences.length }
    },
  })
  const session = await opened(t, daemon, {})
  session.ref()
  await session.activate()
  daemon.note('event', { session: identifier, event: event(1) })
  await daemon.came('session.activate', 2)
  const order = daemon.calls.map((call) => call.verb)
  assert.deepEqual(order.slice(-3), ['session.open', 'event.acknowledge', 'session.activate'])
})

test('another process that became the owner while the connection was broken ends the ownership', async (t) => {
  const daemon = await scripted(t)
  const lost = Promise.withResolvers<LonghaulError>()
  const session = await opened(t, daemon, { didLoseOwnership: lost.resolve })
  session.ref()
  daemon.answer({
    'session.open': () => {
      throw new LonghaulError('SESSION_IN_USE', 'pid 7 has it', { ownerPid: 7 })
    },
  })
  daemon.cut()
  assert.equal((await lost.promise).code, 'SESSION_TAKEN_OVER')
  assert.equal(session.role, 'controller')
})

test('progress reaches didWriteData with the handle of the task, and its snapshot is the newest', async (t) => {
  const daemon = await scripted(t)
  daemon.answer({ 'task.get': () => someRecord(id) })
  const seen = Promise.withResolvers<readonly unknown[]>()
  const session = await opened(t, daemon, {
    didWriteData: (task, { totalBytesWritten }) =>
      seen.resolve([task.id, totalBytesWritten, task.snapshot.progress.received]),
  })
  session.ref()
  await session.activate()
  daemon.note('passing', {
    session: identifier,
    event: {
      kind: 'didWriteData',
      afterSequence: 0,
      timeMs: 0,
      task: id,
      bytesWritten: 4,
      totalBytesWritten: 4,
      progress: { received: 4, sent: 0, rate: 1 },
    },
  })
  assert.deepEqual(await seen.promise, [id, 4, 4])
})

test('shared gives one object for one identifier, refuses another delegate, and begins anew after close', async (t) => {
  const daemon = await scripted(t)
  const delegate = {}
  const options = { identifier, daemon: daemon.daemon, delegate }
  const first = await BackgroundSession.shared(options)
  assert.equal(await BackgroundSession.shared({ identifier, daemon: daemon.daemon }), first)
  await assert.rejects(BackgroundSession.shared({ ...options, delegate: {} }), (error) =>
    isLonghaulError(error, 'INVALID_ARGUMENT'),
  )
  await first.close()
  const next = await BackgroundSession.shared(options)
  assert.notEqual(next, first)
  await next.close()
})

test('close lets go of the ownership and can be called twice; afterwards methods say that it was closed', async (t) => {
  const daemon = await scripted(t)
  const session = await opened(t, daemon, {})
  await Promise.all([session.close(), session.close()])
  assert.equal(daemon.callsOf('session.close').length, 1)
  await assert.rejects(session.counts(), (error) => isLonghaulError(error, 'INVALID_ARGUMENT'))
})

test('asking for the next event acknowledges the one before, and leaving the loop does not', async (t) => {
  const daemon = await scripted(t)
  const session = await opened(t, daemon)
  const events = await session.events()
  assert.equal(session.role, 'owner')
  for (const sequence of [1, 2, 3]) daemon.note('event', { session: identifier, event: event(sequence) })
  const seen: number[] = []
  for await (const each of events) {
    assert.equal(each.type, 'didResumeAtOffset')
    seen.push(each.sequence)
    if (each.sequence === 2) break
  }
  assert.deepEqual(seen, [1, 2])
  assert.deepEqual(
    daemon.callsOf('event.acknowledge').map((call) => call.sequences),
    [[1]],
  )
  assert.equal(daemon.callsOf('session.close').length, 1)
  assert.equal(session.role, 'controller')
})

test('a session that is closed while it becomes the owner for a loop does not stay the owner, nor connected', async (t) => {
  const daemon = await scripted(t)
  const session = await opened(t, daemon)
  const goOn = Promise.withResolvers<void>()
  daemon.answer({
    'session.open': async ({ identifier: name }) => {
      await goOn.promise
      return { ...usualOpened(name), fence: 4000 }
    },
  })
  const events = assert.rejects(session.events(), (error) => isLonghaulError(error, 'CANCELLED'))
  await daemon.came('session.open', 2)
  await session.close()
  goOn.resolve()
  await events
  assert.deepEqual(daemon.callsOf('session.close'), [{ identifier, fence: 4000 }])
  assert.deepEqual([session.role, linkTo(daemon.daemon).attached], ['controller', false])
})

test('who asks for several events at once gets them in that order', async (t) => {
  const daemon = await scripted(t)
  const session = await opened(t, daemon)
  const events = await session.events()
  const asked = [events.next(), events.next(), events.next()] as const
  const sequenceOf = async (result: (typeof asked)[number]): Promise<number> =>
    ((await result) as IteratorYieldResult<{ readonly sequence: number }>).value.sequence
  daemon.note('event', { session: identifier, event: event(1) })
  assert.equal(await sequenceOf(asked[0]), 1)
  // To have asked for the next acknowledges the one before.
  await daemon.came('event.acknowledge')
  daemon.note('event', { session: identifier, event: event(2) })
  assert.equal(await sequenceOf(asked[1]), 2)
  await session.close()
  assert.equal((await asked[2]).done, true)
})

test('event.acknowledge resolves when the daemon has committed it', async (t) => {
  const daemon = await scripted(t)
  const committed = Promise.withResolvers<{ acknowledged: number }>()
  daemon.answer({ 'event.acknowledge': () => committed.promise })
  const session = await opened(t, daemon)
  const events = await session.events()
  daemon.note('event', { session: identifier, event: event(1) })
  const { value } = (await events.next()) as IteratorYieldResult<{ acknowledge(): Promise<void> }>
  let isDone = false
  const done = value.acknowledge().then(() => (isDone = true))
  await daemon.came('event.acknowledge')
  await session.counts()
  assert.equal(isDone, false)
  committed.resolve({ acknowledged: 1 })
  await done
})

test('the loop ends by itself after didBecomeInvalid, and throws when the session is taken over', async (t) => {
  const daemon = await scripted(t)
  const session = await opened(t, daemon)
  const events = await session.events()
  daemon.note('event', {
    session: identifier,
    event: { kind: 'didBecomeInvalid', sequence: 1, redelivered: false, timeMs: 5, body: {} },
  })
  assert.equal((await events.next()).done, false)
  assert.equal((await events.next()).done, true)

  const again = await session.events()
  const next = again.next()
  daemon.note('ended', { session: identifier, error: new LonghaulError('SESSION_TAKEN_OVER', 'by 7').toJSON() })
  await assert.rejects(Promise.resolve(next), (error) => isLonghaulError(error, 'SESSION_TAKEN_OVER'))
})

test('an owner that is neither activated nor closed is reminded after five seconds, once', async (t) => {
  const daemon = await scripted(t)
  const session = await opened(t, daemon, {})
  session.ref()
  const [warned] = (await once(process, 'warning')) as [Error & { code?: string }]
  assert.equal(warned.code, 'LONGHAUL_NOT_ACTIVATED')
  assert.match(warned.message, /activate\(\)/)
})

test('an owner that is activated while it attaches again is activated under its new fence', async (t) => {
  const daemon = await scripted(t)
  const session = await opened(t, daemon, {})
  let fence = 0
  daemon.answer({
    'session.activate': (asked) => {
      if (asked.fence !== fence) throw new LonghaulError('SESSION_TAKEN_OVER', `fence ${asked.fence} is not ${fence}`)
      return null
    },
    'session.open': (asked) => {
      fence = 1000
      return { ...usualOpened(asked.identifier), fence }
    },
  })
  await daemon.stop()
  // The break is noticed here.
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  const activated = session.activate()
  activated.catch(() => {})
  await daemon.listen()
  await activated
  assert.equal(session.role, 'owner')
})

test('a session that is closed while it attaches again does not stay the owner', async (t) => {
  const daemon = await scripted(t)
  const other = await opened(t, daemon)
  const session = await BackgroundSession.open({
    identifier: 'com.example.closed',
    daemon: daemon.daemon,
    delegate: {},
  })
  const goOn = Promise.withResolvers<void>()
  daemon.answer({
    'session.open': async ({ identifier: name }) => {
      await goOn.promise
      return { ...usualOpened(name), fence: 2000 }
    },
  })
  other.ref()
  daemon.cut()
  await daemon.came('session.open', 3)
  await session.close()
  goOn.resolve()
  await other.counts()
  assert.deepEqual(daemon.callsOf('session.close'), [{ identifier: 'com.example.closed', fence: 2000 }])
  assert.deepEqual(daemon.callsOf('session.activate'), [])
})

test('a session that was taken over says so when it is activated', async (t) => {
  const daemon = await scripted(t)
  const lost = Promise.withResolvers<LonghaulError>()
  const session = await opened(t, daemon, { didLoseOwnership: lost.resolve })
  daemon.note('ended', { session: identifier, error: new LonghaulError('SESSION_TAKEN_OVER', 'by 7').toJSON() })
  await lost.promise
  await assert.rejects(session.activate(), (error) => isLonghaulError(error, 'SESSION_TAKEN_OVER'))
})

function usualOpened(name: string): Result<'session.open'> {
  return {
    identifier: name,
    created: false,
    configuration: defaultConfiguration,
    changedConfiguration: [],
    survives: 'on demand',
    launched: false,
  }
}
