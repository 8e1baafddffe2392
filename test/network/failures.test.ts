/** How failures to connect are told apart, and what is known about a connection that was made. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { failureOf } from '../../src/network/failures.ts'
import { createTransport } from '../../src/network/transport.ts'
import { ask } from '../support/ask.ts'
import { FaultServer } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'

test('a port where nobody listens cannot be connected to', async () => {
  const server = await FaultServer.start()
  const url = server.file('/a', { size: 1 })
  await server.stop()
  const transport = createTransport()
  await assert.rejects(ask(transport, url), { reason: 'cannot connect', phase: 'connect' })
  await server.restart()
  assert.equal((await ask(transport, url)).end.bytes, 1)
  await transport.close()
  await server.stop()
})

test('a name with an impossible label cannot be found', async () => {
  const transport = createTransport()
  await assert.rejects(ask(transport, `http://${'x'.repeat(64)}.localhost/`), {
    reason: 'cannot find host',
    phase: 'lookup',
  })
  await transport.close()
})

test('a handshake that is never answered ends after the connect timeout', { skip: needs('openssl') }, async () => {
  const silent = createServer(() => {})
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const address = silent.address()
  assert.ok(typeof address === 'object' && address !== null)
  const transport = createTransport({ connectTimeoutMs: 100 })
  await assert.rejects(ask(transport, `https://127.0.0.1:${address.port}/`), { reason: 'cannot connect', phase: 'tls' })
  silent.close()
  await transport.close()
})

test('https to a server that speaks plain http fails as TLS', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const url = server.answers('/', { raw: { bytes: 'HTTP/1.1 400 Bad Request\r\n\r\n' } }).replace('http:', 'https:')
  const plain = createServer((socket) =>
    socket.on('error', () => {}).once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
  )
  plain.listen(0, '127.0.0.1')
  await once(plain, 'listening')
  const address = plain.address()
  assert.ok(typeof address === 'object' && address !== null)
  await assert.rejects(ask(transport, url.replace(`:${server.port}`, `:${address.port}`)), {
    reason: 'tls failed',
    phase: 'tls',
  })
  plain.close()
  await transport.close()
})

test('a connection reset during the handshake is lost, not untrusted', async () => {
  const rude = createServer((socket) => socket.on('error', () => {}).once('data', () => socket.resetAndDestroy()))
  rude.listen(0, '127.0.0.1')
  await once(rude, 'listening')
  const address = rude.address()
  assert.ok(typeof address === 'object' && address !== null)
  const transport = createTransport()
  await assert.rejects(ask(transport, `https://127.0.0.1:${address.port}/`), {
    reason: 'connection lost',
    phase: 'tls',
  })
  rude.close()
  await transport.close()
})

test('several addresses that all fail say no network only if every one says so', () => {
  const noRoute = Object.assign(new Error('no route'), { code: 'ENETUNREACH' })
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
  assert.equal(
    failureOf(new AggregateError([noRoute, refused], 'all failed'), 'connect', 'a:1').reason,
    'cannot connect',
  )
  assert.equal(failureOf(new AggregateError([noRoute, noRoute], 'all failed'), 'connect', 'a:1').reason, 'no network')
})

test('the words of the system are sorted by what retry distinguishes', () => {
  const sorted = (code: string, phase: 'lookup' | 'connect' | 'tls' | 'head' | 'body'): string =>
    failureOf(Object.assign(new Error(code), { code }), phase, 'a:1').reason
  assert.equal(sorted('ENOTFOUND', 'lookup'), 'cannot find host')
  assert.equal(sorted('EAI_AGAIN', 'lookup'), 'cannot find host')
  for (const code of ['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ECONNRESET'])
    assert.equal(sorted(code, 'connect'), 'cannot connect')
  assert.equal(sorted('ENETUNREACH', 'connect'), 'no network')
  for (const code of ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'UND_ERR_SOCKET'])
    assert.equal(sorted(code, 'body'), 'connection lost')
  assert.equal(sorted('ERR_SSL_WRONG_VERSION_NUMBER', 'tls'), 'tls failed')
  assert.equal(sorted('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'head'), 'client certificate required')
})

test('addresses that are not http or https are refused', async () => {
  const transport = createTransport()
  await assert.rejects(ask(transport, 'ftp://127.0.0.1/a'), { code: 'UNSUPPORTED_URL' })
  await assert.rejects(ask(transport, 'nonsense'), { code: 'BAD_URL' })
  await transport.close()
})

test('an IPv6 address works', { skip: needs('ipv6') }, async () => {
  await using six = await FaultServer.start({ host: '::1' })
  const transport = createTransport()
  assert.match(six.file('/a', { size: 10 }), /^http:\/\/\[::1\]:/)
  assert.equal((await ask(transport, six.url('/a'))).exchange.facts.remoteAddress, '::1')
  await transport.close()
})

test('the facts of a connection are in order, and those of making it stand with the first request only', async () => {
  await using server = await FaultServer.start({ name: 'localhost' })
  const transport = createTransport()
  const url = server.file('/a', { size: 1000 })
  const first = (await ask(transport, url)).exchange.facts
  const times = [
    first.fetchStartMs,
    first.domainLookupStartMs,
    first.domainLookupEndMs,
    first.connectStartMs,
    first.connectEndMs,
    first.requestStartMs,
    first.requestEndMs,
    first.responseStartMs,
  ]
  assert.ok(times.every((time) => typeof time === 'number'))
  assert.deepEqual(
    times,
    times.toSorted((a, b) => Number(a) - Number(b)),
  )
  assert.equal(first.secureConnectionStartMs, undefined)
  assert.deepEqual(
    [first.protocol, first.reused, first.proxied, first.remoteAddress],
    ['http/1.1', false, false, '127.0.0.1'],
  )
  assert.ok(first.headerBytesSent > 20 && first.headerBytesReceived > 20)
  const second = (await ask(transport, url)).exchange.facts
  assert.equal(second.reused, true)
  assert.equal(second.connectStartMs, undefined)
  assert.equal(second.remoteAddress, '127.0.0.1')
  await transport.close()
})
