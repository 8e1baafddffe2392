import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RateTree } from '../../../src/transfer/rates/rate-tree.ts'
import { FastClock, mostBeyond, Taker } from './takers.ts'

const burstOf = (bytesPerSecond: number): number => Math.max(bytesPerSecond / 10, 1024)

function near(actual: number, expected: number, part = 0.05): void {
  assert.ok(Math.abs(actual - expected) <= part * expected, `${actual} is not near ${expected}`)
}

test('without a limit nothing is asked, nothing waits and no timer is armed', () => {
  const clock = new FastClock()
  const tree = new RateTree(clock)
  const throttle = tree.open({ task: 'a', session: 1 })
  assert.equal(throttle.step, undefined)
  assert.equal(throttle.take(1e9), undefined)
  assert.equal(clock.armed, 0)
  assert.equal(tree.slowedBy('a'), undefined)
})

test('over any stretch of time no more is taken than the limits give in it and one burst', async () => {
  const rate = fc.integer({ min: 2000, max: 4_000_000 })
  const task = fc.record({
    session: fc.integer({ min: 1, max: 3 }),
    limit: fc.option(rate),
    connections: fc.integer({ min: 1, max: 4 }),
    chunk: fc.constantFrom(3000, 16_384, 65_536),
    everyMs: fc.constantFrom(0, 0, 3, 40),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.option(rate),
      fc.array(fc.option(rate), { minLength: 3, maxLength: 3 }),
      fc.array(task, { minLength: 1, maxLength: 6 }),
      async (daemon, sessions, tasks) => {
        const clock = new FastClock()
        const tree = new RateTree(clock)
        tree.limit({ level: 'daemon' }, daemon ?? undefined)
        for (const [index, limit] of sessions.entries())
          tree.limit({ level: 'session', session: index + 1 }, limit ?? undefined)
        const throttles = tasks.map(({ session, limit }, index) =>
          tree.open({ task: `t${index}`, session, bytesPerSecond: limit ?? undefined }),
        )
        // Whoever is not limited at all is of no interest, and would never end.
        const takers = tasks.map((how, index) => new Taker(clock, throttles[index]!, how))
        await clock.advance(1500)
        for (const taker of takers) taker.stop()
        const within = (some: readonly Taker[], limit: number | null): void => {
          if (limit === null) return
          const beyond = mostBeyond(some, limit)
          assert.ok(beyond <= burstOf(limit) * 1.001 + 1, `${beyond} beyond ${limit}`)
        }
        within(takers, daemon)
        for (const [index, limit] of sessions.entries())
          within(
            takers.filter((_, at) => tasks[at]!.session === index + 1),
            limit,
          )
        for (const [at, { limit }] of tasks.entries()) within([takers[at]!], limit)
        assert.equal(clock.armed > 0 && tasks.every(({ everyMs }) => everyMs === 0), false)
      },
    ),
    { numRuns: 40 },
  )
})

test('a single transfer gets all that a limit gives', async () => {
  for (const limit of [5000, 50_000, 512_000, 20_000_000, 300_000_000]) {
    const clock = new FastClock()
    const tree = new RateTree(clock)
    tree.limit({ level: 'daemon' }, limit)
    const taker = new Taker(clock, tree.open({ task: 'a', session: 1 }))
    await clock.advance(4000)
    taker.stop()
    near(taker.bytes, limit * 4, 0.05)
  }
})

test('siblings share a full parent in equal parts, however many connections each has', async () => {
  const clock = new FastClock()
  const tree = new RateTree(clock)
  tree.limit({ level: 'daemon' }, 4_000_000)
  const takers = [
    new Taker(clock, tree.open({ task: 'a', session: 1 }), { connections: 8 }),
    new Taker(clock, tree.open({ task: 'b', session: 1 }), { connections: 1 }),
    new Taker(clock, tree.open({ task: 'c', session: 2 }), { connections: 4 }),
  ]
  await clock.advance(10_000)
  const [a, b, c] = takers.map(({ bytes }) => bytes)
  for (const taker of takers) taker.stop()
  near(a!, 10_000_000)
  near(b!, 10_000_000)
  near(c!, 20_000_000)
})

test('what one sibling cannot use goes to the others', async () => {
  const clock = new FastClock()
  const tree = new RateTree(clock)
  tree.limit({ level: 'daemon' }, 10_000_000)
  // By its own limit, by its server, and by nothing.
  const limited = new Taker(clock, tree.open({ task: 'a', session: 1, bytesPerSecond: 1_000_000 }))
  const slow = new Taker(clock, tree.open({ task: 'b', session: 1 }), { chunk: 16_384, everyMs: 8.192 })
  const free = new Taker(clock, tree.open({ task: 'c', session: 1 }), { connections: 4 })
  await clock.advance(10_000)
  for (const taker of [limited, slow, free]) taker.stop()
  near(limited.bytes, 10_000_000)
  near(slow.bytes, 20_000_000)
  near(free.bytes, 70_000_000)
})

test('a transfer that comes to a full limit gets its part at once, and leaves it to the others when it goes', async () => {
  const clock = new FastClock()
  const tree = new RateTree(clock)
  tree.limit({ level: 'session', session: 1 }, 1_000_000)
  const first = new Taker(clock, tree.open({ task: 'a', session: 1 }))
  await clock.advance(1000)
  const second = new Taker(clock, tree.open({ task: 'b', session: 1 }))
  const before = first.bytes
  await clock.advance(1000)
  near(second.bytes, 500_000, 0.1)
  near(first.bytes - before, 500_000, 0.1)
  second.stop()
  const alone = first.bytes
  await clock.advance(1000)
  near(first.bytes - alone, 1_000_000, 0.1)
  first.stop()
})

test('a limit that changes holds at once, also for those that wait already', async () => {
  const clock = new FastClock()
  const tree = new RateTree(clock)
  tree.limit({ level: 'daemon' }, 1000)
  const taker = new Taker(clock, tree.open({ task: 'a', session: 1 }))
  await clock.advance(5000)
  assert.ok(taker.bytes <= 6024)
  let before = taker.bytes
  tree.limit({ level: 'daemon' }, 2_000_000)
  await clock.advance(1000)
  near(taker.bytes - before, 2_000_000, 0.15)
  before = taker.bytes
  tree.limit({ level: 'task', task: 'a' }, 100_000)
  await clock.advance(1000)
  // What was earned by the old limit is not taken away: at most the piece that waits.
  assert.ok(taker.bytes - before >= 95_000 && taker.bytes - before <= 110_000 + 65_536, `${taker.bytes - before}`)
  before = taker.bytes
  tree.limit({ level: 'task', task: 'a' }, undefined)
  tree.limit({ level: 'session', session: 1 }, 500_000)
  await clock.advance(1000)
  near(taker.bytes - before, 500_000, 0.25)
  // It goes on by itself and has nothing to wait for.
  tree.limit({ level: 'session', session: 1 }, undefined)
  tree.limit({ level: 'daemon' }, undefined)
  await clock.advance(1000)
  assert.equal(taker.throttle.step, undefined)
  assert.equal(clock.armed, 0)
})

test('a machine that slept gives the burst of a moment, not that of a night', async () => {
  const clock = new FastClock()
  const tree = new RateTree(clock)
  tree.limit({ level: 'daemon' }, 1_000_000)
  const taker = new Taker(clock, tree.open({ task: 'a', session: 1 }))
  await clock.advance(1000)
  const before = taker.bytes
  // No timer runs in between: the clock counts on, and nothing else happens.
  clock.nowMs += 8 * 3_600_000
  await clock.advance(0)
  assert.ok(taker.bytes - before <= 100_000, `${taker.bytes - before}`)
  taker.stop()
})

test('one timer is armed while somebody waits, and none when the last has gone', async () => {
  const clock = new FastClock()
  const tree = new RateTree(clock)
  tree.limit({ level: 'daemon' }, 100_000)
  const takers = ['a', 'b', 'c'].map((task, session) => new Taker(clock, tree.open({ task, session })))
  await clock.advance(1000)
  assert.equal(clock.armed, 1)
  for (const taker of takers) taker.stop()
  assert.equal(clock.armed, 0)
})

test('bytes come in small steps where a limit is low, and in few where it is high', async () => {
  const stepsAt = async (limit: number): Promise<number> => {
    const clock = new FastClock()
    const tree = new RateTree(clock)
    tree.limit({ level: 'daemon' }, limit)
    const taker = new Taker(clock, tree.open({ task: 'a', session: 1 }))
    await clock.advance(10_000)
    const moments = new Set(taker.log.map(({ atMs }) => atMs)).size
    taker.stop()
    return moments / 10
  }
  const slow = await stepsAt(50_000)
  assert.ok(slow >= 10 && slow <= 45, `${slow} a second`)
  const fast = await stepsAt(1_000_000_000)
  assert.ok(fast >= 10 && fast <= 45, `${fast} a second`)
})

test('a transfer is told which limit slows it down, and none once it has ceased to', async () => {
  const clock = new FastClock()
  const tree = new RateTree(clock)
  tree.limit({ level: 'daemon' }, 10_000_000)
  tree.limit({ level: 'session', session: 2 }, 100_000)
  const own = new Taker(clock, tree.open({ task: 'own', session: 1, bytesPerSecond: 50_000 }))
  const ofSession = new Taker(clock, tree.open({ task: 'session', session: 2 }))
  const free = new Taker(clock, tree.open({ task: 'free', session: 1 }))
  const slow = new Taker(clock, tree.open({ task: 'slow', session: 1 }), { chunk: 1000, everyMs: 100 })
  await clock.advance(2000)
  assert.deepEqual(tree.slowedBy('own'), { level: 'task', bytesPerSecond: 50_000 })
  assert.deepEqual(tree.slowedBy('session'), { level: 'session', bytesPerSecond: 100_000 })
  assert.deepEqual(tree.slowedBy('free'), { level: 'daemon', bytesPerSecond: 10_000_000 })
  tree.limit({ level: 'session', session: 2 }, undefined)
  tree.limit({ level: 'daemon' }, undefined)
  await clock.advance(100)
  assert.equal(tree.slowedBy('session'), undefined)
  assert.equal(tree.slowedBy('free'), undefined)
  for (const taker of [own, ofSession, free, slow]) taker.stop()
})

test('an attempt that ends lets go of whoever waits for its limit', async () => {
  const clock = new FastClock()
  const tree = new RateTree(clock)
  const throttle = tree.open({ task: 'a', session: 1, bytesPerSecond: 1000 })
  const waits = [throttle.take(1024), throttle.take(512), throttle.take(512)]
  throttle.close()
  for (const wait of waits) await wait
  assert.equal(throttle.take(1e6), undefined)
  assert.equal(clock.armed, 0)
})

test('many attempts one after another do not get a burst each of the limit of their session', async () => {
  const clock = new FastClock()
  const tree = new RateTree(clock)
  tree.limit({ level: 'session', session: 1 }, 100_000)
  let bytes = 0
  for (let i = 0; i < 200; i++) {
    const taker = new Taker(clock, tree.open({ task: `t${i}`, session: 1 }))
    await clock.advance(10)
    bytes += taker.bytes
    taker.stop()
  }
  assert.ok(bytes <= 200_000 + 10_000, `${bytes}`)
  assert.ok(bytes >= 150_000, `${bytes}`)
})

test('pieces of many transfers that wait for one low limit all come through', async () => {
  const clock = new FastClock()
  const tree = new RateTree(clock)
  tree.limit({ level: 'daemon' }, 20_000)
  const takers = Array.from({ length: 64 }, (_, i) => new Taker(clock, tree.open({ task: `t${i}`, session: i % 5 })))
  await clock.advance(20_000)
  const all = takers.map(({ bytes }) => bytes)
  for (const taker of takers) taker.stop()
  near(
    all.reduce((sum, bytes) => sum + bytes, 0),
    400_000,
  )
  // Five sessions have equal parts, in each the tasks have; and the first had the burst to itself.
  assert.ok(Math.min(...all) > 5500 && Math.max(...all) < 9000, `${Math.min(...all)} to ${Math.max(...all)}`)
})
