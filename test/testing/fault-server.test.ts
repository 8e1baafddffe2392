/** The fault server itself: it must tell the truth where no lie is asked for, and exactly the lie that is. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { createTransport } from '../../src/network/transport.ts'
import { type Transport } from '../../src/world/transport.ts'
import { ask } from '../support/ask.ts'
import {
  FaultServer,
  drip,
  ignoreRange,
  lie,
  ok,
  other,
  stallAfter,
  status,
  withEtag,
  wrongContentRange,
} from '../../src/testing/index.ts'

const size = 100_000

interface Answer {
  readonly status: number
  readonly range: string | undefined
  readonly etag: string | undefined
  readonly body: Buffer
}

async function get(
  transport: Transport,
  url: string,
  ...headers: readonly (readonly [string, string])[]
): Promise<Answer> {
  const pieces: Uint8Array[] = []
  const { exchange } = await ask(transport, url, { headers, sink: (bytes) => void pieces.push(bytes.slice()) })
  const field = (name: string): string | undefined => exchange.head.headers.find(([key]) => key === name)?.[1]
  return {
    status: exchange.head.status,
    range: field('content-range'),
    etag: field('etag'),
    body: Buffer.concat(pieces),
  }
}

test('the fault server gives the same bytes whole and in parts, and the digest is theirs', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size, etag: '"v1"' })
  const whole = await get(transport, url)
  assert.equal(createHash('sha256').update(whole.body).digest('hex'), server.digest('/a'))
  for (const [from, to] of [
    [0, 1],
    [4095, 4097],
    [50_000, size],
    [size - 1, size],
  ] as const) {
    const part = await get(transport, url, ['Range', `bytes=${from}-${to - 1}`])
    assert.equal(part.status, 206)
    assert.equal(part.range, `bytes ${from}-${to - 1}/${size}`)
    assert.deepEqual(part.body, whole.body.subarray(from, to))
  }
  assert.deepEqual((await get(transport, url, ['Range', 'bytes=-10'])).body, whole.body.subarray(-10))
  assert.deepEqual((await get(transport, url, ['Range', `bytes=${size - 10}-`])).body, whole.body.subarray(-10))
  assert.equal(server.bytesSent('/a'), size + 1 + 2 + 50_000 + 1 + 10 + 10)
  await transport.close()
})

test('the fault server refuses a range behind the end, and ignores one for another representation', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size, etag: '"v1"' })
  const behind = await get(transport, url, ['Range', `bytes=${size}-`])
  assert.deepEqual([behind.status, behind.range], [416, `bytes */${size}`])
  assert.equal((await get(transport, url, ['Range', 'bytes=5-'], ['If-Range', '"v1"'])).status, 206)
  assert.equal((await get(transport, url, ['Range', 'bytes=5-'], ['If-Range', '"v0"'])).status, 200)
  server.change('/a', { etag: 'W/"v1"' })
  assert.equal((await get(transport, url, ['Range', 'bytes=5-'], ['If-Range', 'W/"v1"'])).status, 200)
  server.change('/a', { ranges: false })
  assert.equal((await get(transport, url, ['Range', 'bytes=5-'])).status, 200)
  await transport.close()
})

test('the fault server follows its script step by step and then serves well', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const url = server.file('/a', {
    size,
    etag: '"v1"',
    script: [
      status(503, { 'Retry-After': '1' }, 'later'),
      ignoreRange(),
      wrongContentRange({ start: 7, total: 9 }),
      other('else', '"v2"'),
      lie('else'),
      withEtag(undefined),
      ok(),
    ],
  })
  const range = ['Range', 'bytes=10-'] as const
  assert.deepEqual((await get(transport, url)).body.toString(), 'later')
  assert.equal((await get(transport, url, range)).status, 200)
  assert.equal((await get(transport, url, range)).range, `bytes 7-${size - 1}/9`)
  const changed = await get(transport, url)
  assert.equal(changed.etag, '"v2"')
  const lied = await get(transport, url)
  assert.equal(lied.etag, '"v1"')
  assert.deepEqual(lied.body, changed.body)
  assert.notDeepEqual(lied.body, server.bytes('/a'))
  assert.equal((await get(transport, url)).etag, undefined)
  for (let i = 0; i < 2; i++) assert.deepEqual((await get(transport, url)).body, server.bytes('/a'))
  await transport.close()
})

test('the fault server stalls until released, drips, and holds', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size, script: [stallAfter(10), drip(20_000, 1)] })
  const stalled = get(transport, url)
  await server.sent('/a', 10)
  assert.equal(server.bytesSent('/a'), 10)
  server.release()
  assert.deepEqual((await stalled).body, server.bytes('/a'))
  assert.deepEqual((await get(transport, url)).body, server.bytes('/a'))
  server.hold()
  const held = get(transport, url)
  const request = await server.received(3, '/a')
  assert.equal(request.ended, 'no')
  server.resume()
  assert.equal((await held).status, 200)
  await transport.close()
})

test('the fault server tells whoever waits what a step of a script threw, and the client is not kept waiting', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const why = new Error('this must not be asked')
  const failing = (): never => {
    throw why
  }
  const url = server.file('/a', { size, script: [failing, ok(), failing] })
  await Promise.all([
    assert.rejects(server.sent('/a', 1), why),
    assert.rejects(get(transport, url), { reason: 'connection lost' }),
  ])
  await assert.rejects(server.sent('/a', 1), why, 'also who comes later')
  assert.equal(server.traffic('/a').atOnce, 0)
  assert.equal((await get(transport, url)).status, 200, 'it goes on')
  await server.stop()
  await server.restart()
  await assert.rejects(get(transport, url), { reason: 'connection lost' })
  await assert.rejects(server.stop(), why, 'nobody had waited')
  await transport.close()
})

test('the fault server comes back on its port after a stop', async () => {
  await using server = await FaultServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size })
  const { port } = server
  await server.stop()
  await assert.rejects(get(transport, url), { reason: 'cannot connect' })
  await server.restart()
  assert.equal(server.port, port)
  assert.equal((await get(transport, url)).status, 200)
  await transport.close()
})
