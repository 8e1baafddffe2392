/** Requests by way of honest proxies of every kind. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSecureServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { ProxyJson } from '../../src/contract/proxy.ts'
import { createTransport } from '../../src/network/transport.ts'
import { ask } from '../support/ask.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { ok } from '../../src/testing/index.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'
import { ProxyServer, type ProxyServerOptions } from '../support/proxy-server.ts'

const withOpenssl = { skip: needs('openssl') }
const name = 'elsewhere.example'

function by(proxy: ProxyServer, credential?: { readonly user: string; readonly password: string }): ProxyJson {
  return { url: proxy.url, bypass: [], ...(credential !== undefined && { credential }) }
}

async function plainServer(): Promise<CertifiedServer> {
  return CertifiedServer.start({ name })
}

async function secureServer(): Promise<CertifiedServer> {
  return CertifiedServer.start({ name, certificate: 'other name' })
}

test('an http address is asked of an HTTP proxy with its whole address, whose credentials stay with the proxy', async () => {
  await using server = await plainServer()
  await using proxy = await ProxyServer.start({ credential: 'me:sécret: 1' })
  const transport = createTransport()
  const url = `${server.file('/a', { size: 300_000 })}?b=c`
  const { exchange, digest } = await ask(transport, url, {
    headers: [['accept', '*/*']],
    proxy: by(proxy, { user: 'me', password: 'sécret: 1' }),
  })
  assert.equal(digest, server.digest('/a'))
  assert.equal(proxy.told.length, 2, 'the first one learnt what is wanted')
  assert.doesNotMatch(proxy.told[0] ?? '', /authorization/i)
  assert.match(proxy.told[1] ?? '', new RegExp(`^GET ${url.replace('?', '\\?')} HTTP/1.1\r\n`))
  assert.match(proxy.told[1] ?? '', new RegExp(`^host: ${new URL(url).host}\r$`, 'm'))
  assert.match(proxy.told[1] ?? '', /^proxy-authorization: Basic bWU6c8OpY3JldDogMQ==\r$/m)
  assert.equal(server.requests[0]?.headers['proxy-authorization'], undefined)
  assert.equal(exchange.facts.proxied, true)
  assert.equal(exchange.facts.remoteAddress, '127.0.0.1')
  await transport.close()
})

test('an https address goes through a tunnel, and the proxy sees nothing but its host', withOpenssl, async () => {
  await using server = await secureServer()
  await using proxy = await ProxyServer.start({ credential: 'me:secret' })
  const transport = createTransport()
  const url = server.file('/hidden', { size: 2_000_000 })
  const { exchange, digest } = await ask(transport, url, {
    headers: [['authorization', 'Bearer hidden']],
    tls: { ca: [server.authority] },
    proxy: by(proxy, { user: 'me', password: 'secret' }),
  })
  assert.equal(digest, server.digest('/hidden'))
  assert.equal(proxy.told.length, 2)
  const { host } = new URL(url)
  assert.equal(
    proxy.told[1],
    `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: longhaul\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n`,
  )
  assert.equal(server.requests[0]?.headers['proxy-authorization'], undefined)
  assert.equal(exchange.facts.proxied, true)
  assert.match(exchange.facts.tlsVersion ?? '', /^TLSv1/)
  await transport.close()
})

for (const secure of [false, true]) {
  test(
    `a proxy on the way to ${secure ? 'https' : 'http'} that takes Digest never hears the password, and is asked once only`,
    withOpenssl,
    async () => {
      await using server = secure ? await secureServer() : await plainServer()
      await using proxy = await ProxyServer.start({ credential: 'me:secret', scheme: 'Digest' })
      const transport = createTransport()
      const url = server.file('/a', { size: 1000, script: Array.from({ length: 4 }, () => ({ closes: 'announced' })) })
      const options = { tls: { ca: [testAuthority()] }, proxy: by(proxy, { user: 'me', password: 'secret' }) }
      await ask(transport, url, options)
      await Promise.all([ask(transport, url, options), ask(transport, url, options), ask(transport, url, options)])
      assert.equal(server.requests.length, 4)
      assert.equal(proxy.told.filter((head) => !/^proxy-authorization: Digest /im.test(head)).length, 1)
      assert.equal(proxy.told.length, 5)
      await transport.close()
    },
  )
}

test('the certificate of a server behind a tunnel is checked against the name of the server', withOpenssl, async () => {
  await using server = await CertifiedServer.start({ name, certificate: 'good' })
  await using proxy = await ProxyServer.start()
  const transport = createTransport()
  await assert.rejects(
    ask(transport, server.file('/a', { size: 1 }), { tls: { ca: [server.authority] }, proxy: by(proxy) }),
    { reason: 'certificate untrusted', phase: 'tls', message: new RegExp(`^${name}:\\d+ by way of the proxy http://`) },
  )
  await transport.close()
})

for (const secure of [false, true]) {
  test(
    `an ${secure ? 'https' : 'http'} address goes by way of a proxy that itself speaks TLS`,
    withOpenssl,
    async () => {
      await using server = secure ? await secureServer() : await plainServer()
      await using proxy = await ProxyServer.start({ certificate: testCertificate() })
      const transport = createTransport()
      const url = server.file('/a', { size: 3_000_000, script: [ok(), { closes: 'announced' }] })
      for (const reused of [false, true]) {
        const { exchange, digest } = await ask(transport, url, { tls: { ca: [testAuthority()] }, proxy: by(proxy) })
        assert.equal(digest, server.digest('/a'))
        assert.equal(exchange.facts.reused, reused)
        // Of the way to the server, not of the way to the proxy.
        assert.equal(exchange.facts.tlsVersion !== undefined, secure)
      }
      assert.match(proxy.told[0] ?? '', secure ? /^CONNECT / : /^GET http:/)
      await transport.close()
    },
  )

  test(
    `an ${secure ? 'https' : 'http'} address goes by way of SOCKS5, which looks the name up`,
    withOpenssl,
    async () => {
      await using server = secure ? await secureServer() : await plainServer()
      await using proxy = await ProxyServer.start({ kind: 'socks5', credential: 'mé:s:1' })
      const transport = createTransport()
      const url = server.file('/a', { size: 3_000_000 })
      const { exchange, digest } = await ask(transport, url, {
        tls: { ca: [testAuthority()] },
        proxy: by(proxy, { user: 'mé', password: 's:1' }),
      })
      assert.equal(digest, server.digest('/a'))
      assert.deepEqual(proxy.told, [new URL(url).host])
      assert.deepEqual(proxy.credentials, ['mé:s:1'])
      assert.equal(exchange.facts.proxied, true)
      await transport.close()
    },
  )
}

test('a proxy that speaks TLS with a certificate of nobody is not trusted', withOpenssl, async () => {
  await using server = await plainServer()
  await using proxy = await ProxyServer.start({ certificate: testCertificate('self-signed') })
  const transport = createTransport()
  await assert.rejects(ask(transport, server.file('/a', { size: 1 }), { proxy: by(proxy) }), {
    reason: 'certificate has unknown root',
    message: /^the proxy https:\/\/127\.0\.0\.1:\d+: certificate has unknown root/,
  })
  await transport.close()
})

for (const [host, told] of [
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '00000000000000000000000000000001'],
] as const) {
  test(`SOCKS5 is told the address ${host} as an address`, { skip: needs('ipv6') }, async () => {
    await using server = await CertifiedServer.start({ host, name: host })
    await using proxy = await ProxyServer.start({ kind: 'socks5' })
    const transport = createTransport()
    const url = server.file('/a', { size: 1000 })
    await ask(transport, url, { proxy: { url: proxy.url, bypass: ['<-loopback>'] } })
    assert.deepEqual(proxy.told, [`${told}:${new URL(url).port}`])
    await transport.close()
  })
}

const dripping: readonly (ProxyServerOptions & { readonly said: string })[] = [
  { said: 'an HTTP proxy', kind: 'http' },
  { said: 'a SOCKS5 proxy', kind: 'socks5', credential: 'u:p' },
]
for (const { said, ...options } of dripping) {
  test(`${said} may say its words a byte at a time`, withOpenssl, async () => {
    await using server = await secureServer()
    await using proxy = await ProxyServer.start({ ...options, drips: true })
    const transport = createTransport()
    const { digest } = await ask(transport, server.file('/a', { size: 100_000 }), {
      tls: { ca: [server.authority] },
      proxy: by(proxy, { user: 'u', password: 'p' }),
    })
    assert.equal(digest, server.digest('/a'))
    await transport.close()
  })
}

test('a server that speaks HTTP/2 alone is reached through tunnels of either kind', withOpenssl, async (t) => {
  const server = createSecureServer(testCertificate(), (_request, response) => response.end('far away'))
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => sessions.add(session))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  for (const kind of ['http', 'socks5'] as const) {
    await using proxy = await ProxyServer.start({ kind, credential: 'u:p' })
    const transport = createTransport()
    const credential = { user: 'u', password: 'p' }
    const { exchange, end } = await ask(transport, `https://localhost:${port}/`, {
      tls: { ca: [testAuthority()] },
      proxy: { url: proxy.url, bypass: ['<-loopback>'], credential },
    })
    assert.equal(end.bytes, 8)
    assert.deepEqual([exchange.facts.protocol, exchange.facts.proxied], ['h2', true])
    await transport.close()
  }
})

test('connections are shared by those who go the same way to the same origin, and by nobody else', async () => {
  await using server = await plainServer()
  await using one = await ProxyServer.start()
  await using other = await ProxyServer.start()
  const transport = createTransport({
    lookup: (_host, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  const url = server.file('/a', { size: 10 })
  const user = { user: 'u', password: 'p' }
  const ways = [
    by(one),
    by(one),
    by(other),
    'none',
    by(one, user),
    by(one, { ...user, password: 'q' }),
    'none',
    by(one),
  ] as const
  const connections: (number | undefined)[] = []
  for (const proxy of ways) {
    await ask(transport, url, { proxy })
    connections.push(server.requests.at(-1)?.connection)
  }
  const origins = [one.connections, other.connections, server.requests.length]
  assert.deepEqual(origins, [3, 1, 8])
  assert.equal(connections[3], connections[6])
  await transport.close()
})

test('requests to many origins at once by way of one proxy each get their own bytes', async () => {
  await using server = await plainServer()
  await using proxy = await ProxyServer.start()
  const transport = createTransport()
  const paths = Array.from({ length: 24 }, (_, i) => `/${i}`)
  const all = await Promise.all(
    paths.map((path, i) => {
      const url = server.file(path, { size: 50_000 + i }).replace(name, `host-${i % 5}.example`)
      return ask(transport, url, { proxy: by(proxy) })
    }),
  )
  assert.deepEqual(
    all.map(({ digest }) => digest),
    paths.map((path) => server.digest(path)),
  )
  await transport.close()
})

test('what the environment says is followed, and what the request says instead of it', async () => {
  await using server = await CertifiedServer.start()
  await using proxy = await ProxyServer.start({ credential: 'me:secret' })
  const transport = createTransport({
    environment: { http_proxy: `http://me:secret@127.0.0.1:${proxy.port}`, no_proxy: '<-loopback>,.example' },
  })
  const url = server.file('/a', { size: 10 })
  await ask(transport, url)
  assert.match(proxy.told[1] ?? '', /^proxy-authorization: Basic bWU6c2VjcmV0\r$/m)
  const { exchange } = await ask(transport, url, { proxy: 'none' })
  assert.equal(exchange.facts.proxied, false)
  assert.equal(proxy.told.length, 2)
  await transport.close()
})
