import assert from 'node:assert/strict'
import test from 'node:test'
import { PacedServer } from '../../bench/paced-server.ts'

test('the paced server sends the file and its ranges at its rate, and counts what it sent', async () => {
  const body = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251))
  await using server = await PacedServer.start(body, 2_000_000)
  const began = performance.now()
  const whole = await fetch(server.url('file'))
  assert.equal(whole.status, 200)
  assert.deepEqual(Buffer.from(await whole.arrayBuffer()), body)
  assert.ok(performance.now() - began > 40, '100,000 bytes at 2 MB/s take 50 ms')
  const range = await fetch(server.url('file'), { headers: { range: 'bytes=99000-' } })
  assert.equal(range.headers.get('content-range'), 'bytes 99000-99999/100000')
  assert.deepEqual(Buffer.from(await range.arrayBuffer()), body.subarray(99_000))
  assert.equal(server.sent, 101_000)
})
