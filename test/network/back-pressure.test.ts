/** A slow sink slows the server down; no byte is lost, doubled or changed while it is lent. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createTransport } from '../../src/network/transport.ts'
import { ask, open } from '../support/ask.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'

const mib = 1024 * 1024

for (const [over, framing] of [
  ['TCP', 'length'],
  ['TCP', 'chunked'],
  ['TCP', 'close'],
  ['TLS', 'length'],
  ['TLS', 'close'],
] as const) {
  test(
    `64 MiB over ${over} with framing ${framing} arrive whole through a sink that settles late`,
    { skip: over === 'TLS' ? needs('openssl') : false },
    async () => {
      await using server = await CertifiedServer.start(over === 'TLS' ? { certificate: 'good' } : {})
      const transport = createTransport()
      const url = server.file('/a', { size: 64 * mib, framing })
      let lent = 0
      let calls = 0
      const { end, digest } = await ask(transport, url, {
        tls: { ca: over === 'TLS' ? [server.authority] : [] },
        sink(bytes) {
          assert.equal(lent, 0, 'a piece was given while another was still lent')
          calls++
          // In turn: at once, after a microtask, after one and after several turns of the event loop.
          if (calls % 4 === 0) return undefined
          lent = bytes.length
          return (async () => {
            for (let turn = 1; turn < calls % 4; turn++) await nextTurn()
            lent = 0
          })()
        },
      })
      assert.equal(end.bytes, 64 * mib)
      assert.equal(digest, server.digest('/a'))
      await transport.close()
    },
  )
}

test('a sink that does not settle stops the server', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 64 * mib })
  const gate = Promise.withResolvers<void>()
  let taken = 0
  const asked = ask(transport, url, {
    sink(bytes) {
      taken += bytes.length
      return gate.promise
    },
  })
  await server.sent('/a', mib)
  // The buffers of both ends fill up; then nothing moves. Some MiB are the system's.
  let before = -1
  while (before !== server.bytesSent('/a')) {
    before = server.bytesSent('/a')
    for (let turn = 0; turn < 200; turn++) await nextTurn()
  }
  assert.ok(before < 32 * mib, `${before} bytes left the server`)
  assert.ok(taken <= 64 * 1024, `${taken} bytes were given to a sink that had not settled`)
  gate.resolve()
  assert.equal((await asked).digest, server.digest('/a'))
  await transport.close()
})

test('nothing is lost when receive is called long after the body has arrived', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  for (const framing of ['length', 'chunked', 'close'] as const) {
    const url = server.file(`/${framing}`, { size: 50_000, framing })
    const exchange = await open(transport, url)
    await server.sent(`/${framing}`, 50_000)
    for (let turn = 0; turn < 50; turn++) await nextTurn()
    const pieces: Uint8Array[] = []
    const end = await exchange.receive((bytes) => void pieces.push(bytes.slice()))
    assert.equal(end.bytes, 50_000)
    assert.deepEqual(Buffer.concat(pieces), server.bytes(`/${framing}`))
  }
  await transport.close()
})

test('what the sink throws or rejects with is what receive rejects with, and the connection ends', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 64 * mib })
  const full = new Error('the disk is full')
  for (const sink of [
    () => {
      throw full
    },
    () => Promise.reject(full),
  ]) {
    const exchange = await open(transport, url)
    await assert.rejects(exchange.receive(sink), (error) => error === full)
    await server.deserted()
  }
  await transport.close()
})

test('a body can be received once only', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const { exchange } = await ask(transport, server.file('/a', { size: 10 }))
  await assert.rejects(
    exchange.receive(() => undefined),
    { code: 'INVALID_ARGUMENT' },
  )
  await transport.close()
})
