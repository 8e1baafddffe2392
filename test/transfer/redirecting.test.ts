/** Section 8 of the contract, redirects: where they lead, how often, and what goes along, as servers see it on their sockets. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { FaultServer, type ReceivedRequest, redirect, stallAfter } from '../../src/testing/index.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'
import { ProxyServer } from '../support/proxy-server.ts'
import { Bench, expectKind } from './support/bench.ts'
import { filePath, firstBytes, severalBytes, smallPieces } from './support/several.ts'

const secrets = [
  ['Authorization', 'Bearer secret'],
  ['Cookie', 'id=secret'],
  ['Proxy-Authorization', 'Basic secret'],
  ['X-Api-Key', 'secret'],
  ['Referer', 'https://secret.test/'],
] as const
const harmless = [
  ['Accept', 'text/plain'],
  ['Accept-Language', 'de'],
  ['User-Agent', 'me'],
  ['Want-Content-Digest', 'sha-256=1'],
] as const
const headers = [...secrets, ...harmless]

function onlyHarmless({ headers: received }: ReceivedRequest): void {
  for (const [name, value] of harmless) assert.equal(received[name.toLowerCase()], value)
  for (const [name] of secrets) assert.equal(received[name.toLowerCase()], undefined, name)
}

test('twenty redirects are followed, relative and absolute ones', async () => {
  await using bench = await Bench.open()
  bench.server.file('/20', { size: 10 })
  for (let hop = 0; hop < 20; hop++)
    bench.server.answers(`/${hop}`, redirect(hop % 2 === 0 ? `${hop + 1}` : bench.server.url(`/${hop + 1}`)))
  const outcome = expectKind(await bench.run(bench.server.url('/0')), 'finished')
  assert.equal(outcome.measure.redirects, 20)
})

test('an address in raw UTF-8 is followed octet by octet', async () => {
  await using bench = await Bench.open()
  for (const [name, path] of [
    ['é.bin', '/%C3%A9.bin'],
    // Its last octet reads as a space without break.
    ['voilà', '/voil%C3%A0'],
  ] as const) {
    bench.server.file(path, { size: 10 })
    const url = bench.server.answers('/go', redirect(Buffer.from(`/${name}`, 'utf8').toString('latin1')))
    const { response } = expectKind(await bench.run(url, { ifExists: 'keepBoth' }), 'finished')
    assert.equal(response?.url, bench.server.url(path))
    bench.part = undefined
    bench.intent = undefined
  }
})

for (const target of [
  'ftp://127.0.0.1/x',
  'file:///etc/passwd',
  'data:text/plain,x',
  'javascript:1',
  'ws://127.0.0.1/',
])
  test(`a redirect to ${target} is not followed, and that is final`, async () => {
    await using bench = await Bench.open()
    const { error, failure } = expectKind(await bench.run(bench.server.answers('/x', redirect(target))), 'failed')
    assert.equal(error.code, 'INSECURE_REDIRECT')
    assert.deepEqual(failure, { kind: 'final' })
    assert.deepEqual(await bench.names(), [])
  })

test(
  'a redirect from https to http is not followed, and nothing is asked there',
  { skip: needs('openssl') },
  async () => {
    await using bench = await Bench.open()
    await using secure = await CertifiedServer.start({ certificate: 'good' })
    const url = secure.answers('/x', redirect(bench.server.file('/plain', { size: 10 })))
    const outcome = await bench.run(url, { policy: { tls: { ca: [secure.authority] } } })
    assert.equal(expectKind(outcome, 'failed').error.code, 'INSECURE_REDIRECT')
    assert.equal(bench.server.connections, 0)
  },
)

test('on the way to another port every secret stays behind, what is harmless goes along, and what is named too', async () => {
  await using bench = await Bench.open()
  await using other = await FaultServer.start()
  const url = bench.server.answers('/x', redirect(other.file('/y', { size: 10 })))
  const policy = { keepHeadersAcrossOrigins: ['x-api-KEY'] }
  expectKind(await bench.run(url, { headers, policy }), 'finished')
  const here = await bench.server.received(1)
  for (const [name, value] of headers) assert.equal(here.headers[name.toLowerCase()], value)
  const there = await other.received(1)
  for (const [name, value] of harmless) assert.equal(there.headers[name.toLowerCase()], value)
  for (const [name] of secrets)
    assert.equal(there.headers[name.toLowerCase()], name === 'X-Api-Key' ? 'secret' : undefined, name)
})

test('where only the name of the host is another, every secret stays behind', async () => {
  await using bench = await Bench.open()
  const target = bench.server.file('/y', { size: 10 }).replace('127.0.0.1', 'localhost')
  expectKind(await bench.run(bench.server.answers('/x', redirect(target)), { headers }), 'finished')
  onlyHarmless(await bench.server.received(1, '/y'))
})

test('where only the scheme is another, every secret stays behind', { skip: needs('openssl') }, async () => {
  await using bench = await Bench.open()
  await using secure = await CertifiedServer.start({ certificate: 'good' })
  const target = secure.file('/y', { size: 10 })
  // One port cannot speak both: the proxy answers for the one without TLS, and tunnels to the other.
  await using proxy = await ProxyServer.start({ instead: redirectOrTunnel(target) })
  const policy = { tls: { ca: [secure.authority] }, proxy: { url: proxy.url, bypass: ['<-loopback>'] } }
  expectKind(await bench.run(target.replace('https:', 'http:'), { headers, policy }), 'finished')
  onlyHarmless(await secure.received(1, '/y'))
})

/** A proxy whose every plain question is answered by a redirect, and whose tunnels are honest. */
function redirectOrTunnel(to: string): (client: Socket, said: Buffer) => void {
  return (client, said) => {
    if (!said.toString('latin1').startsWith('CONNECT '))
      return void client.end(`HTTP/1.1 302 Found\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`)
    const server = connect({ port: Number(new URL(to).port), host: '127.0.0.1' })
    for (const [one, theOther] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('close', () => theOther.destroy())
      one.on('error', () => theOther.destroy())
      one.pipe(theOther)
    }
    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
  }
}

for (const allowed of [false, true])
  test(`a public address that redirects to this machine is ${allowed ? 'followed where that is allowed' : 'not followed, and nobody connects there'}`, async () => {
    await using bench = await Bench.open()
    await using inside = await FaultServer.start()
    const url = bench.server.answers('/x', redirect(inside.file('/y', { size: 10 })))
    // A documentation address (RFC 5737), which the proxy alone can reach.
    await using proxy = await ProxyServer.start()
    const policy = { allowPrivateRedirects: allowed, proxy: { url: proxy.url, bypass: [] } }
    const outcome = await bench.run(url.replace('127.0.0.1', '203.0.113.1'), { policy })
    if (allowed) expectKind(outcome, 'finished')
    else assert.equal(expectKind(outcome, 'failed').error.code, 'INSECURE_REDIRECT')
    assert.equal(bench.server.requests.length, 1)
    assert.equal(inside.connections, allowed ? 1 : 0)
  })

test('each further connection is asked for by way of the first address, and takes no secret to where that leads', async () => {
  await using bench = await Bench.open()
  await using other = await FaultServer.start()
  bench.sizes = smallPieces
  const target = other.file(filePath, { size: severalBytes, etag: '"v1"', script: [stallAfter(firstBytes)] })
  let passes = 0
  // As a signed address that is good for one question.
  const url = bench.server.answers('/x', () => redirect(`${target}?pass=${++passes}`))
  const running = bench.run(url, { headers, policy: { maximumSegments: 4 } })
  const second = await other.received(2)
  await other.until(() => second.bytesSent > 0, 'bytes over a further connection')
  other.release()
  expectKind(await running, 'finished')
  assert.ok((await bench.read()).equals(other.bytes(filePath)))
  assert.equal(new Set(other.requests.map(({ path }) => path)).size, other.requests.length)
  assert.equal(second.headers['if-range'], '"v1"')
  for (const request of other.requests)
    for (const [name] of secrets) assert.equal(request.headers[name.toLowerCase()], undefined, name)
})

test('after 301, 302 and 303 a POST becomes a GET; after 307 and 308 it stays one', async () => {
  await using bench = await Bench.open()
  const anew = { part: undefined, intent: undefined }
  const methods: (readonly [number, string])[] = []
  for (const code of [301, 302, 303, 307, 308]) {
    bench.server.file('/y', { size: 10 })
    const url = bench.server.answers(`/${code}`, redirect('/y', code))
    expectKind(await bench.run(url, { ...anew, method: 'POST' }), 'finished')
    methods.push([code, bench.server.requests.at(-1)!.method])
  }
  assert.deepEqual(methods, [
    [301, 'GET'],
    [302, 'GET'],
    [303, 'GET'],
    [307, 'POST'],
    [308, 'POST'],
  ])
})
