/** Abort and close end the connection unless the body is whole, and nothing hangs. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Connections } from '../../src/network/connections.ts'
import { type GeneralLane, openGeneral } from '../../src/network/general.ts'
import { Identities } from '../../src/network/proxy/identity.ts'
import { proxySettings } from '../../src/network/route.ts'
import { createTransport } from '../../src/network/transport.ts'
import { createTrust } from '../../src/network/trust.ts'
import type { Exchange } from '../../src/world/transport.ts'
import { ask, open } from '../support/ask.ts'
import { FaultServer, stallAfter, stallBeforeHead } from '../../src/testing/index.ts'

const aborted = { name: 'NetworkFailure', reason: 'aborted' }

test('an abort while waiting for the head rejects open and ends the connection', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const giveUp = new AbortController()
  const asked = open(transport, server.file('/a', { size: 10, script: [stallBeforeHead()] }), { signal: giveUp.signal })
  await server.received(1)
  giveUp.abort()
  await assert.rejects(asked, { ...aborted, phase: 'head' })
  await server.deserted()
  await transport.close()
})

test('an abort inside the body rejects receive and ends the connection', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const giveUp = new AbortController()
  const url = server.file('/a', { size: 1_000_000, script: [stallAfter(300_000)] })
  let bytes = 0
  const arrived = Promise.withResolvers<void>()
  const sink = (chunk: Uint8Array): undefined => {
    bytes += chunk.length
    if (bytes === 300_000) arrived.resolve()
  }
  const asked = ask(transport, url, { signal: giveUp.signal, sink })
  await arrived.promise
  giveUp.abort()
  await assert.rejects(asked, { ...aborted, phase: 'body' })
  await server.deserted()
  await transport.close()
})

test('a signal that fired before makes no connection', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  await assert.rejects(open(transport, server.file('/a', { size: 1 }), { signal: AbortSignal.abort() }), aborted)
  assert.equal(server.connections, 0)
  await transport.close()
})

test('a signal that fired before takes no connection away from those that wait', async () => {
  await using server = await FaultServer.start()
  const url = server.file('/a', { size: 1 })
  const lane = generalLane()
  const get = (signal: AbortSignal): Promise<Exchange> =>
    openGeneral(lane, { url, method: 'GET', headers: [] }, new URL(url), signal)
  await (await get(new AbortController().signal)).receive(() => undefined)
  await assert.rejects(get(AbortSignal.abort()), aborted)
  const next = await get(new AbortController().signal)
  assert.equal(next.facts.reused, true)
  next.close()
  await lane.connections.close()
})

function generalLane(): GeneralLane {
  return {
    connections: new Connections(),
    trust: createTrust(),
    proxies: proxySettings({}),
    identities: new Identities(randomBytes),
    lookup: undefined,
    connectTimeoutMs: 30_000,
    maximumHeadBytes: 65_536,
    idleMs: 4_000,
    endsByClose: new Set(),
  }
}

test('an abort while connecting rejects open', async () => {
  // An address that is never answered would need the network; one turn of the event loop is enough here.
  await using server = await FaultServer.start()
  const transport = createTransport()
  const giveUp = new AbortController()
  const asked = open(transport, server.file('/a', { size: 1 }), { signal: giveUp.signal })
  giveUp.abort()
  await assert.rejects(asked, { ...aborted, phase: 'connect' })
  await server.deserted()
  await transport.close()
})

test('close before receive ends the connection', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const exchange = await open(transport, server.file('/a', { size: 10_000_000 }))
  exchange.close()
  await server.deserted()
  await assert.rejects(
    exchange.receive(() => undefined),
    aborted,
  )
  await transport.close()
})

test('close after the end is harmless: the connection serves the next request', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 10 })
  const { exchange } = await ask(transport, url)
  exchange.close()
  await ask(transport, url)
  assert.equal(server.connections, 1)
  await transport.close()
})

test('an abort after the end does not touch the next request on the connection', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const giveUp = new AbortController()
  await ask(transport, server.file('/a', { size: 10 }), { signal: giveUp.signal })
  const second = ask(transport, server.file('/b', { size: 10, script: [stallAfter(5)] }))
  await server.sent('/b', 5)
  giveUp.abort()
  server.release()
  assert.equal((await second).end.bytes, 10)
  assert.equal(server.connections, 1)
  await transport.close()
})

test('receive settles only after the sink has, even when aborted', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const giveUp = new AbortController()
  const writing = Promise.withResolvers<void>()
  let written = false
  const begun = Promise.withResolvers<void>()
  const asked = ask(transport, server.file('/a', { size: 1_000_000 }), {
    signal: giveUp.signal,
    sink: async () => {
      begun.resolve()
      await writing.promise
      written = true
    },
  })
  await begun.promise
  giveUp.abort()
  // The connection is gone at once; the lent bytes are not taken back.
  await server.deserted()
  assert.equal(written, false)
  writing.resolve()
  await assert.rejects(asked, aborted)
  assert.equal(written, true)
  await transport.close()
})

test('closing the transport ends what runs and refuses what comes', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 1_000_000, script: [stallAfter(1000), stallBeforeHead()] })
  const inBody = ask(transport, url)
  await server.sent('/a', 1000)
  const inHead = ask(transport, url)
  await server.received(2)
  const both = Promise.all([assert.rejects(inBody, aborted), assert.rejects(inHead, aborted)])
  await transport.close()
  await both
  await assert.rejects(ask(transport, url), aborted)
  await server.deserted()
})
