// How much of a fast body one socket reads before it is the turn of others.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Inlet } from '../../src/network/inlet.ts'
import { Share, Turns } from '../../src/network/turns.ts'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

test('one socket reads 16 MiB a turn; many divide that, but none gets less than 128 KiB', async () => {
  for (const [readers, share] of [
    [1, 16 * mebibyte],
    [4, 4 * mebibyte],
    [64, 256 * kibibyte],
    [1000, 128 * kibibyte],
  ] as const) {
    const turns = new Turns()
    const shares = Array.from({ length: readers }, () => new Share(turns, () => {}))
    for (const each of shares) each.spend(1)
    assert.equal(turns.shareBytes, share)
    await turn()
    assert.equal(turns.shareBytes, share, 'as many are expected in the next')
  }
})

test('what was spent is renewed in the next turn, and only who waits is called', async () => {
  const turns = new Turns({ budgetBytes: 300, smallestBytes: 1 })
  const called: string[] = []
  const greedy = new Share(turns, () => called.push('greedy'))
  const modest = new Share(turns, () => called.push('modest'))
  assert.ok(modest.spend(100))
  assert.ok(greedy.spend(149))
  assert.ok(!greedy.spend(1))
  assert.deepEqual(called, [])
  await turn()
  assert.deepEqual(called, ['greedy'])
  assert.ok(greedy.spend(149))
  await turn()
  assert.deepEqual(called, ['greedy'])
})

test('sockets with a share of one read take turns, and each brings all its bytes in order', async () => {
  const size = 4 * mebibyte
  const bytes = Buffer.alloc(size, 'a fast server sends what it can, ')
  const server = createServer((socket) => socket.end(bytes))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const turns = new Turns({ budgetBytes: 1, smallestBytes: 1 })
  let now = 0
  let running = 3
  const fetch = async (): Promise<Buffer> => {
    const got = Buffer.alloc(size)
    let at = 0
    let readIn = -1
    let wantsMore = true
    const inlet = new Inlet(turns)
    const socket = connect({ port, host: '127.0.0.1', onread: inlet.onread })
    inlet.attach(socket)
    inlet.give({
      room: () => (at < size ? got.subarray(at) : undefined),
      bytes: (some) => {
        assert.notEqual(readIn, now, 'one read a turn')
        readIn = now
        // The first read was asked for before there was a taker.
        if (some.buffer !== got.buffer) got.set(some, at)
        at += some.byteLength
        assert.ok(wantsMore, 'nothing comes before it is asked for')
        // Now and then it has enough, and says later that it wants more.
        if (now % 7 !== 0) return true
        wantsMore = false
        void turn()
          .then(turn)
          .then(turn)
          .then(() => {
            wantsMore = true
            inlet.flow()
          })
        return false
      },
    })
    await once(socket, 'close')
    running--
    assert.equal(at, size)
    return got
  }
  const all = Promise.all([fetch(), fetch(), fetch()])
  while (running > 0) {
    await turn()
    now++
  }
  for (const got of await all) assert.ok(got.equals(bytes))
  server.close()
})

test('what comes behind a body is seen at once, though the share of the turn is spent', async () => {
  const server = createServer((socket) => socket.write('a body and more'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const inlet = new Inlet(new Turns({ budgetBytes: 1, smallestBytes: 1 }))
  const { promise: whole, resolve } = Promise.withResolvers<void>()
  const room = Buffer.alloc(6)
  let came = 0
  inlet.give({
    room: () => room.subarray(came),
    bytes: (some) => {
      came += some.byteLength
      assert.equal(room.toString(), 'a body')
      inlet.close()
      setImmediate(resolve)
      return true
    },
  })
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', onread: inlet.onread })
  inlet.attach(socket)
  await whole
  assert.ok(inlet.hasExcess)
  socket.destroy()
  server.close()
})
