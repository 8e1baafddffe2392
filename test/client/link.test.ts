import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkTo, thisApp } from '../../src/client/this-app.ts'
import { Link, type Resident } from '../../src/client/link.ts'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import { watchRecords } from '../../src/cli/task-watch.ts'
import { watchTask } from '../../src/client/watch.ts'
import type { Peer } from '../../src/wire/peer.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { ScriptedDaemon, someRecord } from './scripted-daemon.ts'

const counts = { suspended: 0, held: 0, queued: 0, waiting: 0, active: 0, completed: 7 }

async function scripted(t: { after(run: () => Promise<void>): void }): Promise<{ daemon: ScriptedDaemon; link: Link }> {
  const daemon = await ScriptedDaemon.start()
  t.after(() => daemon.stop())
  return { daemon, link: linkTo(daemon.daemon) }
}

test('without a daemon, and told to start none, a call says that none runs', async (t) => {
  const { daemon, link } = await scripted(t)
  await daemon.stop()
  await assert.rejects(link.call('session.list', {}), (error) => isLonghaulError(error, 'DAEMON_UNAVAILABLE'))
})

test('calls that are made at once share one connection', async (t) => {
  const { daemon, link } = await scripted(t)
  t.after(link.retain())
  await Promise.all(Array.from({ length: 5 }, () => link.call('session.counts', {})))
  assert.equal(daemon.connections, 1)
})

test('the connection is closed when nobody needs it any more', async (t) => {
  const { daemon, link } = await scripted(t)
  const release = link.retain()
  await link.call('session.counts', {})
  assert.equal(link.attached, true)
  release()
  assert.equal(link.attached, false)
  await link.call('session.counts', {})
  assert.equal(daemon.connections, 2)
})

test('a question whose answer was lost is asked again on the next connection', async (t) => {
  const { daemon, link } = await scripted(t)
  let asked = 0
  daemon.answer({
    'session.counts': () => {
      if (++asked > 1) return counts
      daemon.cut()
      return counts
    },
  })
  assert.deepEqual(await link.call('session.counts', {}), counts)
  assert.equal(asked, 2)
})

test('a change that must not be made twice rejects when its answer was lost, and says that the outcome is not known', async (t) => {
  const { daemon, link } = await scripted(t)
  daemon.answer({
    'session.drop': () => {
      daemon.cut()
      return { events: 1, files: 1 }
    },
  })
  await assert.rejects(link.call('session.drop', { identifier: 'x' }), (error) => {
    assert.ok(isLonghaulError(error, 'DAEMON_UNAVAILABLE'))
    assert.match(error.message, /not known/)
    return true
  })
  assert.equal(daemon.callsOf('session.drop').length, 1)
})

test('a call that seems to kill every daemon is given up', async (t) => {
  const { daemon, link } = await scripted(t)
  daemon.answer({
    'session.counts': () => {
      daemon.cut()
      return counts
    },
  })
  await assert.rejects(link.call('session.counts', {}), (error) => isLonghaulError(error, 'DAEMON_UNAVAILABLE'))
  assert.ok(daemon.callsOf('session.counts').length <= 5)
})

test("the daemon's own refusal is passed on and not asked again", async (t) => {
  const { daemon, link } = await scripted(t)
  daemon.answer({
    'session.counts': () => {
      throw new LonghaulError('SESSION_INVALIDATED', 'gone')
    },
  })
  await assert.rejects(link.call('session.counts', {}), (error) => isLonghaulError(error, 'SESSION_INVALIDATED'))
  assert.equal(daemon.callsOf('session.counts').length, 1)
})

test('a wait goes on over a restart of the daemon', async (t) => {
  const { daemon, link } = await scripted(t)
  daemon.answer({ 'session.counts': () => new Promise(() => {}) })
  const waiting = link.call('session.counts', {})
  await daemon.came('session.counts')
  daemon.answer({ 'session.counts': () => counts })
  await daemon.stop()
  await daemon.listen()
  assert.deepEqual(await waiting, counts)
})

test('a signal ends a wait with its own reason, and the daemon is told', async (t) => {
  const { daemon, link } = await scripted(t)
  const told = Promise.withResolvers<void>()
  daemon.answer({
    'session.counts': (_, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          told.resolve()
          reject(new LonghaulError('CANCELLED', 'x'))
        })
      }),
  })
  t.after(link.retain())
  const abort = new AbortController()
  const waiting = link.call('session.counts', {}, { signal: abort.signal })
  await daemon.came('session.counts')
  const reason = new Error('enough')
  abort.abort(reason)
  await assert.rejects(waiting, (error) => error === reason)
  await told.promise
})

test('residents speak on each new connection before any other call goes out', async (t) => {
  const { daemon, link } = await scripted(t)
  const resident: Resident = {
    again: async (ask) => {
      await ask('session.list', {})
    },
    failed: () => assert.fail('the link must not give up'),
    note: () => {},
  }
  link.addOwner('s', resident)
  t.after(() => link.removeOwner('s', resident))
  await link.call('session.counts', {})
  daemon.cut()
  await daemon.came('session.list', 2)
  await link.call('session.counts', {})
  assert.deepEqual(
    daemon.calls.map((call) => call.verb),
    ['session.list', 'session.counts', 'session.list', 'session.counts'],
  )
})

test('an unknown daemon option is refused with the right one', () => {
  assert.throws(
    () => linkTo({ hoem: '/x' } as object),
    (error) => isLonghaulError(error, 'INVALID_ARGUMENT') && error.message.includes("'home'"),
  )
})

test('a resident that comes while others speak again is heard on that same connection', async (t) => {
  const { daemon, link } = await scripted(t)
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const silent = { failed: () => {}, note: () => {} }
  const slow: Resident = {
    ...silent,
    again: async () => {
      begun.resolve()
      await goOn.promise
    },
  }
  link.addOwner('s', slow)
  t.after(() => link.removeOwner('s', slow))
  const call = link.call('session.counts', {})
  await begun.promise
  let heard = 0
  const number = link.addWatch({ ...silent, again: async () => void heard++ })
  t.after(() => link.removeWatch(number))
  goOn.resolve()
  await call
  assert.deepEqual([heard, daemon.connections], [1, 1])
})

test('a connection for a call that was given up meanwhile is not left open', async (t) => {
  const { link } = await scripted(t)
  const abort = new AbortController()
  const given = link.call('session.counts', {}, { signal: abort.signal })
  abort.abort(new Error('enough'))
  await assert.rejects(given, /enough/)
  // Shares the connecting, and nothing more: whoever only waits for a connection needs none of it.
  await link.ready()
  assert.equal(link.attached, false)
})

test('a daemon that stops cleanly is not the end of a question: the next one is asked', async (t) => {
  const { daemon, link } = await scripted(t)
  t.after(link.retain())
  daemon.answer({
    'session.counts': () => {
      throw new LonghaulError('DAEMON_UNAVAILABLE', 'the daemon stops')
    },
  })
  const asking = link.call('session.counts', {})
  await daemon.came('session.counts')
  daemon.answer({ 'session.counts': () => counts })
  await daemon.stop()
  await daemon.listen()
  assert.deepEqual(await asking, counts)
})

test('a watch that begins while its daemon dies or stops is spoken for on the next connection', async (t) => {
  for (const how of ['dies', 'stops'] as const) {
    const { daemon, link } = await scripted(t)
    t.after(link.retain())
    await link.call('session.counts', {})
    const record = someRecord('01ARZ3NDEKTSV4RRFFQ69G5FAV')
    let asked = 0
    daemon.answer({
      'watch.start': () => {
        if (++asked > 1) return { tasks: [record] }
        if (how === 'dies') daemon.cut()
        else setImmediate(() => daemon.cut())
        throw new LonghaulError('DAEMON_UNAVAILABLE', 'The daemon is stopping.')
      },
    })
    const seen: string[] = []
    const stop = await watchRecords(link, {
      ids: [record.id],
      intervalMs: 100,
      record: ({ id }) => seen.push(id),
      progress: () => {},
      failed: (error) => assert.fail(error),
    })
    stop()
    assert.deepEqual([asked, seen], [2, [record.id]], how)
    const updates = watchTask(link, record.id, { intervalMs: 100, seen: ({ id }) => seen.push(id) })
    asked = 0
    await updates.next()
    await updates.return()
    assert.deepEqual([asked, seen], [2, [record.id, record.id]], how)
  }
})

const stopping = new LonghaulError('DAEMON_UNAVAILABLE', 'The daemon is stopping.')

/** A link over connections of paper, of which each answers what `answer` does; nothing takes time but its clock. */
function onPaper(
  answer: (connection: number, close: (why: Error) => void) => Promise<unknown>,
  dialled: (connection: number) => void = () => {},
): {
  readonly link: Link
  readonly clock: ManualClock
  /** The connection that stands. */
  readonly close: (why: Error) => void
} {
  const clock = new ManualClock()
  let connections = 0
  let last: Peer | undefined
  const dial = async (): Promise<Peer> => {
    const number = ++connections
    dialled(number)
    const { promise: closed, resolve } = Promise.withResolvers<Error>()
    const peer = {
      open: true,
      closed,
      close: (why: Error) => {
        peer.open = false
        resolve(why)
      },
      call: () => answer(number, (why) => peer.close(why)),
      unref: () => {},
    }
    last = peer as unknown as Peer
    return last
  }
  return { link: new Link({ dial, world: { ...thisApp.world, clock } }), clock, close: (why) => last?.close(why) }
}

/** Comes when the connection stands; gives back how often it has begun to speak. */
async function newcomer(link: Link): Promise<{
  readonly introduced: Promise<void>
  readonly spoken: () => number
  readonly failures: readonly LonghaulError[]
}> {
  link.retain()
  await link.ready()
  let spoken = 0
  const failures: LonghaulError[] = []
  const resident: Resident = {
    again: async (ask) => {
      spoken++
      await ask('session.list', {})
    },
    failed: (error) => void failures.push(error),
    note: () => {},
  }
  link.addWatch(resident)
  return { introduced: link.introduce(resident), spoken: () => spoken, failures }
}

/** Lets time go by, from timer to timer, until it is over. */
async function passed(clock: ManualClock, running: Promise<unknown>): Promise<void> {
  let over = false
  const end = (): void => void (over = true)
  running.then(end, end)
  for (let round = 0; !over && round < 1000; round++) {
    await settled()
    clock.advance((clock.nextAt ?? clock.steady()) - clock.steady())
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
}

test('a watch is not taken for begun by a daemon that said that it stops and then stayed', async () => {
  let asked = 0
  const { link, clock } = onPaper(() => (++asked === 1 ? Promise.reject(stopping) : Promise.resolve([])))
  const { introduced, spoken } = await newcomer(link)
  await settled()
  clock.advance(15_000)
  await introduced
  assert.deepEqual([asked, spoken()], [2, 2])
})

test('a daemon that always says that it stops, and never does, is given up by a watch', async () => {
  const { link, clock } = onPaper(() => Promise.reject(stopping))
  const { introduced, spoken } = await newcomer(link)
  const refused = assert.rejects(introduced, (error) => error === stopping)
  for (let round = 1; round < 5; round++) {
    await settled()
    clock.advance(15_000)
  }
  await refused
  assert.equal(spoken(), 5)
})

test('a watch goes on to the next connection whatever the reason for which the first one closed', async () => {
  const why = new LonghaulError('PROTOCOL_MISMATCH', 'The other end sent nonsense.')
  const { link } = onPaper((connection, close) => {
    if (connection > 1) return Promise.resolve([])
    close(why)
    return Promise.reject(why)
  })
  const { introduced, spoken } = await newcomer(link)
  await introduced
  assert.equal(spoken(), 2)
})

const broken = new LonghaulError('DAEMON_UNAVAILABLE', 'The connection broke.', { retryable: true })

test('a wait goes on over any number of daemons that are lost long after they were asked', async () => {
  const { link, clock } = onPaper((connection, close) => {
    if (connection > 7) return Promise.resolve(counts)
    clock.advance(30_000)
    close(broken)
    return Promise.reject(broken)
  })
  assert.deepEqual(await link.call('session.counts', {}), counts)
})

test('daemons that are lost soon after they were asked are counted anew after one that was not', async () => {
  let asked = 0
  const { link, clock } = onPaper((connection, close) => {
    asked++
    clock.advance(connection === 4 ? 30_000 : 29_999)
    close(broken)
    return Promise.reject(broken)
  })
  await assert.rejects(link.call('session.counts', {}), /broke before the answer/)
  assert.equal(asked, 4 + 5)
})

test('a wait goes on over any number of daemons that say that they stop, and do', async () => {
  const { link, clock } = onPaper((connection, close) => {
    if (connection > 20) return Promise.resolve(counts)
    setImmediate(() => close(broken))
    return Promise.reject(stopping)
  })
  const waiting = link.call('session.counts', {})
  await passed(clock, waiting)
  assert.deepEqual(await waiting, counts)
})

test('daemons that each say that they stop, and do, are asked ever less often, until one stayed for long', async () => {
  const asked: number[] = []
  const { link, clock } = onPaper((connection, close) => {
    asked.push(clock.steady())
    if (connection === 10) return Promise.resolve(counts)
    if (connection === 8) clock.advance(30_000)
    close(broken)
    return Promise.reject(stopping)
  })
  const waiting = link.call('session.counts', {})
  await passed(clock, waiting)
  const pauses = asked.slice(1).map((at, index) => at - asked[index]!)
  assert.deepEqual(pauses, [0, 100, 250, 500, 1000, 1000, 1000, 30_000, 100])
})

test('a signal ends the pause before the next daemon is asked', async () => {
  const { link, clock } = onPaper((_, close) => {
    close(broken)
    return Promise.reject(stopping)
  })
  const abort = new AbortController()
  const reason = new Error('enough')
  const refused = assert.rejects(link.call('session.counts', {}, { signal: abort.signal }), (error) => error === reason)
  await settled()
  clock.advance(0)
  await settled()
  assert.equal(clock.waiting, 1)
  abort.abort(reason)
  await refused
})

test('a daemon that always says that it stops, and never does, is given up by a call', async () => {
  let asked = 0
  const { link, clock } = onPaper(() => {
    asked++
    return Promise.reject(stopping)
  })
  const refused = assert.rejects(link.call('session.counts', {}), /broke before the answer/)
  for (let round = 0; round < 5; round++) {
    await settled()
    clock.advance(15_000)
  }
  await refused
  assert.equal(asked, 5)
})

test('what the system refuses just now is no reason to give up residents, nor for an error that is not ours', async () => {
  const tooManyFiles = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' })
  let refusals = 0
  const { link, clock, close } = onPaper(
    () => Promise.resolve([]),
    (connection) => {
      if (connection === 1 || refusals === 30) return
      refusals++
      throw tooManyFiles
    },
  )
  const { introduced, failures } = await newcomer(link)
  await introduced
  close(broken)
  const refused = assert.rejects(
    link.call('session.list', {}),
    (error) => isLonghaulError(error, 'DAEMON_UNAVAILABLE') && error.retryable && error.cause === tooManyFiles,
  )
  while (!link.attached) {
    await settled()
    clock.advance(30_000)
  }
  await refused
  assert.deepEqual([refusals, failures], [30, []])
})

test('a fault inside us is not taken for something that passes: residents are told, with the fault, and nobody tries again', async () => {
  const faults: readonly Error[] = [
    new TypeError('not a function'),
    Object.assign(new TypeError('wrong type'), { code: 'ERR_INVALID_ARG_TYPE' }),
    new RangeError('too deep'),
    new assert.AssertionError({}),
  ]
  for (const fault of faults) {
    let dials = 0
    const { link, clock, close } = onPaper(
      () => Promise.resolve([]),
      () => {
        if (++dials > 1) throw fault
      },
    )
    const { introduced, failures } = await newcomer(link)
    await introduced
    close(broken)
    await settled()
    const [failure] = failures
    assert.ok(isLonghaulError(failure, 'DAEMON_UNAVAILABLE'))
    assert.deepEqual([failure.retryable, failure.cause, failures.length, clock.waiting], [false, fault, 1, 0])
    await assert.rejects(
      link.call('session.list', {}),
      (error) => isLonghaulError(error, 'DAEMON_UNAVAILABLE') && !error.retryable && error.cause === fault,
    )
    assert.equal(dials, 3)
  }
})
