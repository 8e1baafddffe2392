import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import { frame, frameLimit } from '../../src/wire/framing.ts'
import { Peer, type PeerOptions, unsentLimit } from '../../src/wire/peer.ts'
import type { Channel } from '../../src/world/channel.ts'
import type { Log } from '../../src/world/log.ts'
import { socketPair } from './connection.ts'

interface Peers {
  readonly client: Peer
  readonly daemon: Peer
}

async function peers(t: TestContext, client: PeerOptions, daemon: PeerOptions): Promise<Peers> {
  const { near, far } = await socketPair(t)
  return { client: new Peer(frame(near), client), daemon: new Peer(frame(far), daemon) }
}

test('calls go both ways at the same time and each finds its answer', async (t) => {
  const double = (params: unknown): number => (params as number) * 2
  const { client, daemon } = await peers(
    t,
    { handlers: { double } },
    { handlers: { double: (params) => daemon.call('double', params) } },
  )
  const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => client.call('double', i)))
  assert.deepEqual(
    answers,
    Array.from({ length: 500 }, (_, i) => i * 2),
  )
})

test('an answer of nothing arrives as null', async (t) => {
  const { client } = await peers(t, {}, { handlers: { nothing: () => {} } })
  assert.equal(await client.call('nothing', {}), null)
})

test('a typed error crosses the socket with all it knows', async (t) => {
  const thrown = new LonghaulError('HTTP_STATUS', 'The server said 404.', {
    task: 'T',
    status: 404,
    body: Buffer.from([0, 255]),
    hint: 'h',
    retryable: true,
    cause: new LonghaulError('STALLED', 'inner', { cause: Object.assign(new Error('root'), { code: 'ECONNRESET' }) }),
  })
  const { client } = await peers(t, {}, { handlers: { fail: () => Promise.reject(thrown) } })
  const error = await client.call('fail', {}).catch((why: unknown) => why)
  assert.ok(isLonghaulError(error, 'HTTP_STATUS'))
  assert.deepEqual(JSON.parse(JSON.stringify(error)), JSON.parse(JSON.stringify(thrown)))
})

test('an unexpected exception is logged here and its text is not told to the other end', async (t) => {
  const logged: unknown[] = []
  const log: Log = {
    debug: () => {},
    info: () => {},
    warn: () => {},
    error: (message, fields) => logged.push([message, fields]),
  }
  const handlers = {
    sync: () => {
      throw new TypeError('secret /home/someone')
    },
    async: () => Promise.reject(new Error('secret too')),
    cyclic: () => {
      const value: Record<string, unknown> = {}
      value.self = value
      return value
    },
  }
  const { client } = await peers(t, {}, { handlers, log })
  for (const verb of Object.keys(handlers)) {
    const error = await client.call(verb, {}).catch((why: unknown) => why)
    assert.ok(isLonghaulError(error, 'DAEMON_UNAVAILABLE'))
    assert.equal(error.retryable, false)
    assert.doesNotMatch(JSON.stringify(error), /secret|someone|circular/i)
  }
  assert.equal(logged.length, 3)
  assert.equal(client.open, true)
})

test('an abort rejects at once with its reason, tells the other end, and the late answer harms nothing', async (t) => {
  const told = Promise.withResolvers<unknown>()
  const { client } = await peers(
    t,
    {},
    {
      handlers: {
        wait: (_params, { signal }) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              told.resolve(signal.reason)
              resolve('late')
            })
          }),
        ping: () => 'pong',
      },
    },
  )
  const abort = new AbortController()
  const call = client.call('wait', {}, abort.signal)
  abort.abort(new Error('enough'))
  await assert.rejects(call, /enough/)
  assert.ok(isLonghaulError(await told.promise, 'CANCELLED'))
  assert.equal(await client.call('ping', {}), 'pong')
  await assert.rejects(client.call('ping', {}, AbortSignal.abort(new Error('before'))), /before/)
})

test('a handler that gives up because it was aborted is answered as cancelled', async (t) => {
  const near = await socketPair(t)
  const daemon = new Peer(frame(near.far), {
    handlers: {
      wait: (_p, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new Error('x')))
        }),
    },
  })
  near.near.write('{"id":1,"call":"wait"}\n{"cancel":1}\n{"cancel":99}\n')
  const [bytes] = (await once(near.near, 'data')) as [Buffer]
  assert.match(bytes.toString(), /^\{"id":1,"error":\{"code":"CANCELLED"/)
  assert.equal(daemon.open, true)
})

test('calls that wait reject with the reason of the close, calls in progress are aborted with it', async (t) => {
  const aborted = Promise.withResolvers<unknown>()
  const entered = Promise.withResolvers<void>()
  const handlers = {
    wait: (_params: unknown, { signal }: { readonly signal: AbortSignal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          aborted.resolve(signal.reason)
          resolve(undefined)
        })
        entered.resolve()
      }),
  }
  const { client, daemon } = await peers(t, {}, { handlers })
  const call = client.call('wait', {})
  await entered.promise
  const reason = new LonghaulError('SESSION_TAKEN_OVER', 'gone')
  client.close(reason)
  await assert.rejects(call, (why) => why === reason)
  assert.equal(await client.closed, reason)
  await assert.rejects(client.call('wait', {}), (why) => why === reason)
  const theirs = await daemon.closed
  assert.ok(isLonghaulError(theirs, 'DAEMON_UNAVAILABLE'))
  assert.equal(await aborted.promise, theirs)
})

test('a verb that is not known is refused and the connection goes on, also for names of Object.prototype', async (t) => {
  const { client } = await peers(t, {}, { handlers: { ping: () => 'pong' } })
  for (const verb of ['nope', '__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    await assert.rejects(client.call(verb, {}), (why) => isLonghaulError(why, 'PROTOCOL_MISMATCH'))
  }
  assert.equal(await client.call('ping', {}), 'pong')
})

test('calls above the limit are refused and those below it go on', async (t) => {
  const release = Promise.withResolvers<void>()
  const { client } = await peers(t, {}, { handlers: { wait: () => release.promise }, maximumCalls: 3 })
  const calls = Array.from({ length: 5 }, () =>
    client.call('wait', {}).then(
      () => 'done',
      (why: LonghaulError) => `${why.code} ${why.retryable}`,
    ),
  )
  assert.deepEqual(await Promise.all(calls.slice(3)), ['INVALID_ARGUMENT true', 'INVALID_ARGUMENT true'])
  release.resolve()
  assert.deepEqual(await Promise.all(calls.slice(0, 3)), ['done', 'done', 'done'])
  assert.equal(await client.call('wait', {}), null)
})

test('notes come in order; an unknown one and a handler that throws change nothing', async (t) => {
  const got: unknown[] = []
  const { client, daemon } = await peers(
    t,
    {
      notes: {
        bad: () => {
          throw new Error('bad')
        },
        worse: () => Promise.reject(new Error('worse')),
        event: (params) => void got.push(params),
      },
    },
    { handlers: { ping: () => 'pong' } },
  )
  for (let i = 0; i < 50; i++) {
    daemon.note('bad', i)
    daemon.note('worse', i)
    daemon.note('unknown', i)
    daemon.note('event', i)
  }
  await daemon.call('nope', {}).catch(() => {})
  assert.deepEqual(
    got,
    Array.from({ length: 50 }, (_, i) => i),
  )
  assert.equal(await client.call('ping', {}), 'pong')
})

test('parameters and answers beyond the frame limit fail by themselves and leave the connection open', async (t) => {
  const big = 'x'.repeat(frameLimit)
  const { client } = await peers(t, {}, { handlers: { big: () => big, ping: () => 'pong' } })
  await assert.rejects(client.call('ping', big), (why) => isLonghaulError(why, 'DATA_LENGTH_EXCEEDS_MAXIMUM'))
  await assert.rejects(client.call('big', {}), (why) => {
    assert.ok(isLonghaulError(why, 'DATA_LENGTH_EXCEEDS_MAXIMUM'))
    assert.match(why.message, /The answer to 'big' .* what was asked for was done/)
    return true
  })
  await assert.rejects(client.call('ping', 1n), (why) => isLonghaulError(why, 'INVALID_ARGUMENT'))
  assert.throws(
    () => client.note('n', big),
    (why) => isLonghaulError(why, 'DATA_LENGTH_EXCEEDS_MAXIMUM'),
  )
  assert.equal(await client.call('ping', {}), 'pong')
})

test('a peer that leaves too much unread is dropped', async (t) => {
  const { near, far } = await socketPair(t)
  near.pause()
  const daemon = new Peer(frame(far))
  const text = 'x'.repeat(512 * 1024)
  for (let i = 0; i < unsentLimit / text.length + 4 && daemon.open; i++) daemon.note('event', text)
  assert.equal(daemon.open, false)
  assert.match((await daemon.closed).message, /unread/)
})

test('those who wait for room take turns, and a reader that keeps up is never taken for one that does not', async (t) => {
  const { near, far } = await socketPair(t)
  const all = Promise.withResolvers<void>()
  const came: string[] = []
  const client = new Peer(frame(near), {
    notes: {
      event: (params) => {
        came.push((params as string).slice(0, 2))
        if (came.length === 80) all.resolve()
      },
    },
  })
  const channel = frame(far)
  const daemon = new Peer(channel)
  let most = 0
  const say = (who: string): void => {
    let left = 20
    const next = (): void => {
      if (left === 0) return
      left -= 1
      daemon.note('event', who + 'x'.repeat(frameLimit / 2))
      most = Math.max(most, channel.unsent)
      daemon.whenRoom(next)
    }
    daemon.whenRoom(next)
  }
  for (const who of ['a ', 'b ', 'c ', 'd ']) say(who)
  await all.promise
  assert.ok(most < frameLimit, `${most} bytes waited`)
  // The first had said something before the others came.
  assert.deepEqual(came.slice(1, 9), ['a ', 'b ', 'c ', 'd ', 'a ', 'b ', 'c ', 'd '])
  assert.equal(client.open && daemon.open, true)
})

test('who waits for room on a connection that closes is called no more', async (t) => {
  const { near, far } = await socketPair(t)
  near.pause()
  const channel = frame(far)
  const daemon = new Peer(channel)
  while (!channel.full) daemon.note('event', 'x'.repeat(1000))
  let called = 0
  daemon.whenRoom(() => called++)
  daemon.close(new LonghaulError('CANCELLED', 'over'))
  daemon.whenRoom(() => called++)
  await once(far, 'close')
  assert.equal(called, 0)
})

test('while the other end is slow only the newest note of a key is kept', () => {
  const sent: unknown[] = []
  let handlers: Parameters<Channel['on']>[0] | undefined
  const channel = {
    full: false,
    unsent: 0,
    send: (line: string) => void sent.push(JSON.parse(line)),
    on: (given: Parameters<Channel['on']>[0]) => {
      handlers = given
    },
    close: () => {},
    ref: () => {},
    unref: () => {},
  }
  const peer = new Peer(channel)
  peer.latest('progress', 'a', 1)
  channel.full = true
  for (let i = 2; i < 100; i++) for (const key of ['a', 'b', 'gone']) peer.latest('progress', key, i)
  peer.latest('other', 'a', 'x')
  peer.drop('progress', 'gone')
  assert.equal(sent.length, 1)
  channel.full = false
  handlers?.drained()
  assert.deepEqual(sent, [
    { note: 'progress', params: 1 },
    { note: 'progress', params: 99 },
    { note: 'progress', params: 99 },
    { note: 'other', params: 'x' },
  ])
  peer.latest('progress', 'a', 100)
  assert.deepEqual(sent.at(-1), { note: 'progress', params: 100 })
})
