import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import test, { type TestContext } from 'node:test'
import { protocolVersions } from '../../src/contract/verbs.ts'
import { createClock, random } from '../../src/platform/clock.ts'
import { greet } from '../../src/wire/handshake.ts'
import { connectLocal } from '../../src/wire/local-socket.ts'
import { connect, type RunningDaemon, start } from './running.ts'

async function raw(t: TestContext, daemon: RunningDaemon): Promise<Socket> {
  const socket = connectSocket(daemon.socket)
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

async function isWell(t: TestContext, daemon: RunningDaemon): Promise<void> {
  const client = await connect(t, daemon)
  assert.equal((await client.ask('daemon.status', {})).pid, daemon.pid)
}

/** Everything that is sent until the other end closes. */
async function heard(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')))
  // Not `once`: a reset, which is as good an end, would reject it.
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return text
}

test('random bytes, huge frames and half handshakes end their own connection only, and learn nothing', async (t) => {
  const daemon = await start(t)
  const hello = JSON.stringify({ id: 1, call: 'hello', params: { versions: [1], nonce: '00'.repeat(32) } })
  const scripts: readonly (readonly (string | Buffer)[])[] = [
    [randomBytes(4096), '\n'],
    ['x'.repeat(2 << 20)],
    ['[]\n'],
    ['null\n'],
    ['{"id":1,"call":"daemon.status","params":{}}\n'],
    ['{"id":1,"call":"session.list"}\n'],
    [`${'['.repeat(100_000)}\n`],
    [`${hello}\n{"id":2,"call":"daemon.stop","params":{}}\n`],
    [`${hello}\n{"id":2,"call":"prove","params":{"proof":"${'00'.repeat(32)}"}}\n`],
  ]
  for (const script of scripts) {
    const socket = await raw(t, daemon)
    const text = heard(socket)
    for (const piece of script) socket.write(piece)
    const answer = await text
    assert.ok(!answer.includes(daemon.home), `told to ${String(script[0]).slice(0, 40)}: ${answer}`)
    assert.ok(!answer.includes('"pid"'))
  }
  await isWell(t, daemon)
})

test('a client with another secret is not let in, and finds out that this is not its daemon', async (t) => {
  const daemon = await start(t)
  await assert.rejects(
    greet(await connectLocal(daemon.socket), {
      secret: randomBytes(32),
      versions: protocolVersions,
      clock: createClock(),
      random,
      serve: () => ({}),
    }),
    { code: 'PROTOCOL_MISMATCH' },
  )
  await isWell(t, daemon)
})

test('connections that are opened and left in silence keep nobody out for long, and the daemon does not die of them', async (t) => {
  const daemon = await start(t)
  const silent = await Promise.all(Array.from({ length: 40 }, () => raw(t, daemon)))
  // Above the limit of unproved ones they are closed at once.
  await Promise.race(silent.map((socket) => (socket.resume(), once(socket, 'close'))))
  for (const socket of silent) socket.destroy()
  for (;;) {
    try {
      await isWell(t, daemon)
      return
    } catch {
      // The daemon has not seen yet that they are gone.
    }
  }
})

test('a proved client that asks nonsense is told what is wrong, and keeps its connection', async (t) => {
  const daemon = await start(t)
  const client = await connect(t, daemon)
  const ask = client.ask as (verb: string, params: unknown) => Promise<unknown>
  await assert.rejects(ask('session.open', { identifier: 'a b' }), { code: 'INVALID_ARGUMENT', message: /identifier/ })
  await assert.rejects(ask('session.open', 7), { code: 'INVALID_ARGUMENT' })
  await assert.rejects(ask('no.such.verb', {}), { code: 'PROTOCOL_MISMATCH' })
  await assert.rejects(ask('__proto__', {}), { code: 'PROTOCOL_MISMATCH' })
  assert.deepEqual(await client.ask('session.list', {}), [])
})
