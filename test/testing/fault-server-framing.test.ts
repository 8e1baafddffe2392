// The fault server's framing and its ways to end, seen byte by byte.
import assert from 'node:assert/strict'
import { get } from 'node:https'
import { test } from 'node:test'
import {
  badChunk,
  bothLengths,
  breakWireAfter,
  closes,
  cutAfter,
  drip,
  excess,
  framed,
  hugeHead,
  interim,
  malformedHead,
  ok,
  raw,
  resetAfter,
  splitHead,
  stallAfter,
  stallBeforeHead,
  trailers,
} from '../../src/testing/behaviours.ts'
import { together } from '../../src/testing/behaviour.ts'
import { FaultServer } from '../../src/testing/fault-server.ts'
import { testCertificate } from '../support/certificates.ts'
import { ask, RawClient } from './raw-client.ts'

const size = 1000

test('the fault server frames by length, in chunks with trailers, and by the end of the connection', async () => {
  await using server = await FaultServer.start()
  server.file('/a', {
    size,
    script: [ok(), together(trailers({ 'X-End': 'yes' }), { chunkBytes: 600 }), framed('close')],
  })
  const bytes = server.bytes('/a')
  const byLength = await ask(server, '/a')
  assert.deepEqual([byLength.headers['content-length'], byLength.body.equals(bytes)], [String(size), true])
  const chunked = await ask(server, '/a')
  assert.equal(chunked.headers['transfer-encoding'], 'chunked')
  assert.equal(
    chunked.body.toString('latin1'),
    `258\r\n${bytes.toString('latin1', 0, 600)}\r\n190\r\n${bytes.toString('latin1', 600)}\r\n0\r\nX-End: yes\r\n\r\n`,
  )
  const byClose = await (await RawClient.connect(server)).ask('/a').end()
  assert.deepEqual(
    [byClose.headers['content-length'], byClose.headers['connection'], byClose.body.equals(bytes)],
    [undefined, 'close', true],
  )
})

test('the fault server cuts and resets exactly where it is told, in the body and in the head', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, script: [cutAfter(400), resetAfter(300), breakWireAfter(20, 'fin'), cutAfter(0)] })
  const end = async (): Promise<readonly unknown[]> => {
    const { body, end: how, text } = await (await RawClient.connect(server)).ask('/a').end()
    return [how, text.includes('\r\n\r\n') ? body.length : text]
  }
  assert.deepEqual(await end(), ['closed', 400])
  assert.equal((await end())[0], 'reset')
  assert.equal(server.requests[1]!.bytesSent, 300)
  assert.deepEqual(await end(), ['closed', 'HTTP/1.1 200 OK\r\nDat'])
  assert.deepEqual(await end(), ['closed', 0])
})

test('the fault server sends rubbish behind the end, chunks that are none, and both framings at once', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, script: [excess(3), badChunk(0), bothLengths()] })
  const tooMuch = await ask(server, '/a')
  assert.deepEqual([tooMuch.headers['content-length'], tooMuch.body.toString('latin1', size)], [String(size), 'xxx'])
  assert.match((await ask(server, '/a')).body.toString('latin1'), /^nonsense\r\n/)
  const both = await ask(server, '/a')
  assert.deepEqual([both.headers['transfer-encoding'], both.headers['content-length']], ['chunked', '5'])
})

test('the fault server sends heads that are malformed, huge, or anything at all', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, script: [malformedHead(), hugeHead(100_000), raw('220 smtp.example ready\r\n')] })
  assert.match((await ask(server, '/a')).text, /^HTTP\/1\.1 200 OK\r\nno colon here\r\n/)
  assert.equal((await ask(server, '/a')).headers['x-huge']?.length, 100_000)
  assert.equal((await ask(server, '/a')).text, '220 smtp.example ready\r\n')
  assert.equal(server.requests[2]!.status, undefined)
})

test('the fault server splits a head, and sends interim answers before the real one', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size: 1, script: [splitHead(10), interim(103, 2, { Link: '</b>' })] })
  const client = (await RawClient.connect(server)).ask('/a')
  await server.until(() => server.requests[0]?.ended === 'as planned', 'the split answer')
  const { text } = await client.rest()
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/)
  assert.ok(client.pieces.length > 2, `${client.pieces.length} pieces`)
  const { text: second } = await ask(server, '/a')
  assert.match(second, /^(HTTP\/1\.1 103 Interim\r\nLink: <\/b>\r\n\r\n){2}HTTP\/1\.1 200 OK\r\n/)
})

test('the fault server drips, stalls in the body and before the head, and goes on when it is released', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, script: [drip(400, 1), stallAfter(500), stallBeforeHead()] })
  assert.deepEqual((await ask(server, '/a')).body, server.bytes('/a'))
  const stalled = (await RawClient.connect(server)).ask('/a')
  await server.sent('/a', size + 500)
  assert.equal(server.requests[1]!.ended, 'no')
  server.release()
  await server.until(() => server.requests[1]!.ended === 'as planned', 'the released answer')
  assert.deepEqual((await stalled.rest()).body, server.bytes('/a'))
  const silent = (await RawClient.connect(server)).ask('/a')
  await server.received(3)
  server.release()
  await server.until(() => server.requests[2]!.ended === 'as planned', 'the answer that was silent')
  assert.equal((await silent.rest()).status, 200)
})

test('the fault server closes behind a whole answer, having said so or not, and notices who leaves', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, script: [closes(), closes('silently'), stallAfter(1)] })
  const said = await (await RawClient.connect(server)).ask('/a').end()
  const silently = await (await RawClient.connect(server)).ask('/a').end()
  assert.deepEqual([said.headers['connection'], silently.headers['connection']], ['close', undefined])
  const client = (await RawClient.connect(server)).ask('/a')
  await server.sent('/a', 2 * size + 1)
  client.leave()
  await server.deserted()
  await server.until(() => server.requests[2]!.ended === 'client left', 'the client gone')
})

test('two questions on one connection of the fault server are answered in order', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size: 5 })
  server.file('/b', { size: 7 })
  const client = (await RawClient.connect(server)).ask('/a').ask('/b', {}, 'HEAD')
  await server.until(() => server.requests[1]?.ended === 'as planned', 'both answers')
  const { text } = await client.rest()
  assert.match(text, /Content-Length: 5\r\n\r\n[^]{5}HTTP\/1\.1 200 OK\r\n[^]*Content-Length: 7\r\n\r\n$/)
  assert.deepEqual(
    server.requests.map(({ connection }) => connection),
    [1, 1],
  )
})

test('a stall is released as soon as the bytes before it are counted as sent', async () => {
  await using server = await FaultServer.start({ tls: testCertificate() })
  const size = 3_000_100
  get(server.file('/a', { size, script: [stallAfter(3_000_000)] }), { rejectUnauthorized: false }, (answer) => {
    answer.resume()
  })
  await server.sent('/a', 3_000_000)
  server.release()
  await server.until(() => server.requests[0]?.ended === 'as planned', 'the released answer')
})
