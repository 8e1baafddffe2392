/** Proxies that refuse, fail, cut, stall, babble or lie, on real sockets. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { ProxyJson } from '../../src/contract/proxy.ts'
import { createTransport, type TransportOptions } from '../../src/network/transport.ts'
import { ask } from '../support/ask.ts'
import { FaultServer } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { ProxyServer, type ProxyServerOptions } from '../support/proxy-server.ts'

const secret = { user: 'me', password: 'swordfish' }

interface Expected {
  readonly reason: string
  readonly says: RegExp
  readonly phase?: string
}

/** Asks by way of the proxy, which must fail as expected and give nothing of the credentials away. */
async function fails(
  proxy: ProxyJson,
  url: string,
  { reason, says, phase = 'proxy' }: Expected,
  options: TransportOptions = {},
): Promise<void> {
  const transport = createTransport(options)
  await assert.rejects(ask(transport, url, { proxy }), (error: unknown) => {
    assert.ok(error instanceof Error)
    assert.match(error.message, says)
    assert.ok(!/swordfish|bWU6/.test(error.message), 'no credential in it')
    const { reason: why, phase: when } = error as Error & { readonly reason?: string; readonly phase?: string }
    assert.deepEqual([why, when], [reason, phase])
    return true
  })
  await transport.close()
}

function by(proxy: ProxyServer, credential?: typeof secret): ProxyJson {
  return { url: proxy.url, bypass: [], ...(credential !== undefined && { credential }) }
}

const failed = 'proxy failed'
const refused = 'proxy refused'
const secure = 'https://files.example/a?token=1'

const answers: readonly (readonly [said: string, answer: string, expected: Expected, given?: typeof secret])[] = [
  [
    'wants credentials that were not given',
    'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n',
    { reason: refused, says: /^the proxy http:\/\/127\.0\.0\.1:\d+ wants a user and a password \(407\)$/ },
  ],
  [
    'wants credentials of another kind',
    'HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: Digest realm="a, Basic b", nonce="c", algorithm=SHA-512-256, NTLM\r\n\r\n',
    {
      reason: refused,
      says: /wants authentication by Negotiate or Digest or Ntlm \(407\), and what we have is Basic and Digest by MD5/,
    },
    secret,
  ],
  ['does not allow the address', 'HTTP/1.1 403 No\r\n\r\n', { reason: refused, says: /403: it does not allow/ }],
  [
    'redirects',
    'HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\n\r\n',
    { reason: refused, says: /status 302$/ },
  ],
  ['cannot reach the server', 'HTTP/1.0 502 \r\n\r\n', { reason: failed, says: /502: it cannot reach the server$/ }],
  [
    'is overloaded',
    'HTTP/1.1 503 Busy\r\nRetry-After: 5\r\n\r\n',
    { reason: failed, says: /503: it cannot serve now$/ },
  ],
  ['wants no more for now', 'HTTP/1.1 429 Slow\r\n\r\n', { reason: failed, says: /status 429$/ }],
  ['speaks another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', { reason: failed, says: /did not answer in HTTP$/ }],
  ['answers in HTTP/2', 'HTTP/2 200\r\n\r\n', { reason: failed, says: /did not answer in HTTP$/ }],
  ['gives no number as status', 'HTTP/1.1 2OO OK\r\n\r\n', { reason: failed, says: /did not answer in HTTP$/ }],
  ['folds a line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n', { reason: failed, says: /did not answer in HTTP$/ }],
  ['switches protocols', 'HTTP/1.1 101 Yes\r\n\r\n', { reason: failed, says: /did not answer in HTTP$/ }],
  [
    'gives interim answers without end',
    'HTTP/1.1 100 Go\r\n\r\n'.repeat(20),
    { reason: failed, says: /interim answers$/ },
  ],
  [
    'has no end to its head',
    `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(70_000)}`,
    { reason: failed, says: /head of more than 65536 bytes$/ },
  ],
  [
    'sends bytes right behind its answer',
    'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
    { reason: failed, says: /sent more than its answer before anything was asked$/ },
  ],
]
for (const [said, answer, expected, given] of answers) {
  test(`a proxy that ${said} in answer to CONNECT: ${expected.reason}`, async () => {
    await using proxy = await ProxyServer.start({ instead: (socket) => socket.write(answer) })
    await fails(by(proxy, given), secure, expected)
  })
}

test('a proxy that does not accept the credentials is not asked again', async () => {
  await using proxy = await ProxyServer.start({ credential: 'me:other' })
  const expected = { reason: refused, says: /did not accept the user and the password \(407\)$/ }
  await fails(by(proxy, secret), secure, expected)
  await fails(by(proxy, secret), 'http://files.example/a', expected)
  await fails(by(proxy), 'http://files.example/a', { reason: refused, says: /wants a user and a password \(407\)$/ })
  // Asked twice each with something to show, once without.
  assert.equal(proxy.told.length, 5)
})

test('a 407 of a server is no word of a proxy', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const { exchange } = await ask(transport, server.file('/a', { size: 1, script: [{ status: 407 }] }))
  assert.equal(exchange.head.status, 407)
  await transport.close()
})

const reply = (code: number): Buffer => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0])
const replies: readonly (readonly [code: number, reason: string, says: RegExp])[] = [
  [1, failed, /general failure/],
  [2, refused, /not allowed by its ruleset/],
  [3, failed, /cannot reach the network/],
  [4, failed, /cannot reach the server/],
  [5, failed, /was refused the connection by the server/],
  [6, failed, /TTL expired/],
  [7, refused, /does not know the command CONNECT/],
  [8, refused, /this kind of address/],
  [99, failed, /no meaning \(99\)/],
]
for (const [code, reason, says] of replies) {
  test(`the reply ${code} of SOCKS5 is said in words: ${reason}`, async () => {
    await using proxy = await ProxyServer.start({ kind: 'socks5', instead: socks(reply(code)) })
    await fails(by(proxy), secure, { reason, says })
    await fails(by(proxy), 'http://files.example/a', { reason, says })
  })
}

/** A SOCKS5 proxy that wants no authentication and answers each request with these bytes. */
function socks(answer: Buffer): NonNullable<ProxyServerOptions['instead']> {
  return (socket) => {
    socket.write(Buffer.from([5, 0]))
    socket.once('data', () => socket.write(answer))
  }
}

const choices: readonly (readonly [said: string, answer: Buffer, given: typeof secret | undefined, Expected])[] = [
  [
    'wants what it was not offered',
    Buffer.from([5, 0xff]),
    undefined,
    { reason: refused, says: /wants a user and a password, or another proof$/ },
  ],
  [
    'wants GSSAPI',
    Buffer.from([5, 0xff]),
    secret,
    { reason: refused, says: /wants another proof than user and password$/ },
  ],
  ['chooses GSSAPI unasked', Buffer.from([5, 1]), secret, { reason: failed, says: /not offered \(1\)$/ }],
  ['chooses a password unasked', Buffer.from([5, 2]), undefined, { reason: failed, says: /not offered \(2\)$/ }],
  [
    'speaks HTTP',
    Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
    undefined,
    { reason: failed, says: /does not speak SOCKS5$/ },
  ],
  ['speaks SOCKS4', Buffer.from([0, 0x5a]), undefined, { reason: failed, says: /does not speak SOCKS5$/ }],
  [
    'answers twice',
    Buffer.from([5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 72]),
    undefined,
    { reason: failed, says: /sent more than its answer/ },
  ],
]
for (const [said, answer, given, expected] of choices) {
  test(`a SOCKS5 proxy that ${said}: ${expected.reason}`, async () => {
    await using proxy = await ProxyServer.start({ kind: 'socks5', instead: (socket) => socket.write(answer) })
    await fails(by(proxy, given), secure, expected)
  })
}

test('a SOCKS5 proxy that gives an address of no kind is not followed', async () => {
  await using proxy = await ProxyServer.start({ kind: 'socks5', instead: socks(Buffer.from([5, 0, 0, 9, 1, 1, 1, 1])) })
  await fails(by(proxy), secure, { reason: failed, says: /a reply that is not SOCKS5$/ })
})

test('a SOCKS5 proxy that does not accept the credentials refuses for good', async () => {
  await using proxy = await ProxyServer.start({ kind: 'socks5', credential: 'me:other' })
  await fails(by(proxy, secret), secure, { reason: refused, says: /did not accept the user and the password$/ })
})

test('a name that is longer than SOCKS5 can say is refused, not cut to another name', async () => {
  await using proxy = await ProxyServer.start({ kind: 'socks5' })
  const long = `http://${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(60)}/`
  await fails(by(proxy), long, { reason: refused, says: /more than 255 bytes/, phase: 'proxy' })
  assert.deepEqual(proxy.told, [])
})

for (const kind of ['http', 'socks5'] as const) {
  const ends: readonly (readonly [said: string, instead: (socket: Socket) => void, says: RegExp])[] = [
    ['closes the connection', (socket) => socket.end(), /closed the connection before it answered$/],
    [
      'cuts the connection',
      (socket) => socket.resetAndDestroy(),
      /connection lost \(ECONNRESET, while asking the proxy\)$/,
    ],
    [
      'closes in the middle of a word',
      (socket) => socket.end(kind === 'http' ? 'HTTP/1.1 200 OK\r\nA: b\r\n' : Buffer.from([5])),
      /closed the connection before it answered$/,
    ],
  ]
  for (const [said, instead, says] of ends) {
    test(`a proxy (${kind}) that ${said} instead of opening the way: ${failed}`, async () => {
      await using proxy = await ProxyServer.start({ kind, instead })
      await fails(by(proxy), secure, { reason: failed, says })
    })
  }

  test(`a proxy (${kind}) that never answers is given up after the time for connecting`, async () => {
    await using proxy = await ProxyServer.start({ kind, instead: () => {} })
    const says = /^the proxy [^ ]* gave no answer within 0\.1 s$/
    await fails(by(proxy), secure, { reason: failed, says }, { connectTimeoutMs: 100 })
  })

  test(`a request that is given up while a proxy (${kind}) is silent ends at once and leaves no connection`, async () => {
    const silent = Promise.withResolvers<Socket>()
    await using proxy = await ProxyServer.start({ kind, instead: (socket) => silent.resolve(socket) })
    const transport = createTransport()
    const giveUp = new AbortController()
    const asked = ask(transport, secure, { proxy: by(proxy), signal: giveUp.signal })
    const socket = await silent.promise
    const closed = new Promise((resolve) => socket.once('close', resolve))
    giveUp.abort()
    await assert.rejects(asked, { reason: 'aborted' })
    socket.resume()
    await closed
    await transport.close()
  })
}

test('a proxy that is not there is named, and it is tried again', async () => {
  const gone = await ProxyServer.start()
  const proxy = by(gone, secret)
  await gone[Symbol.asyncDispose]()
  await fails(proxy, secure, {
    reason: failed,
    says: /^the proxy http:\/\/127\.0\.0\.1:\d+: cannot connect \(ECONNREFUSED, while connecting\)$/,
    phase: 'connect',
  })
})

test('a proxy that is said to speak TLS and does not is named', { skip: needs('openssl') }, async () => {
  await using proxy = await ProxyServer.start({ instead: (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n') })
  await fails({ url: proxy.url.replace('http:', 'https:'), bypass: [] }, secure, {
    reason: failed,
    says: /^the proxy https:.*: tls failed/,
    phase: 'tls',
  })
})

test('a tunnel that is cut in the handshake of TLS is a lost connection', async () => {
  await using proxy = await ProxyServer.start({
    instead: (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.once('data', () => socket.resetAndDestroy())
    },
  })
  await fails(by(proxy), secure, {
    reason: 'connection lost',
    says: /^files\.example:443 by way of the proxy http:\/\/127\.0\.0\.1:\d+: connection lost/,
    phase: 'tls',
  })
})

test('a setting of the environment that is no proxy stops the request instead of being passed over', async () => {
  const transport = createTransport({ environment: { ALL_PROXY: 'socks4://me:swordfish@127.0.0.1' } })
  await assert.rejects(ask(transport, secure), {
    reason: refused,
    message:
      'ALL_PROXY in the environment of the daemon cannot be used: its scheme "socks4" is not http, https or socks5 (SOCKS4 is not supported)',
  })
  await transport.close()
})
