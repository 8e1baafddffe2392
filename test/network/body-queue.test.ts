/** What a body waits in between its connection and its sink: order, back-pressure, and each way to end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BodyQueue, type BodySource } from '../../src/network/body-queue.ts'
import type { BodyEnd, BodySink } from '../../src/world/transport.ts'

const whole: BodyEnd = { proof: 'length', bytes: 3, trailers: [] }
const broken = new Error('the connection broke')
const full = new Error('the disk is full')

class Source implements BodySource {
  readonly said: string[] = []
  flow = (): void => void this.said.push('flow')
  cut = (): void => void this.said.push('cut')
  over = (): void => void this.said.push('over')
}

/** A sink that takes each piece when it is told to. */
class SlowSink {
  readonly taken: number[] = []
  #lent: PromiseWithResolvers<void> | undefined
  readonly take: BodySink = (bytes) => {
    assert.equal(this.#lent, undefined, 'a piece was given while another was still lent')
    this.taken.push(bytes[0]!)
    this.#lent = Promise.withResolvers()
    return this.#lent.promise
  }

  async settle(error?: Error): Promise<void> {
    const lent = this.#lent!
    this.#lent = undefined
    if (error === undefined) lent.resolve()
    else lent.reject(error)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function add(queue: BodyQueue, ...pieces: readonly number[]): readonly boolean[] {
  return pieces.map((piece) => queue.add(Uint8Array.of(piece)))
}

test('what comes before anybody receives waits, and comes first', async () => {
  const source = new Source()
  const queue = new BodyQueue(source)
  assert.deepEqual(add(queue, 1, 2), [false, false])
  const taken: number[] = []
  const received = queue.receive((bytes) => void taken.push(bytes[0]!))
  assert.deepEqual(taken, [1, 2], 'without a turn of the event loop')
  assert.deepEqual(source.said, ['flow'])
  assert.deepEqual(add(queue, 3), [true])
  assert.deepEqual(source.said, ['flow'], 'a source that was not told to wait need not be told to go on')
  queue.end(whole)
  assert.equal(await received, whole)
  assert.deepEqual(taken, [1, 2, 3])
  assert.equal(queue.bytes, 3)
})

test('a sink that is busy gets one piece at a time, and the source hears when all is taken', async () => {
  const source = new Source()
  const queue = new BodyQueue(source)
  const sink = new SlowSink()
  const received = queue.receive(sink.take)
  assert.deepEqual(add(queue, 1, 2), [false, false])
  await sink.settle()
  assert.deepEqual(sink.taken, [1, 2])
  assert.deepEqual(source.said, ['flow'], 'the second one is still lent')
  await sink.settle()
  assert.deepEqual(source.said, ['flow', 'flow'])
  add(queue, 3)
  queue.end(whole)
  assert.equal(queue.isOver, true)
  assert.equal(queue.isSettled, false)
  await sink.settle()
  assert.equal(await received, whole)
  assert.deepEqual(source.said, ['flow', 'flow', 'over'])
})

test('memory of the sink is lent only where what is put into it would be next', async () => {
  const queue = new BodyQueue(new Source())
  const room = new Uint8Array(10)
  assert.equal(queue.room(), undefined, 'nobody receives')
  const sink = new SlowSink()
  const received = queue.receive(Object.assign(sink.take, { room: () => room }))
  assert.equal(queue.room(), room)
  add(queue, 1)
  assert.equal(queue.room(), undefined, 'the sink is busy')
  await sink.settle()
  assert.equal(queue.room(), room)
  queue.end(whole)
  assert.equal(queue.room(), undefined, 'all is over')
  await received
})

test('a break comes after the bytes before it, and the connection is cut at once', async () => {
  const source = new Source()
  const queue = new BodyQueue(source)
  const sink = new SlowSink()
  const received = queue.receive(sink.take)
  add(queue, 1, 2)
  queue.fail(broken)
  assert.deepEqual(source.said, ['flow', 'cut'])
  await sink.settle()
  assert.deepEqual(sink.taken, [1, 2])
  assert.equal(queue.isSettled, false)
  await sink.settle()
  await assert.rejects(received, (error) => error === broken)
  assert.deepEqual(source.said, ['flow', 'cut', 'over'])
})

test('a stop drops what waits, and settles when the lent piece is back', async () => {
  const source = new Source()
  const queue = new BodyQueue(source)
  const sink = new SlowSink()
  const received = queue.receive(sink.take)
  add(queue, 1, 2)
  queue.stop(broken)
  assert.equal(queue.isSettled, false)
  await sink.settle()
  await assert.rejects(received, (error) => error === broken)
  assert.deepEqual(sink.taken, [1])
  assert.deepEqual(source.said, ['flow', 'cut', 'over'])
})

test('the first failure is the one that is told, and the connection is cut once', async () => {
  const source = new Source()
  const queue = new BodyQueue(source)
  const sink = new SlowSink()
  const received = queue.receive(sink.take)
  add(queue, 1)
  queue.fail(broken)
  queue.fail(new Error('what follows from it'))
  await sink.settle(full)
  await assert.rejects(received, (error) => error === broken)
  assert.deepEqual(source.said, ['flow', 'cut', 'over'])
})

for (const [how, failing] of [
  [
    'throws',
    (): undefined => {
      throw full
    },
  ],
  ['rejects', (): Promise<void> => Promise.reject(full)],
] as const)
  test(`a sink that ${how} ends the body, and nothing more is given to it`, async () => {
    const source = new Source()
    const queue = new BodyQueue(source)
    let calls = 0
    const received = queue.receive(() => {
      calls++
      return failing()
    })
    add(queue, 1)
    if (how === 'rejects') add(queue, 2)
    await assert.rejects(received, (error) => error === full)
    assert.equal(calls, 1)
    assert.deepEqual(source.said, ['flow', 'cut', 'over'])
  })

test('a sink that fails over the last piece fails the body, but not the connection that is free by then', async () => {
  const source = new Source()
  const queue = new BodyQueue(source)
  const sink = new SlowSink()
  const received = queue.receive(sink.take)
  add(queue, 1)
  queue.end(whole)
  await sink.settle(full)
  await assert.rejects(received, (error) => error === full)
  assert.deepEqual(source.said, ['flow', 'over'])
})

test('a failure before the head rejects the head, and nobody need look', async () => {
  const source = new Source()
  const queue = new BodyQueue(source)
  queue.fail(broken)
  assert.deepEqual(source.said, ['cut', 'over'])
  await new Promise((resolve) => setImmediate(resolve))
  await assert.rejects(queue.opened, (error) => error === broken)
  await assert.rejects(
    queue.receive(() => undefined),
    (error) => error === broken,
  )
})

test('a failure after the head leaves the head as it is', async () => {
  const queue = new BodyQueue(new Source())
  queue.open()
  queue.fail(broken)
  await queue.opened
})

test('a second sink is refused, and the first one keeps the body', async () => {
  const queue = new BodyQueue(new Source())
  assert.equal(queue.isReceived, false)
  const taken: number[] = []
  const received = queue.receive((bytes) => void taken.push(bytes[0]!))
  assert.equal(queue.isReceived, true)
  await assert.rejects(
    queue.receive(() => assert.fail('bytes went to the second sink')),
    { code: 'INVALID_ARGUMENT' },
  )
  add(queue, 1)
  queue.end(whole)
  await received
  assert.deepEqual(taken, [1])
})
