// The simulated connection keeps to what `world/channel` promises, and breaks where it is told to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Channel } from '../../src/world/channel.ts'
import { channelPair, type ChannelBreak } from './channel.ts'
import { Life } from './life.ts'
import { Seeded } from './seeded.ts'
import { Timeline } from './timeline.ts'

interface Pair {
  readonly timeline: Timeline
  readonly lives: readonly [Life, Life]
  readonly ends: readonly [Channel, Channel]
  /** What each end was told, in order. */
  readonly told: readonly [string[], string[]]
  readonly run: () => Promise<void>
}

function pair(seed: number, breaks?: ChannelBreak): Pair {
  const timeline = new Timeline()
  const random = new Seeded(seed)
  const life = (name: string): Life =>
    new Life({ name, timeline, random: random.fork(name), steadyLeadMs: 0, wall: () => timeline.now })
  const lives = [life('a'), life('b')] as const
  const ends = channelPair({ timeline, random, a: lives[0], b: lives[1], breaks })
  const told: readonly [string[], string[]] = [[], []]
  ends.forEach((end, i) =>
    end.on({
      line: (line) => told[i]!.push(line),
      drained: () => told[i]!.push('drained'),
      closed: (why) => told[i]!.push(`closed: ${why.message.split('.')[0]}`),
    }),
  )
  const run = async (): Promise<void> => {
    while (await timeline.step(Infinity));
  }
  return { timeline, lives, ends, told, run }
}

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`)

test('a simulated connection carries lines in order, each later than it was sent', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const { ends, told, run } = pair(seed)
    for (const line of numbers(1, 100)) ends[0].send(line)
    ends[1].send('back')
    assert.deepEqual(told, [[], []])
    await run()
    assert.deepEqual(told, [['back'], numbers(1, 100)])
  }
})

test('a simulated connection that is closed still brings what was sent, then tells the other end', async () => {
  const { ends, told, run } = pair(1)
  ends[0].send('last words')
  ends[0].close(new Error('enough'))
  ends[0].close(new Error('again'))
  ends[0].send('too late')
  assert.deepEqual(told, [['closed: enough'], []])
  await run()
  assert.deepEqual(told[1], ['last words', 'closed: The other end closed the connection'])
  assert.equal(told[0].length, 1)
})

test('a life that ends takes along what its system had not taken, and tells nobody of its own', async () => {
  const { timeline, lives, ends, told, run } = pair(1)
  ends[0].send('taken')
  await timeline.step(0)
  ends[0].send('not taken')
  lives[0].end()
  ends[1].send('to nobody')
  await run()
  assert.deepEqual(told, [[], ['taken', 'closed: The other end closed the connection']])
})

test('a simulated connection breaks at the frame that is named, with and without that frame', async () => {
  for (const delivered of [true, false]) {
    const { ends, told, run } = pair(3, { frame: 3, delivered })
    for (const line of numbers(1, 5)) ends[0].send(line)
    await run()
    assert.deepEqual(told, [
      ['closed: The connection broke'],
      [...numbers(1, delivered ? 3 : 2), 'closed: The connection broke'],
    ])
  }
})

test('a simulated connection says when it is full, what is unsent, and when it has room again', async () => {
  const { ends, told, run } = pair(1)
  const line = 'x'.repeat(99_999)
  for (let i = 0; i < 4; i++) ends[0].send(line)
  assert.equal(ends[0].unsent, 400_000)
  assert.equal(ends[0].full, true)
  await run()
  assert.equal(ends[0].unsent, 0)
  assert.equal(ends[0].full, false)
  assert.deepEqual([told[0], told[1].length], [['drained'], 4])
})

test('a connection whose other end went before anybody listened says so to whoever does', async () => {
  const timeline = new Timeline()
  const random = new Seeded(1)
  const life = (name: string): Life => new Life({ name, timeline, random, steadyLeadMs: 0, wall: () => 0 })
  const b = life('b')
  const [end] = channelPair({ timeline, random, a: life('a'), b })
  b.end()
  while (await timeline.step(Infinity));
  const closed = await new Promise<Error>((resolve) => {
    end.on({ line: () => {}, drained: () => {}, closed: resolve })
    void timeline.step(Infinity)
  })
  assert.match(closed.message, /The other end closed/)
})
