import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { frame } from '../../src/wire/framing.ts'
import { listenLocal } from '../../src/wire/local-socket.ts'
import { Peer } from '../../src/wire/peer.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

interface Daemon {
  readonly path: string
  /** The peers in the order in which they connected. */
  readonly peers: readonly Peer[]
  connect(): Promise<Socket>
}

async function listen(t: TestContext): Promise<Daemon> {
  const path = join(await temporaryFolder(), 's')
  const peers: Peer[] = []
  const accepted: (() => void)[] = []
  const listener = await listenLocal(path, {
    connected: (channel) => {
      peers.push(
        new Peer(channel, {
          handlers: { ping: () => 'pong', never: () => new Promise(() => {}) },
          notes: { note: () => {} },
        }),
      )
      accepted.shift()?.()
    },
  })
  const sockets: Socket[] = []
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    await listener.close()
  })
  return {
    path,
    peers,
    connect: async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      accepted.push(resolve)
      const socket = connect(path)
      socket.on('error', () => {})
      sockets.push(socket)
      await promise
      return socket
    },
  }
}

const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
const hostile: Readonly<Record<string, string>> = {
  'an empty line': '',
  'no JSON': 'hello',
  'a cut-off object': '{"id":1,',
  'an array': '[]',
  'a number': '5',
  null: 'null',
  'a string': '"call"',
  'an array of frames': '[{"id":1,"call":"ping"}]',
  'an array nested 200,000 deep': deep,
  'an object without a known field': '{"hello":1}',
  'an answer that nobody asked for': '{"id":7,"ok":1}',
  'an error that nobody asked for': '{"id":7,"error":{"code":"STALLED","message":"x"}}',
  'an error that is not one': '{"id":7,"error":5}',
  'an error of wrong types': '{"id":7,"error":{"code":5,"message":[]}}',
  'a call without id': '{"call":"ping"}',
  'an id that is text': '{"id":"1","call":"ping"}',
  'an id of zero': '{"id":0,"call":"ping"}',
  'an id that is no whole number': '{"id":1.5,"call":"ping"}',
  'an id too large to count': '{"id":1e300,"call":"ping"}',
  'an id only in the prototype': '{"__proto__":{"id":1,"call":"ping"}}',
  'a verb that is a number': '{"id":1,"call":5}',
  'a verb without end': `{"id":1,"call":"${'x'.repeat(5000)}"}`,
  'an id used twice': '{"id":1,"call":"never"}\n{"id":1,"call":"never"}',
  'an id used again after its answer': '{"id":3,"call":"ping"}\n{"id":3,"call":"ping"}',
  'a cancel of something else than an id': '{"cancel":"all"}',
  'a note that is no name': '{"note":{}}',
  'two kinds in one': '{"id":1,"call":"ping","ok":1}',
}

for (const [what, line] of Object.entries(hostile)) {
  test(`${what} closes its own connection and no other`, async (t) => {
    const daemon = await listen(t)
    const other = new Peer(frame(await daemon.connect()))
    const socket = await daemon.connect()
    socket.resume()
    socket.write(`${line}\n`)
    const why = await daemon.peers[1]!.closed
    assert.ok(isLonghaulError(why, 'PROTOCOL_MISMATCH'), String(why))
    assert.equal(await other.call('ping', {}), 'pong')
  })
}

test('deep nesting inside parameters reaches the verb and harms nothing', async (t) => {
  const daemon = await listen(t)
  const socket = await daemon.connect()
  socket.write(`{"id":1,"call":"ping","params":${deep}}\n`)
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  assert.equal(bytes.toString(), '{"id":1,"ok":"pong"}\n')
})

test('an error answer with a code of a newer version is told as text', async (t) => {
  const daemon = await listen(t)
  const socket = await daemon.connect()
  const call = daemon.peers[0]!.call('ask', {})
  socket.write(
    '{"id":1,"error":{"code":"FROM_THE_FUTURE","message":"new words","cause":{"code":"__proto__","message":"c"}}}\n',
  )
  await assert.rejects(
    call,
    (why) => isLonghaulError(why, 'PROTOCOL_MISMATCH') && /FROM_THE_FUTURE.*new words/.test(why.message),
  )
})

test('no line whatever throws in the daemon: it is answered, ignored, or ends its connection', async (t) => {
  const daemon = await listen(t)
  const other = new Peer(frame(await daemon.connect()))
  const field = fc.constantFrom(
    'id',
    'call',
    'ok',
    'error',
    'cancel',
    'note',
    'params',
    '__proto__',
    'constructor',
    'code',
    'message',
    'cause',
  )
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(1, 2, 'ping', 'never', 'note', null),
    fc.dictionary(field, fc.oneof(fc.jsonValue(), fc.constantFrom('STALLED', 'message', 5))),
  )
  const object = fc.dictionary(field, value).map((each) => JSON.stringify(each))
  const line = fc.oneof(object, fc.json(), fc.string(), fc.string({ unit: 'binary' }))
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 6 }), async (lines) => {
      const socket = await daemon.connect()
      const peer = daemon.peers.at(-1)!
      socket.resume()
      socket.end(lines.map((each) => `${each}\n`).join(''))
      await peer.closed
      assert.equal(await other.call('ping', {}), 'pong')
    }),
    { numRuns: 300 },
  )
})
