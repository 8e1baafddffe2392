/** HTTP/1.1 is offered alone; HTTP/2 is spoken where a server refuses that, and nowhere else. */
import assert from 'node:assert/strict'
import { randomBytes, createHash } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type Http2SecureServer, type ServerHttp2Session, constants, createSecureServer } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { Connections } from '../../src/network/connections.ts'
import { dial } from '../../src/network/dial.ts'
import { openHttp2 } from '../../src/network/h2/lane.ts'
import { type Session, windowBytes } from '../../src/network/h2/session.ts'
import { createTransport } from '../../src/network/transport.ts'
import { createTrust } from '../../src/network/trust.ts'
import type { Exchange } from '../../src/world/transport.ts'
import { ask, open } from '../support/ask.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { needs } from '../support/needs.ts'
import { ProxyServer } from '../support/proxy-server.ts'
import { nginx } from './nginx.ts'
import { demandingServer } from './openssl-server.ts'
import { codes, rawHttp2 } from './raw-http2.ts'

const skip = needs('openssl')

const tls = (): { readonly ca: readonly string[] } => ({ ca: [testAuthority()] })
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

interface Running extends AsyncDisposable {
  readonly url: string
}

async function running(server: Http2SecureServer | ReturnType<typeof createHttpsServer>): Promise<Running> {
  const sessions = new Set<ServerHttp2Session>()
  ;(server as Http2SecureServer).on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {}).on('close', () => sessions.delete(session))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}/`,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

test('a signal that fired before takes no session away from those that wait', { skip }, async () => {
  await using here = await running(createSecureServer(testCertificate(), (_request, response) => response.end('in')))
  const url = new URL(here.url)
  const lane = { sessions: new Connections<Session>(), maximumHeadBytes: 65_536, idleMs: 4_000 }
  const get = async (signal: AbortSignal): Promise<Exchange> => {
    const trust = await createTrust()(tls())
    const target = { host: url.hostname, port: Number(url.port), trust, protocol: 'h2' } as const
    const where = { url, key: 'key', dial: () => dial(target, 30_000, signal) }
    return openHttp2(lane, { url: here.url, method: 'GET', headers: [] }, where, signal)
  }
  await (await get(new AbortController().signal)).receive(() => undefined)
  await assert.rejects(get(AbortSignal.abort()), { name: 'NetworkFailure', reason: 'aborted' })
  const next = await get(new AbortController().signal)
  assert.equal(next.facts.reused, true)
  next.close()
  await lane.sessions.close()
})

test(
  'a server of node:http2 that speaks no HTTP/1.1 is spoken to by HTTP/2, and only the first request has to find out',
  { skip },
  async () => {
    const body = randomBytes(5_000_000)
    let refused = 0
    const server = createSecureServer(testCertificate(), (_request, response) => {
      response.setHeader('content-length', body.length)
      response.end(body)
    })
    server.on('tlsClientError', () => refused++)
    await using here = await running(server)
    const transport = createTransport()
    const got = []
    for (let i = 0; i < 4; i++) got.push(await ask(transport, here.url, { tls: tls(), headers: [['X-Cased', 'yes']] }))
    assert.deepEqual(
      got.map(({ digest, end, exchange }) => [digest, end.proof, exchange.facts.protocol, exchange.facts.reused]),
      got.map((_, i) => [sha256(body), 'length', 'h2', i > 0]),
    )
    assert.equal(refused, 1)
    const [first, second] = got.map(({ exchange }) => exchange.facts)
    const times = [
      first?.fetchStartMs,
      first?.connectStartMs,
      first?.secureConnectionStartMs,
      first?.secureConnectionEndMs,
      first?.connectEndMs,
      first?.requestStartMs,
      first?.requestEndMs,
      first?.responseStartMs,
    ]
    assert.ok(times.every((time) => typeof time === 'number'))
    assert.deepEqual(
      times.slice(1),
      times.slice(1).toSorted((a, b) => Number(a) - Number(b)),
    )
    assert.equal(second?.connectStartMs, undefined)
    assert.equal(second?.remoteAddress, '127.0.0.1')
    await transport.close()
  },
)

test('requests at the same time to a server that speaks HTTP/2 alone have a connection each', { skip }, async () => {
  await using server = await rawHttp2((wire) => {
    wire.head(200)
    wire.data(String(wire.request), { end: true })
  })
  const transport = createTransport()
  const all = await Promise.all(
    Array.from({ length: 6 }, () => ask(transport, server.url, { tls: { ca: [server.authority] } })),
  )
  assert.ok(all.every(({ exchange }) => exchange.facts.protocol === 'h2'))
  assert.equal(server.connections, 6)
  await transport.close()
})

test('a server that agrees on no protocol and then says nothing is asked by HTTP/2', { skip }, async () => {
  await using server = await rawHttp2(
    (wire) => {
      wire.head(200)
      wire.data('hello', { end: true })
    },
    { silent: true },
  )
  const transport = createTransport()
  for (let i = 0; i < 3; i++) {
    const { exchange, end } = await ask(transport, server.url, { tls: { ca: [server.authority] } })
    assert.deepEqual([exchange.facts.protocol, end.bytes], ['h2', 5])
  }
  assert.equal(server.refused, 1)
  await transport.close()
})

test('a server that speaks both is spoken to by HTTP/1.1', { skip }, async () => {
  await using here = await running(
    createSecureServer({ ...testCertificate(), allowHTTP1: true }, (request, response) =>
      response.end(request.httpVersion),
    ),
  )
  const transport = createTransport()
  assert.equal((await ask(transport, here.url, { tls: tls() })).exchange.facts.protocol, 'http/1.1')
  await transport.close()
})

test('505, and 426 that names h2, are asked again by HTTP/2; another 426 is an answer', { skip }, async () => {
  const refusals = [
    [505, {}, 'h2'],
    [426, { upgrade: 'TLS/1.0, h2' }, 'h2'],
    [426, { upgrade: 'HTTP/2.0' }, 'h2'],
    [426, { upgrade: 'websocket' }, 'http/1.1'],
  ] as const
  for (const [status, headers, protocol] of refusals) {
    await using here = await running(
      createSecureServer({ ...testCertificate(), allowHTTP1: true }, (request, response) => {
        if (request.httpVersion !== '2.0') response.writeHead(status, headers)
        response.end('hello')
      }),
    )
    const transport = createTransport()
    const { exchange } = await ask(transport, here.url, { tls: tls() })
    assert.deepEqual([exchange.facts.protocol, exchange.head.status], [protocol, protocol === 'h2' ? 200 : status])
    await transport.close()
  }
})

test('505 of a server without HTTP/2 is the answer', { skip }, async () => {
  await using here = await running(
    createHttpsServer(testCertificate(), (_request, response) => {
      response.statusCode = 505
      response.end('hello')
    }),
  )
  const transport = createTransport()
  const { exchange, end } = await ask(transport, here.url, { tls: tls() })
  assert.deepEqual([exchange.facts.protocol, exchange.head.status, end.bytes], ['http/1.1', 505, 5])
  await transport.close()
})

test('a server that was set up anew and wants HTTP/1.1 again gets it', { skip }, async () => {
  let wanted: 'h2' | 'http/1.1' = 'h2'
  const server = createSecureServer({ ...testCertificate(), allowHTTP1: true }, (request, response) => {
    const by = request.httpVersion === '2.0' ? 'h2' : 'http/1.1'
    if (by === wanted) response.end('hello')
    else if (by === 'h2') response.stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED)
    else response.writeHead(505).end()
  })
  await using here = await running(server)
  const transport = createTransport()
  for (const protocol of ['h2', 'http/1.1', 'http/1.1', 'h2'] as const) {
    wanted = protocol
    const { exchange } = await ask(transport, here.url, { tls: tls() })
    assert.deepEqual([exchange.facts.protocol, exchange.head.status], [protocol, 200])
  }
  await transport.close()
})

test('a session that its server ended while nobody used it does no harm to the next request', { skip }, async () => {
  await using server = await rawHttp2((wire) => {
    wire.head(200)
    wire.data('hello', { end: true })
    if (wire.request === 1) {
      wire.goaway(wire.stream, codes.NO_ERROR)
      wire.close()
    }
  })
  const transport = createTransport()
  for (let i = 0; i < 5; i++) {
    const { exchange, end } = await ask(transport, server.url, { tls: { ca: [server.authority] } })
    assert.deepEqual([exchange.facts.protocol, end.bytes], ['h2', 5])
  }
  await transport.close()
})

test('a reader that stands still holds an HTTP/2 server to its window', { skip }, async () => {
  const size = 48 * 1024 * 1024
  const window = windowBytes(0)
  const chunk = Buffer.alloc(64 * 1024, 'a')
  let sent = 0
  const full = Promise.withResolvers<void>()
  const server = createSecureServer(testCertificate())
  server.on('stream', (stream) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'content-length': size })
    const more = (): void => {
      sent += chunk.length
      if (sent >= window) full.resolve()
      if (sent < size) stream.write(chunk, more)
      else stream.end()
    }
    stream.write(chunk, more)
  })
  await using here = await running(server)
  const transport = createTransport()
  const exchange = await open(transport, here.url, { tls: tls() })
  const release = Promise.withResolvers<void>()
  let bytes = 0
  const receiving = exchange.receive((piece) => {
    bytes += piece.length
    return bytes === piece.length ? release.promise : undefined
  })
  await full.promise
  for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.ok(sent <= window + 2 * chunk.length, `${sent} bytes were sent`)
  release.resolve()
  assert.deepEqual(await receiving, { proof: 'length', bytes: size, trailers: [] })
  assert.equal(bytes, size)
  await transport.close()
})

test('what servers may send ahead over HTTP/2 is bounded for all sessions together', { skip }, async () => {
  const windows: unknown[] = []
  const server = createSecureServer(testCertificate())
  server.on('stream', (stream) => {
    windows.push(stream.session?.remoteSettings.initialWindowSize)
    stream.on('error', () => {}).respond({ ':status': 200 })
  })
  await using here = await running(server)
  const transport = createTransport()
  for (let i = 0; i < 4; i++) await open(transport, here.url, { tls: tls() })
  const mebibyte = 1024 * 1024
  assert.deepEqual(windows, [16 * mebibyte, 12 * mebibyte, 9 * mebibyte, 6.75 * mebibyte])
  await transport.close()

  let held = 0
  for (let i = 0; i < 256; i++) held += windowBytes(held)
  assert.ok(held <= (64 + 256) * mebibyte, `${held} bytes`)
})

test(
  'an HTTP/2 request that is given up ends as aborted, after the sink has let go of its bytes',
  { skip },
  async () => {
    const ended = Promise.withResolvers<void>()
    const server = createSecureServer(testCertificate())
    server.on('stream', (stream) => {
      stream.on('error', () => {}).on('close', () => ended.resolve())
      stream.respond({ ':status': 200 })
      stream.write('hello')
    })
    await using here = await running(server)
    const transport = createTransport()
    const controller = new AbortController()
    const exchange = await open(transport, here.url, { tls: tls(), signal: controller.signal })
    const lent = Promise.withResolvers<void>()
    const taken = Promise.withResolvers<void>()
    let settled = false
    const receiving = exchange
      .receive(() => {
        taken.resolve()
        return lent.promise
      })
      .finally(() => {
        settled = true
      })
    receiving.catch(() => {})
    await taken.promise
    controller.abort()
    await ended.promise
    assert.equal(settled, false)
    lent.resolve()
    await assert.rejects(receiving, { name: 'NetworkFailure', reason: 'aborted' })
    await transport.close()
  },
)

test('a sink that throws ends the HTTP/2 request with what it threw', { skip }, async () => {
  await using here = await running(createSecureServer(testCertificate(), (_request, response) => response.end('hello')))
  const transport = createTransport()
  const exchange = await open(transport, here.url, { tls: tls() })
  await assert.rejects(
    exchange.receive(() => {
      throw new Error('full')
    }),
    /full/,
  )
  await transport.close()
})

test(
  'that a client certificate is missing is told over HTTP/2 too, where the alert comes with the first read',
  { skip },
  async () => {
    await using server = await demandingServer('TLSv1.3', 'h2')
    const transport = createTransport()
    await assert.rejects(ask(transport, server.url, { tls: { ca: [server.authority] } }), {
      name: 'NetworkFailure',
      reason: 'client certificate required',
    })
    await transport.close()
  },
)

for (const kind of ['http', 'https', 'socks5'] as const) {
  test(`a server that speaks HTTP/2 alone is reached by way of a proxy (${kind})`, { skip }, async () => {
    const body = randomBytes(1_000_000)
    await using server = await rawHttp2((wire) => {
      wire.head(200)
      for (let at = 0; at < body.length; at += 16_000)
        wire.data(body.subarray(at, at + 16_000), { end: at + 16_000 >= body.length })
      wire.close()
    })
    await using proxy = await ProxyServer.start({
      kind: kind === 'socks5' ? kind : 'http',
      ...(kind === 'https' && { certificate: testCertificate() }),
    })
    const transport = createTransport()
    const options = { tls: { ca: [server.authority] }, proxy: { url: proxy.url, bypass: ['<-loopback>'] } }
    const { exchange, digest } = await ask(transport, server.url, options)
    assert.deepEqual([exchange.facts.protocol, exchange.facts.proxied, digest], ['h2', true, sha256(body)])
    await transport.close()
  })
}

test(
  'nginx that answers HTTP/1.1 with 505 serves whole files and ranges by HTTP/2',
  { skip: needs('nginx', 'openssl') },
  async () => {
    await using server = await nginx('if ($http2 = "") { return 505; }')
    const body = randomBytes(20_000_000)
    await writeFile(join(server.folder, 'file'), body)
    const transport = createTransport()
    const url = `${server.url}file`
    const whole = await ask(transport, url, { tls: tls() })
    assert.deepEqual([whole.exchange.facts.protocol, whole.digest, whole.end.proof], ['h2', sha256(body), 'length'])
    const part = await ask(transport, url, { tls: tls(), headers: [['range', 'bytes=5000000-']] })
    assert.deepEqual([part.exchange.head.status, part.digest], [206, sha256(body.subarray(5_000_000))])
    const head = await ask(transport, url, { tls: tls(), method: 'HEAD' })
    assert.deepEqual([head.exchange.head.status, head.end.bytes], [200, 0])
    const missing = await ask(transport, `${server.url}nothing`, { tls: tls() })
    assert.equal(missing.exchange.head.status, 404)
    await transport.close()
  },
)

test('nginx that offers both protocols is spoken to by HTTP/1.1', { skip: needs('nginx', 'openssl') }, async () => {
  await using server = await nginx()
  await writeFile(join(server.folder, 'file'), 'hello')
  const transport = createTransport()
  const { exchange } = await ask(transport, `${server.url}file`, { tls: tls() })
  assert.deepEqual([exchange.facts.protocol, exchange.head.status], ['http/1.1', 200])
  await transport.close()
})
