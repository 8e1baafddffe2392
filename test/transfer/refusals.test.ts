/** Answers that are not the file, redirects over real sockets, and lengths that do not agree. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { badChunk, busy, excess, FaultServer, redirect, resetAfter, status } from '../../src/testing/index.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'
import { settle, VirtualClock } from '../support/virtual-clock.ts'
import { Bench, expectKind } from './support/bench.ts'

const originOf = (server: FaultServer): string => new URL(server.url('/')).origin

test('a status that passes is tried again, and one that does not is final with the beginning of its body', async () => {
  await using bench = await Bench.open()
  for (const code of [408, 425, 429, 500, 502, 503, 504]) {
    const outcome = expectKind(await bench.run(bench.server.answers(`/${code}`, status(code))), 'failed')
    assert.equal(outcome.error.code, 'HTTP_STATUS')
    assert.equal(outcome.error.status, code)
    assert.equal(outcome.error.retryable, true)
    // Whether there is another try is not known here: it may have been the last.
    assert.match(outcome.error.message, new RegExp(`/${code} answered with status ${code}\\.$`))
    const speaksOfTheServer = code === 429 || code === 503
    assert.deepEqual(outcome.failure, {
      kind: 'network',
      ...(speaksOfTheServer && { ofOrigin: originOf(bench.server) }),
    })
  }
  const url = bench.server.answers('/404', status(404, {}, 'x'.repeat(100_000)))
  const outcome = expectKind(await bench.run(url), 'failed')
  assert.equal(outcome.error.code, 'HTTP_STATUS')
  assert.equal(outcome.error.body?.length, 65_536)
  assert.deepEqual(outcome.failure, { kind: 'final' })
  assert.deepEqual(await bench.names(), [])
})

test('a refusal whose body drips is read for a few seconds and not for as long as its server likes', async () => {
  await using bench = await Bench.open()
  const asked = Promise.withResolvers<ServerResponse>()
  const server = createServer((_request, response) => asked.resolve(response.writeHead(503, { 'Retry-After': '7' })))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const clock = new VirtualClock()
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/busy`
  const running = bench.run(url, { policy: { stallMs: 3000 } }, { world: { clock } })
  const over = running.then(() => 'over' as const)
  const response = await asked.promise
  let seconds = 0
  do {
    response.write('x')
    await Promise.race([bench.handedOver(seconds + 1), over])
    await clock.advance(1000)
    seconds++
  } while (seconds < 60 && (await Promise.race([over, settle()])) !== 'over')
  response.destroy()
  server.close()
  const { error, failure } = expectKind(await running, 'failed')
  assert.ok(seconds < 60, 'it was read to the end')
  assert.deepEqual(failure, { kind: 'network', retryAfterMs: 7000, ofOrigin: new URL(url).origin })
  assert.match(String(Buffer.from(error.body!)), /^x+$/)
  assert.equal(clock.armed, 0)
})

test('Retry-After of 429 and 503 is for the whole server, of others for the one address', async () => {
  await using bench = await Bench.open()
  const ofOrigin = originOf(bench.server)
  const ask = async (code: number, value: string): Promise<unknown> => {
    const url = bench.server.answers(`/${code}`, status(code, { 'Retry-After': value }))
    return expectKind(await bench.run(url), 'failed').failure
  }
  assert.deepEqual(await ask(503, '7'), { kind: 'network', retryAfterMs: 7000, ofOrigin })
  assert.deepEqual(await ask(429, '0'), { kind: 'network', retryAfterMs: 0, ofOrigin })
  assert.deepEqual(await ask(500, '7'), { kind: 'network', retryAfterMs: 7000 })
  assert.deepEqual(await ask(503, 'whenever'), { kind: 'network', ofOrigin })
  assert.deepEqual(await ask(500, 'whenever'), { kind: 'network' })
})

test('what a server asks for to which a link led is of that server, and not of the one that has the link', async () => {
  await using bench = await Bench.open()
  await using other = await FaultServer.start()
  const url = bench.server.answers('/link', redirect(other.answers('/busy', busy(503, 7))))
  const { failure } = expectKind(await bench.run(url), 'failed')
  assert.deepEqual(failure, { kind: 'network', retryAfterMs: 7000, ofOrigin: originOf(other) })
})

test('a 401 wants credentials and shows what the server said', async () => {
  await using bench = await Bench.open()
  const url = bench.server.answers('/401', status(401, { 'WWW-Authenticate': 'Basic realm="x"' }, 'no'))
  const outcome = expectKind(await bench.run(url), 'failed')
  assert.equal(outcome.error.code, 'USER_AUTHENTICATION_REQUIRED')
  assert.equal(outcome.error.status, 401)
  assert.equal(Buffer.from(outcome.error.body!).toString(), 'no')
  assert.deepEqual(outcome.failure, { kind: 'final' })
})

test('a redirect that leads nowhere is told as such', async () => {
  await using bench = await Bench.open()
  const outcome = expectKind(await bench.run(bench.server.answers('/302', status(302))), 'failed')
  assert.match(outcome.error.message, /answered with status 302 and did not say where the file is\.$/)
  assert.deepEqual(outcome.failure, { kind: 'final' })
})

test('with any status acceptable an error page is a finished download', async () => {
  await using bench = await Bench.open()
  const url = bench.server.answers('/404', status(404, {}, 'no such thing'))
  const outcome = expectKind(await bench.run(url, { policy: { acceptableStatusCodes: 'any' } }), 'finished')
  assert.equal(outcome.response?.status, 404)
  assert.equal(String(await bench.read()), 'no such thing')
})

test('with any status acceptable a 204 or 304 is an empty file, whatever it says of the one that it does not bring', async () => {
  await using bench = await Bench.open()
  const ofTheFile = {
    ETag: '"v1"',
    'Accept-Ranges': 'bytes',
    'Content-Length': '3000',
    'Repr-Digest': `sha-256=:${createHash('sha256').update('the file').digest('base64')}:`,
  }
  for (const code of [204, 304]) {
    const url = bench.server.answers(`/${code}`, status(code, ofTheFile))
    const headers = [['If-None-Match', '"v1"']] as const
    const outcome = expectKind(await bench.run(url, { headers, policy: { acceptableStatusCodes: 'any' } }), 'finished')
    assert.equal(outcome.response?.status, code)
    assert.equal(outcome.result.lengthVerified, true)
    assert.equal((await bench.read()).byteLength, 0)
    // A later download of the key must not be told by it that the empty file is the newest.
    assert.equal(bench.representation?.etag, undefined)
    bench.part = undefined
    bench.intent = undefined
  }
})

test(
  'an error page that is acceptable is finished also where only the end of TLS says that it is whole',
  { skip: needs('openssl') },
  async () => {
    await using bench = await Bench.open()
    await using server = await CertifiedServer.start({ certificate: 'good' })
    const url = server.answers('/404', { status: 404, body: 'no such thing', framing: 'close' })
    const tls = { ca: [server.authority] }
    expectKind(await bench.run(url, { policy: { tls, acceptableStatusCodes: 'any' } }), 'finished')
    assert.equal(String(await bench.read()), 'no such thing')
  },
)

test(
  "a redirect's page is nobody's, also where any status is acceptable: its address, which may serve but once, is asked once",
  { skip: needs('openssl') },
  async () => {
    await using bench = await Bench.open()
    await using server = await CertifiedServer.start({ certificate: 'good' })
    const file = server.file('/file', { size: 1000 })
    const url = server.answers('/302', { status: 302, headers: { Location: file }, body: 'there', framing: 'close' })
    const tls = { ca: [server.authority] }
    expectKind(await bench.run(url, { policy: { tls, acceptableStatusCodes: 'any' } }), 'finished')
    assert.equal(server.requestsFor('/302').length, 1)
  },
)

test('follows redirects, counts them, and gives the final address and every transaction', async () => {
  await using bench = await Bench.open()
  const last = bench.server.file('/real/name.bin', { size: 1000 })
  bench.server.answers('/2', redirect('/real/name.bin', 307))
  const url = bench.server.answers('/1', redirect('/2', 301))
  const outcome = expectKind(await bench.run(url, { name: undefined }), 'finished')
  assert.equal(outcome.response?.url, last)
  assert.equal(outcome.measure.redirects, 2)
  assert.deepEqual(
    outcome.measure.transactions.map(({ request, response }) => [new URL(request.url).pathname, response?.status]),
    [
      ['/1', 301],
      ['/2', 307],
      ['/real/name.bin', 200],
    ],
  )
  assert.equal(outcome.measure.transactions[2]?.bodyBytesReceived, 1000)
  assert.equal(outcome.result.path, bench.path('name.bin'))
})

test('credentials stay behind when the origin changes, over real sockets', async () => {
  await using bench = await Bench.open()
  await using target = await Bench.open()
  const final = target.server.file('/x', { size: 10 })
  const url = bench.server.answers('/1', redirect(final))
  const headers = [
    ['Authorization', 'Bearer secret'],
    ['X-Api-Key', 'secret'],
    ['Accept-Language', 'de'],
  ] as const
  expectKind(await bench.run(url, { headers }), 'finished')
  const first = await bench.server.received(1)
  assert.equal(first.headers['authorization'], 'Bearer secret')
  const second = await target.server.received(1)
  assert.equal(second.headers['authorization'], undefined)
  assert.equal(second.headers['x-api-key'], undefined)
  assert.equal(second.headers['accept-language'], 'de')
})

test('the name and password of an address become a header and leave the address', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/x', { size: 10 }).replace('http://', 'http://me:p%40ss@')
  const outcome = expectKind(await bench.run(url), 'finished')
  const expected = `Basic ${Buffer.from('me:p@ss').toString('base64')}`
  assert.equal((await bench.server.received(1)).headers['authorization'], expected)
  assert.ok(!JSON.stringify(outcome.response).includes('ss@'))
})

test('the twenty-first redirect is one too many', async () => {
  await using bench = await Bench.open()
  const url = bench.server.answers('/loop', redirect('/loop'))
  const outcome = expectKind(await bench.run(url), 'failed')
  assert.equal(outcome.error.code, 'TOO_MANY_REDIRECTS')
  assert.deepEqual(outcome.failure, { kind: 'final' })
  assert.equal(bench.server.requests.length, 21)
})

test('a length that is not the one expected is found before a byte is laid', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/x', { size: 1000 })
  const outcome = expectKind(await bench.run(url, { expectedLength: 999 }), 'failed')
  assert.equal(outcome.error.code, 'LENGTH_MISMATCH')
  assert.deepEqual(outcome.failure, { kind: 'final' })
  assert.deepEqual(bench.said, [])
})

test('a chunked body of another length than expected is refused either way', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/x', { size: 100_000, framing: 'chunked' })
  for (const expectedLength of [99_999, 100_001]) {
    const outcome = expectKind(await bench.run(url, { expectedLength }), 'failed')
    assert.equal(outcome.error.code, 'LENGTH_MISMATCH')
    assert.deepEqual(outcome.failure, { kind: 'final' })
  }
  expectKind(await bench.run(url, { expectedLength: 100_000 }), 'finished')
})

test('rubbish behind the body does not reach the file', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/x', { size: 1000, script: [excess(50)] })
  const outcome = await bench.run(url)
  if (outcome.kind === 'finished') assert.deepEqual(await bench.read(), bench.server.bytes('/x'))
  else assert.deepEqual(await bench.names(), [])
})

test('broken framing is a malformed answer', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/x', { size: 100_000, script: [badChunk(50_000)] })
  const outcome = expectKind(await bench.run(url), 'failed')
  assert.equal(outcome.error.code, 'BAD_SERVER_RESPONSE')
  assert.deepEqual(outcome.failure, { kind: 'malformed' })
})

test('a body that ends by a reset is not whole, with or without a length', async () => {
  await using bench = await Bench.open()
  for (const framing of ['length', 'close'] as const) {
    const url = bench.server.file(`/${framing}`, { size: 100_000, framing, script: [resetAfter(50_000)] })
    const outcome = expectKind(await bench.run(url), 'failed')
    assert.equal(outcome.error.code, 'NETWORK_CONNECTION_LOST', framing)
    assert.deepEqual(outcome.failure, { kind: 'network' })
  }
})

test('a server that is not there is told in the words of the table', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/x', { size: 10 })
  await bench.server.stop()
  const outcome = expectKind(await bench.run(url), 'failed')
  assert.equal(outcome.error.code, 'CANNOT_CONNECT_TO_HOST')
  assert.deepEqual(outcome.failure, { kind: 'network' })
  assert.deepEqual(outcome.measure.transactions, [])
})

test('a range of the user is refused rather than half obeyed', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/x', { size: 10 })
  const outcome = expectKind(await bench.run(url, { headers: [['Range', 'bytes=0-4']] }), 'failed')
  assert.equal(outcome.error.code, 'INVALID_ARGUMENT')
  assert.equal(bench.server.requests.length, 0)
})
