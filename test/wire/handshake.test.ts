import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { inspect } from 'node:util'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import { frame } from '../../src/wire/framing.ts'
import { greet, type Greeted, handshakeLimitMs, type HandshakeOptions, receive } from '../../src/wire/handshake.ts'
import type { Channel } from '../../src/world/channel.ts'
import type { Random } from '../../src/world/clock.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { Received, socketPair } from './connection.ts'

const secret = randomBytes(32)
const random: Random = { fraction: () => 0.5, bytes: (count) => randomBytes(count) }
const facts = { pid: 4711, version: '0.1.0', home: '/home/someone/.local/state/longhaul' }

function options(changes: Partial<HandshakeOptions> = {}): HandshakeOptions {
  return { secret, versions: [1], clock: new ManualClock(), random, serve: () => ({}), ...changes }
}

async function channels(t: TestContext): Promise<{ readonly near: Channel; readonly far: Channel }> {
  const { near, far } = await socketPair(t)
  return { near: frame(near), far: frame(far) }
}

function outcome(promise: Promise<Greeted>): Promise<Greeted | LonghaulError> {
  return promise.catch((why: unknown) => {
    assert.ok(isLonghaulError(why), String(why))
    return why
  })
}

test('both ends that hold the secret get a peer, the highest common version and the facts', async (t) => {
  const { near, far } = await channels(t)
  const clock = new ManualClock()
  const daemonSide = receive(far, { ...options({ clock, versions: [1, 2, 3] }), facts })
  const client = await greet(near, options({ clock, versions: [2, 3, 9] }))
  const daemon = await daemonSide
  assert.deepEqual([client.version, daemon.version], [3, 3])
  assert.deepEqual(client.facts, facts)
  assert.equal(clock.waiting, 0)
})

test('the peer of either side is there for the first line behind the handshake', async (t) => {
  const { near, far } = await channels(t)
  const noted = Promise.withResolvers<unknown>()
  const daemonSide = receive(far, { ...options({ serve: () => ({ handlers: { ping: () => 'pong' } }) }), facts }).then(
    ({ peer }) => peer.note('event', 1),
  )
  const client = await greet(near, options({ serve: () => ({ notes: { event: noted.resolve } }) }))
  assert.equal(await client.peer.call('ping', {}), 'pong')
  assert.equal(await noted.promise, 1)
  await daemonSide
})

test('a false daemon gets a nonce and versions, nothing that it could use', async (t) => {
  const { near, far } = await channels(t)
  const received = new Received(far)
  const result = outcome(greet(near, options()))
  const hello = JSON.parse(await received.next()) as {
    readonly id: number
    readonly call: string
    readonly params: Readonly<Record<string, unknown>>
  }
  assert.deepEqual(Object.keys(hello), ['id', 'call', 'params'])
  assert.deepEqual(Object.keys(hello.params), ['versions', 'nonce'])
  // It guesses, by a secret of its own.
  const guess = createHmac('sha256', randomBytes(32)).update('x').digest('hex')
  far.send(JSON.stringify({ id: 1, ok: { version: 1, nonce: randomBytes(32).toString('hex'), proof: guess } }))
  const why = await result
  assert.ok(isLonghaulError(why, 'PROTOCOL_MISMATCH'))
  assert.match(why.message, /could not prove/)
  await received.closed
  assert.deepEqual(received.left, [])
})

test('a client cannot be proved by the daemon’s own proof, sent back', async (t) => {
  const { near, far } = await channels(t)
  const received = new Received(near)
  const result = outcome(receive(far, { ...options(), facts }))
  near.send(JSON.stringify({ id: 1, call: 'hello', params: { versions: [1], nonce: randomBytes(32).toString('hex') } }))
  const { ok } = JSON.parse(await received.next()) as { readonly ok: { readonly proof: string } }
  near.send(JSON.stringify({ id: 2, call: 'prove', params: { proof: ok.proof } }))
  assert.match(inspect(await result), /does not know the secret/)
  await received.closed
  assert.deepEqual(received.left, [])
})

test('a client with another secret learns neither facts nor answers', async (t) => {
  const { near, far } = await channels(t)
  let served = 0
  const daemon = outcome(
    receive(far, {
      ...options({
        serve: () => {
          served++
          return {}
        },
      }),
      facts,
    }),
  )
  const client = await outcome(greet(near, options({ secret: randomBytes(32) })))
  assert.ok(isLonghaulError(client, 'PROTOCOL_MISMATCH'))
  assert.ok(isLonghaulError(await daemon))
  assert.equal(served, 0)
})

test('versions that were changed on the way are noticed', async (t) => {
  const inner = await channels(t)
  const outer = await channels(t)
  // A process in between takes version 2 out of the offer.
  inner.far.on({
    line: (line) => outer.near.send(line.replace('[1,2]', '[1]')),
    drained: () => {},
    closed: (why) => outer.near.close(why),
  })
  outer.near.on({ line: (line) => inner.far.send(line), drained: () => {}, closed: (why) => inner.far.close(why) })
  const daemon = outcome(receive(outer.far, { ...options({ versions: [1, 2] }), facts }))
  const client = await outcome(greet(inner.near, options({ versions: [1, 2] })))
  assert.ok(isLonghaulError(client, 'PROTOCOL_MISMATCH'))
  assert.ok(isLonghaulError(await daemon))
})

test('without a common version both sides are named', async (t) => {
  const { near, far } = await channels(t)
  const daemon = outcome(receive(far, { ...options({ versions: [4, 5] }), facts }))
  const client = await outcome(greet(near, options({ versions: [1, 2] })))
  assert.ok(isLonghaulError(client, 'PROTOCOL_MISMATCH'))
  assert.match(client.message, /4, 5.*1, 2/)
  assert.ok(isLonghaulError(await daemon, 'PROTOCOL_MISMATCH'))
})

const nonce = 'a'.repeat(64)
const wrongStarts: Readonly<Record<string, string>> = {
  'a verb': '{"id":1,"call":"session.list","params":{}}',
  'a note': '{"note":"event","params":{}}',
  'a proof without hello': `{"id":2,"call":"prove","params":{"proof":"${nonce}"}}`,
  'a hello without nonce': '{"id":1,"call":"hello","params":{"versions":[1]}}',
  'a hello with a short nonce': '{"id":1,"call":"hello","params":{"versions":[1],"nonce":"aa"}}',
  'a hello without versions': `{"id":1,"call":"hello","params":{"versions":[],"nonce":"${nonce}"}}`,
  'a hello with versions that are none': `{"id":1,"call":"hello","params":{"versions":["1"],"nonce":"${nonce}"}}`,
  'a hello of nothing': '{"id":1,"call":"hello"}',
  HTTP: 'GET / HTTP/1.1',
}
for (const [what, line] of Object.entries(wrongStarts)) {
  test(`${what} before the handshake gets no answer but the close`, async (t) => {
    const { near, far } = await channels(t)
    const received = new Received(near)
    const result = outcome(receive(far, { ...options(), facts }))
    near.send(line)
    assert.ok(isLonghaulError(await result, 'PROTOCOL_MISMATCH'))
    await received.closed
    assert.deepEqual(received.left, [])
  })
}

test('a verb between hello and proof gets no answer but the close', async (t) => {
  const { near, far } = await channels(t)
  const received = new Received(near)
  const result = outcome(receive(far, { ...options({ serve: () => ({ handlers: { ping: () => 'pong' } }) }), facts }))
  near.send(`{"id":1,"call":"hello","params":{"versions":[1],"nonce":"${nonce}"}}`)
  near.send('{"id":2,"call":"ping","params":{}}')
  assert.ok(isLonghaulError(await result, 'PROTOCOL_MISMATCH'))
  await received.closed
  assert.equal(received.left.length, 1)
})

test('an end that stays silent is dropped at the time limit, on either side', async (t) => {
  for (const side of ['client', 'daemon'] as const) {
    const { near, far } = await channels(t)
    const clock = new ManualClock()
    const received = new Received(near)
    const result = outcome(
      side === 'client' ? greet(far, options({ clock })) : receive(far, { ...options({ clock }), facts }),
    )
    if (side === 'client') await received.next()
    clock.advance(handshakeLimitMs - 1)
    assert.equal(clock.waiting, 1)
    clock.advance(1)
    assert.match(inspect(await result), /within 5 seconds/)
    await received.closed
  }
})

test('a daemon that goes away in the middle is a daemon that is not there', async (t) => {
  const { near, far } = await channels(t)
  const received = new Received(far)
  const result = outcome(greet(near, options()))
  await received.next()
  far.close(new Error('died'))
  const why = await result
  assert.ok(isLonghaulError(why, 'DAEMON_UNAVAILABLE'))
  assert.equal(why.retryable, true)
})

test('a serve function that throws ends the connection and the promise', async (t) => {
  const { near, far } = await channels(t)
  const clock = new ManualClock()
  const boom = new LonghaulError('INVALID_ARGUMENT', 'boom')
  const daemon = receive(far, {
    ...options({
      clock,
      serve: () => {
        throw boom
      },
    }),
    facts,
  })
  const client = greet(near, options({ clock })).then(({ peer }) => peer.closed)
  await assert.rejects(daemon, (why) => why === boom)
  await client
  assert.equal(clock.waiting, 0)
})
