/** A large body for a sink that lends memory goes past undici; it must be as right as one that does not. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createTransport } from '../../src/network/transport.ts'
import {
  type BodyEnd,
  type BodySink,
  type Exchange,
  NetworkFailure,
  type Outgoing,
  type Transport,
} from '../../src/world/transport.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'
import { type Behaviour, cutAfter, excess, FaultServer, resetAfter } from '../../src/testing/index.ts'

const mib = 1024 * 1024

/** Lends two buffers in turn, as a segment does, and says what arrived; `late` settles after so many turns of the loop. */
class Lender {
  readonly hash: ReturnType<typeof createHash> = createHash('sha256')
  readonly sink: BodySink
  inPlace = 0
  copied = 0
  #filling = Buffer.alloc(100_000)
  #other = Buffer.alloc(100_000)
  #filled = 0

  constructor(late: (call: number) => number) {
    let calls = 0
    const take = (bytes: Uint8Array): Promise<void> | undefined => {
      calls++
      const there =
        bytes.buffer === this.#filling.buffer && bytes.byteOffset === this.#filling.byteOffset + this.#filled
      if (there) this.inPlace += bytes.byteLength
      else this.copied += bytes.byteLength
      this.hash.update(bytes)
      this.#filled += there ? bytes.byteLength : 0
      if (this.#filled === this.#filling.byteLength) {
        // What was taken must not be written over while it is "written": it is hashed again behind the other's back.
        ;[this.#filling, this.#other] = [this.#other, this.#filling]
        this.#filled = 0
      }
      const turns = late(calls)
      return turns === 0 ? undefined : waitTurns(turns)
    }
    this.sink = Object.assign(take, { room: () => this.#filling.subarray(this.#filled) })
  }

  digest(): string {
    return this.hash.digest('hex')
  }
}

async function waitTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await nextTurn()
}

async function ask(
  server: FaultServer,
  file: { readonly size: number; readonly script?: readonly Behaviour[] },
  sink: BodySink,
  { transport = createTransport(), tls = {} }: { readonly transport?: Transport; readonly tls?: Outgoing['tls'] } = {},
): Promise<{ readonly exchange: Exchange; readonly end: BodyEnd }> {
  const url = server.file('/a', file)
  const exchange = await transport.open({ url, method: 'GET', headers: [], tls }, new AbortController().signal)
  try {
    return { exchange, end: await exchange.receive(sink) }
  } finally {
    exchange.close()
  }
}

// While a sink is busy there is no room, so one that always is gets nothing in place.
for (const over of ['TCP', 'TLS'] as const)
  for (const [pace, late, least] of [
    ['at once', () => 0, 60 * mib],
    ['late each time', () => 2, 0],
    ['now and then late', (call: number) => (call % 5 === 0 ? (call % 3) + 1 : 0), mib],
  ] as const)
    test(
      `64 MiB over ${over} arrive whole in memory of a sink that settles ${pace}`,
      { skip: over === 'TLS' ? needs('openssl') : false },
      async () => {
        await using server = await CertifiedServer.start(over === 'TLS' ? { certificate: 'good' } : {})
        const lender = new Lender(late)
        const tls = over === 'TLS' ? { ca: [server.authority] } : {}
        const { end } = await ask(server, { size: 64 * mib }, lender.sink, { tls })
        assert.deepEqual(end, { proof: 'length', bytes: 64 * mib, trailers: [] })
        assert.equal(lender.digest(), server.digest('/a'))
        assert.equal(lender.inPlace + lender.copied, 64 * mib)
        assert.ok(lender.inPlace >= least, `only ${lender.inPlace} bytes were put in place`)
      },
    )

test('the same connection serves the next request after a body that went past undici', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  for (const size of [mib, 2 * mib, 10, mib, 3 * mib]) {
    const lender = new Lender((call) => call % 3)
    await ask(server, { size }, lender.sink, { transport })
    assert.equal(lender.digest(), server.digest('/a'))
  }
  assert.equal(new Set(server.requests.map(({ connection }) => connection)).size, 1)
  await transport.close()
})

for (const [what, step] of [
  ['is cut', cutAfter(mib)],
  ['is reset', resetAfter(mib)],
  ['is cut behind the head', cutAfter(0)],
] as const)
  test(`a body in lent memory that ${what} is not whole, and what came before is handed over`, async () => {
    await using server = await FaultServer.start()
    const lender = new Lender((call) => call % 2)
    await assert.rejects(ask(server, { size: 3 * mib, script: [step] }, lender.sink), (error: unknown) => {
      assert.ok(error instanceof NetworkFailure)
      assert.equal(error.reason, 'connection lost')
      assert.equal(error.phase, 'body')
      return true
    })
    const came = lender.inPlace + lender.copied
    // A reset takes with it what the system had not handed over.
    assert.ok(came <= mib)
    if (what === 'is cut') assert.equal(came, mib)
  })

test('more bytes than announced fail a body in lent memory', async () => {
  await using server = await FaultServer.start()
  const lender = new Lender(() => 0)
  await assert.rejects(ask(server, { size: 3 * mib, script: [excess(10)] }, lender.sink), (error: unknown) => {
    assert.ok(error instanceof NetworkFailure)
    assert.equal(error.reason, 'body too long')
    return true
  })
  assert.equal(lender.inPlace + lender.copied, 3 * mib)
})

test('a body in lent memory is given up in the middle, and its connection is closed', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const stop = new AbortController()
  const url = server.file('/a', { size: 64 * mib })
  const exchange = await transport.open({ url, method: 'GET', headers: [] }, stop.signal)
  let came = 0
  const room = Buffer.alloc(mib)
  const sink: BodySink = Object.assign(
    (bytes: Uint8Array) => {
      came += bytes.byteLength
      if (came > 4 * mib) stop.abort()
      return undefined
    },
    { room: () => room },
  )
  await assert.rejects(exchange.receive(sink), (error: unknown) => {
    assert.ok(error instanceof NetworkFailure)
    assert.equal(error.reason, 'aborted')
    return true
  })
  await server.deserted()
})

test('a sink that throws ends a body in lent memory with what it threw', async () => {
  await using server = await FaultServer.start()
  const wrong = new Error('no more')
  const room = Buffer.alloc(mib)
  let came = 0
  const sink: BodySink = Object.assign(
    (bytes: Uint8Array) => {
      came += bytes.byteLength
      if (came > 4 * mib) throw wrong
      return undefined
    },
    { room: () => room },
  )
  await assert.rejects(ask(server, { size: 64 * mib }, sink), wrong)
})

/** Says what each connection of it hears, in its own words. */
async function raw(
  answer: (path: string, socket: Socket) => void,
): Promise<{ readonly origin: string; readonly connections: () => number } & AsyncDisposable> {
  let connections = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (head) => answer(/^GET (\S+)/.exec(String(head))![1]!, socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

const large = 300 * 1024

function body(fields = '', version = '1.1'): Buffer {
  return Buffer.concat([
    Buffer.from(`HTTP/${version} 200 OK\r\nContent-Length: ${large}\r\n${fields}\r\n`),
    Buffer.alloc(large),
  ])
}

async function get(transport: Transport, url: string, take: BodySink): Promise<BodyEnd> {
  const exchange = await transport.open({ url, method: 'GET', headers: [] }, new AbortController().signal)
  return exchange.receive(take)
}

test('bytes behind a body in lent memory never answer the next request, however late its last bytes were taken', async () => {
  const behind = Promise.withResolvers<void>()
  await using server = await raw((path, socket) => {
    if (path === '/small') {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest')
      return
    }
    socket.write(body())
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON', () => behind.resolve())
  })
  const transport = createTransport()
  const room = Buffer.alloc(mib)
  let came = 0
  const late: BodySink = Object.assign(
    (bytes: Uint8Array) => {
      came += bytes.byteLength
      return came === large ? behind.promise : undefined
    },
    { room: () => room },
  )
  await get(transport, `${server.origin}/large`, late).catch(() => {})
  let said = ''
  await get(transport, `${server.origin}/small`, (bytes) => {
    said += Buffer.from(bytes).toString()
    return undefined
  })
  assert.equal(said, 'honest')
  await transport.close()
})

test('a server that says that it closes behind a body in lent memory is taken at its word', async () => {
  await using server = await raw((_path, socket) => socket.write(body('Connection: close\r\n')))
  const transport = createTransport()
  for (let i = 0; i < 2; i++) await get(transport, `${server.origin}/large`, new Lender(() => 0).sink)
  assert.equal(server.connections(), 2)
  await transport.close()
})

test('after a body of HTTP/1.0 in lent memory the connection serves another request only if the server says so', async () => {
  for (const [fields, connections] of [
    ['', 2],
    ['Connection: Keep-Alive\r\n', 1],
  ] as const) {
    await using server = await raw((_path, socket) => {
      // The version in two pieces, and a line break that parsers pass over.
      socket.write('\r\nHTTP')
      setImmediate(() => socket.write(body(fields, '1.0').subarray('HTTP'.length)))
    })
    const transport = createTransport()
    for (let i = 0; i < 2; i++) await get(transport, `${server.origin}/large`, new Lender(() => 0).sink)
    assert.equal(server.connections(), connections)
    await transport.close()
  }
})

test('a connection that served a body in lent memory is closed when it has been idle for its time', async () => {
  const closed = Promise.withResolvers<void>()
  await using server = await raw((_path, socket) => {
    socket.on('end', () => closed.resolve())
    socket.write(body())
  })
  const transport = createTransport({ idleMs: 100 })
  await get(transport, `${server.origin}/large`, new Lender((call) => call % 2).sink)
  await closed.promise
  await transport.close()
})

test('a server that soon lets go of a connection that served a body in lent memory is heeded', async () => {
  await using server = await raw((path, socket) =>
    socket.write(body(`Keep-Alive: timeout=${path.slice(1)}, max=9\r\n`)),
  )
  const transport = createTransport({ idleMs: 60_000 })
  for (const [seconds, connections] of [
    [1, 1],
    [1, 2],
    [60, 3],
    [60, 3],
  ] as const) {
    await get(transport, `${server.origin}/${seconds}`, new Lender(() => 0).sink)
    assert.equal(server.connections(), connections)
  }
  await transport.close()
})

for (const size of [5, large])
  for (const tail of ['\r\n', '\n', 'x'])
    test(`${JSON.stringify(tail)} behind a body of ${size} bytes is more than was announced`, async () => {
      const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`
      await using server = await raw((_path, socket) => socket.write(answer + 'a'.repeat(size) + tail))
      const transport = createTransport()
      await assert.rejects(get(transport, `${server.origin}/`, new Lender(() => 0).sink), { reason: 'body too long' })
      await transport.close()
    })
