/** Which connections are used again. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { createTransport } from '../../src/network/transport.ts'
import { ask, open } from '../support/ask.ts'
import { cutAfter, framed, ok, redirect, stallAfter, stallBeforeHead } from '../../src/testing/index.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'

test('requests one after another share a connection', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 100_000, script: [ok(), framed('chunked'), redirect('/b'), ok()] })
  const reused: boolean[] = []
  for (let i = 0; i < 5; i++) reused.push((await ask(transport, url)).exchange.facts.reused)
  assert.deepEqual(reused, [false, true, true, true, true])
  assert.equal(server.connections, 1)
  await transport.close()
})

test('64 requests at once each get their own bytes', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const paths = Array.from({ length: 64 }, (_, i) => `/${i}`)
  const urls = paths.map((path, i) => server.file(path, { size: 200_000 + i }))
  server.hold()
  const all = Promise.all(urls.map((url) => ask(transport, url)))
  await server.received(64)
  assert.equal(server.openConnections, 64)
  server.resume()
  const received = await all
  assert.deepEqual(
    received.map(({ digest }) => digest),
    paths.map((path) => server.digest(path)),
  )
  await transport.close()
  await server.deserted()
})

test('as many connections as were in use at once are kept for the next requests', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const urls = Array.from({ length: 16 }, (_, i) => server.file(`/${i}`, { size: 1000 }))
  for (let round = 0; round < 3; round++) {
    const before = server.requests.length
    server.hold()
    const all = Promise.all(urls.map((url) => ask(transport, url)))
    await server.received(before + 16)
    server.resume()
    await all
  }
  assert.equal(server.connections, 16)
  await transport.close()
})

for (const code of [429, 503])
  test(`a server that answers ${code} keeps no idle connection of ours`, async () => {
    await using server = await CertifiedServer.start()
    const transport = createTransport({ idleMs: 600_000 })
    const urls = Array.from({ length: 4 }, (_, i) => server.file(`/${i}`, { size: 1000 }))
    server.hold()
    const all = Promise.all(urls.map((url) => ask(transport, url)))
    await server.received(4)
    server.resume()
    await all
    assert.equal(server.openConnections, 4)
    const refused = await open(transport, server.file('/busy', { size: 10, script: [{ status: code }] }))
    assert.equal(refused.head.status, code)
    refused.close()
    await server.deserted()
    await transport.close()
  })

test('a connection that closed, or was cut, is not used again', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 1000, script: [{ closes: 'announced' }, framed('close'), cutAfter(10)] })
  await ask(transport, url)
  await ask(transport, url)
  await assert.rejects(ask(transport, url))
  await ask(transport, url)
  assert.deepEqual(
    server.requests.map(({ connection }) => connection),
    [1, 2, 3, 4],
  )
  await transport.close()
})

test('a connection whose body was not received is not used again', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 1000 })
  const exchange = await open(transport, url)
  exchange.close()
  await ask(transport, url)
  assert.deepEqual(
    server.requests.map(({ connection }) => connection),
    [1, 2],
  )
  await transport.close()
})

test('a connection on which somebody was introduced for all that follows serves nobody else', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 1000 })
  const reused: boolean[] = []
  for (const value of ['Basic YTpi', 'Negotiate YII=', 'Basic YTpi', 'NTLM TlRM', 'Basic YTpi'])
    reused.push((await ask(transport, url, { headers: [['Authorization', value]] })).exchange.facts.reused)
  assert.deepEqual(reused, [false, true, false, true, false])
  await transport.close()
})

test('an idle connection that the server closes in silence is replaced without a failure', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 1000, script: [{ closes: 'silently' }, ok()] })
  await ask(transport, url)
  assert.equal((await ask(transport, url)).end.bytes, 1000)
  await transport.close()
})

test('an idle connection that turns out to be dead is replaced without a failure', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 1000, script: [ok(), stallBeforeHead(), ok()] })
  await ask(transport, url)
  const second = ask(transport, url)
  await server.received(2)
  server.resetAll()
  assert.equal((await second).exchange.facts.reused, false)
  assert.deepEqual(
    server.requests.map(({ connection }) => connection),
    [1, 1, 2],
  )
  await transport.close()
})

test('a request on a new connection that dies is not repeated', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const asked = ask(transport, server.file('/a', { size: 1000, script: [stallBeforeHead()] }))
  await server.received(1)
  server.resetAll()
  await assert.rejects(asked, { reason: 'connection lost', phase: 'head' })
  assert.equal(server.requests.length, 1)
  await transport.close()
})

test('a POST on an idle connection that dies is not repeated', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 1000, script: [ok(), stallBeforeHead()] })
  await ask(transport, url)
  const asked = ask(transport, url, { method: 'POST' })
  await server.received(2)
  server.resetAll()
  await assert.rejects(asked, { reason: 'connection lost' })
  assert.equal(server.requests.length, 2)
  await transport.close()
})

test('the connection is free again when the body is whole, even if the sink is not done', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 1000 })
  const gate = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const slow = ask(transport, server.file('/slow', { size: 1000 }), { sink: () => (begun.resolve(), gate.promise) })
  await begun.promise
  await ask(transport, url)
  gate.resolve()
  assert.equal((await slow).end.bytes, 1000)
  await transport.close()
})

test('connections under other TLS options are not shared', { skip: needs('openssl') }, async () => {
  await using server = await CertifiedServer.start({ certificate: 'good' })
  const transport = createTransport()
  const url = server.file('/a', { size: 10 })
  await ask(transport, url, { tls: { ca: [server.authority] } })
  await assert.rejects(ask(transport, url), { reason: 'certificate has unknown root' })
  await ask(transport, url, { tls: { ca: [server.authority], minimumVersion: 'TLSv1.3' } })
  await ask(transport, url, { tls: { ca: [server.authority] } })
  assert.deepEqual(
    server.requests.map(({ connection }) => connection),
    [1, 3, 1],
  )
  await transport.close()
})

test('an idle connection does not survive idleMs', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport({ idleMs: 50 })
  await ask(transport, server.file('/a', { size: 10, script: [ok(), stallAfter(1)] }))
  await server.deserted()
  await transport.close()
})

test('an address that is refused is told before anything is sent to it, on a new connection and on a kept one', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 10 })
  const refusal = new Error('not there')
  const seen: string[] = []
  const checkAddress = (address: string): void => {
    seen.push(address)
    throw refusal
  }
  const signal = new AbortController().signal
  await assert.rejects(transport.open({ url, method: 'GET', headers: [], checkAddress }, signal), refusal)
  await ask(transport, url)
  await assert.rejects(transport.open({ url, method: 'GET', headers: [], checkAddress }, signal), refusal)
  await ask(transport, url)
  assert.deepEqual(seen, ['127.0.0.1', '127.0.0.1'])
  assert.equal(server.requests.length, 2)
  assert.equal(server.requests[1]!.connection, server.requests[0]!.connection)
  await transport.close()
})

test('a short body is here before anybody receives it, and its connection serves the next request meanwhile', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const [short, next] = [server.file('/short', { size: 64 * 1024 }), server.file('/next', { size: 100_000 })]
  const first = await open(transport, short)
  const here = Promise.withResolvers<void>()
  first.arrived?.(here.resolve)
  await here.promise
  assert.equal((await ask(transport, next)).digest, server.digest('/next'))
  assert.equal(server.connections, 1)
  const hash = createHash('sha256')
  const end = await first.receive((bytes) => void hash.update(bytes))
  assert.deepEqual([end.bytes, hash.digest('hex')], [64 * 1024, server.digest('/short')])
  await transport.close()
})

test('a short body that is cut before anybody receives it gives its bytes and then the error, and is never said to be here', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const exchange = await open(transport, server.file('/a', { size: 5000, script: [cutAfter(3000)] }))
  exchange.arrived?.(() => assert.fail('it is not whole'))
  await server.deserted()
  let bytes = 0
  await assert.rejects(
    exchange.receive((piece) => void (bytes += piece.length)),
    { name: 'NetworkFailure', reason: 'connection lost' },
  )
  assert.equal(bytes, 3000)
  await transport.close()
})

test('one byte more waits for whoever receives it', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const exchange = await open(transport, server.file('/a', { size: 64 * 1024 + 1 }))
  let isHere = false
  exchange.arrived?.(() => (isHere = true))
  assert.equal((await ask(transport, server.file('/b', { size: 10 }))).digest, server.digest('/b'))
  assert.equal(server.connections, 2)
  assert.ok(!isHere)
  await exchange.receive(() => undefined)
  assert.ok(isHere)
  await transport.close()
})
