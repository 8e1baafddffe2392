import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { frame, frameLimit } from '../../src/wire/framing.ts'
import { Received, socketPair } from './connection.ts'

test('a frame comes out as it went in, whatever characters it holds', async (t) => {
  const { near, far } = await socketPair(t)
  const [sender, receiver] = [frame(near), new Received(frame(far))]
  const lines = ['', 'plain', 'größer → 漢字 🚀', '\u2028 \u0000 \r', 'x'.repeat(70_000)]
  for (const line of lines) sender.send(line)
  for (const line of lines) assert.equal(await receiver.next(), line)
})

test('a character that is cut between two packets is put together again', async (t) => {
  const { near, far } = await socketPair(t)
  const receiver = new Received(frame(far))
  const bytes = Buffer.from('🚀\n')
  for (const byte of bytes) {
    near.write(Buffer.of(byte))
    await new Promise(setImmediate)
  }
  assert.equal(await receiver.next(), '🚀')
})

test('a frame of the greatest length passes', async (t) => {
  const { near, far } = await socketPair(t)
  const receiver = new Received(frame(far))
  near.write(`${'é'.repeat(frameLimit / 2)}\nnext\n`)
  assert.equal((await receiver.next()).length, frameLimit / 2)
  assert.equal(await receiver.next(), 'next')
})

test('one byte more than the greatest length closes the connection, counted in bytes and before the line ends', async (t) => {
  const { near, far } = await socketPair(t)
  const receiver = new Received(frame(far))
  // Half as many characters as bytes, and never a line break.
  near.write(`${'é'.repeat(frameLimit / 2)}x`)
  assert.ok(isLonghaulError(await receiver.closed, 'PROTOCOL_MISMATCH'))
  await once(near, 'close')
})

test('a sender of single bytes costs no more than its bytes', { timeout: 20_000 }, async () => {
  // Copying what is there for each byte that comes would be half a million million bytes here.
  const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  const receiver = new Received(frame(stream as Socket))
  for (let i = 0; i < frameLimit; i++) stream.emit('data', Buffer.of(0x61))
  stream.emit('data', Buffer.of(0x0a))
  assert.equal((await receiver.next()).length, frameLimit)
})

test('bytes that are not UTF-8 close the connection', async (t) => {
  const { near, far } = await socketPair(t)
  const receiver = new Received(frame(far))
  near.write(Buffer.from([0x22, 0xc3, 0x28, 0x22, 0x0a]))
  const why = await receiver.closed
  assert.ok(isLonghaulError(why, 'PROTOCOL_MISMATCH'))
  assert.match(why.message, /UTF-8/)
  assert.deepEqual(receiver.left, [])
})

test('a connection that ends in the middle of a frame says so and delivers nothing of it', async (t) => {
  const { near, far } = await socketPair(t)
  const receiver = new Received(frame(far))
  near.end('{"note":"half')
  const why = await receiver.closed
  assert.ok(isLonghaulError(why, 'DAEMON_UNAVAILABLE'))
  assert.match(why.message, /middle of a frame/)
  assert.deepEqual(receiver.left, [])
})

test('what was sent right before the close still arrives', async (t) => {
  const { near, far } = await socketPair(t)
  const [sender, receiver] = [frame(near), new Received(frame(far))]
  sender.on({ line: () => {}, drained: () => {}, closed: () => {} })
  sender.send('last words')
  sender.close(new Error('done'))
  assert.equal(await receiver.next(), 'last words')
  await receiver.closed
})

test('a closed channel sends nothing and names its first reason only', async (t) => {
  const { near, far } = await socketPair(t)
  const [sender, receiver] = [frame(near), new Received(frame(far))]
  const reasons: Error[] = []
  sender.on({ line: () => {}, drained: () => {}, closed: (why) => reasons.push(why) })
  const first = new Error('first')
  sender.close(first)
  sender.close(new Error('second'))
  sender.send('too late')
  await receiver.closed
  assert.deepEqual(reasons, [first])
  assert.deepEqual(receiver.left, [])
})

test('unsent counts bytes of a slow reader, and drained follows when it reads', async (t) => {
  const { near, far } = await socketPair(t)
  const sender = frame(near)
  const drained = Promise.withResolvers<void>()
  sender.on({ line: () => {}, drained: drained.resolve, closed: () => {} })
  assert.equal(sender.full, false)
  for (let i = 0; i < 8; i++) sender.send('é'.repeat(250_000))
  assert.equal(sender.full, true)
  assert.ok(sender.unsent > 2_000_000, `${sender.unsent}`)
  far.resume()
  await drained.promise
  assert.equal(sender.full, false)
})

test('handlers that are set anew get the very next line of the same packet', async (t) => {
  const { near, far } = await socketPair(t)
  const channel = frame(far)
  const first: string[] = []
  const second = Promise.withResolvers<string>()
  channel.on({
    line: (line) => {
      first.push(line)
      channel.on({ line: second.resolve, drained: () => {}, closed: () => {} })
    },
    drained: () => {},
    closed: () => {},
  })
  near.write('one\ntwo\n')
  assert.equal(await second.promise, 'two')
  assert.deepEqual(first, ['one'])
})
