/** Bandwidth limits on real sockets. Time is virtual, and moves only while an attempt waits for its limit. */
import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'node:test'
import type { Outcome } from '../../src/transfer/assignment.ts'
import { cutAfter } from '../../src/testing/index.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { Bench, expectKind } from './support/bench.ts'

/** Between two rounds of the tree: what waits for a limit has a timer that is due within it. */
const slotMs = 25

/** The outcome, and for how long the attempt waited for its limit. */
async function overTime(
  running: Promise<Outcome>,
  clock: VirtualClock,
): Promise<{ outcome: Outcome; waitedMs: number }> {
  let outcome: Outcome | undefined
  void running.then((ended) => {
    outcome = ended
  })
  const since = clock.steady()
  while (outcome === undefined) {
    if ((clock.nextAt ?? Infinity) <= clock.steady() + slotMs) await clock.advance(slotMs)
    else await turn()
  }
  return { outcome, waitedMs: clock.steady() - since }
}

test('a download with a limit takes the time that the limit asks for, and its bytes are right', async () => {
  await using bench = await Bench.open()
  const clock = new VirtualClock()
  const size = 1024 * 1024
  const bandwidthLimit = 512_000
  const url = bench.server.file('/a', { size })
  const running = bench.run(url, { policy: { bandwidthLimit } }, { world: { clock } })
  const { outcome, waitedMs } = await overTime(running, clock)
  expectKind(outcome, 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
  const asked = ((size - bandwidthLimit / 10) / bandwidthLimit) * 1000
  assert.ok(waitedMs >= asked - 1, `${waitedMs} of ${asked}`)
  assert.ok(waitedMs <= asked * 1.3, `${waitedMs} of ${asked}`)
  // Smoothly: no two numbers that were told lie far apart.
  const told = bench.progress.map(({ received }) => received)
  assert.ok(told.every((received, index) => index === 0 || received - told[index - 1]! <= 2 * 52_000))
})

test('a limit that keeps the server waiting is no stall', async () => {
  await using bench = await Bench.open()
  const clock = new VirtualClock()
  const url = bench.server.file('/a', { size: 200_000 })
  const policy = { bandwidthLimit: 2000, stallMs: 300 }
  const { outcome, waitedMs } = await overTime(bench.run(url, { policy }, { world: { clock } }), clock)
  expectKind(outcome, 'finished')
  assert.ok(waitedMs > 95_000)
  assert.equal(clock.armed, 0)
})

test('an attempt that waits for its limit is stopped at once and keeps what it had', async () => {
  await using bench = await Bench.open()
  const clock = new VirtualClock()
  const stopping = new AbortController()
  const url = bench.server.file('/a', { size: 400_000, etag: '"v1"' })
  const limited = { policy: { bandwidthLimit: 10_000 } }
  const running = bench.run(url, limited, { world: { clock }, signal: stopping.signal })
  await bench.handedOver(1)
  await clock.advance(5000)
  stopping.abort()
  expectKind(await running, 'stopped')
  const kept = bench.part!.ranges.at(-1)![1]
  assert.ok(kept >= 40_000 && kept <= 52_000, `${kept}`)
  assert.equal(clock.armed, 0)
  await bench.server.deserted()
  expectKind(await bench.run(url), 'finished')
  assert.equal(bench.resumedAt, kept)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

test('a connection that breaks while its bytes wait for a limit ends the attempt, and the rest is fetched later', async () => {
  await using bench = await Bench.open()
  const clock = new VirtualClock()
  const url = bench.server.file('/a', { size: 300_000, etag: '"v1"', script: [cutAfter(150_000)] })
  const { outcome } = await overTime(
    bench.run(url, { policy: { bandwidthLimit: 50_000 } }, { world: { clock } }),
    clock,
  )
  expectKind(outcome, 'failed')
  expectKind(await bench.run(url), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

test('connections of one file share its limit', async () => {
  await using bench = await Bench.open()
  const clock = new VirtualClock()
  const size = 12 * 1024 * 1024
  const policy = { bandwidthLimit: 6_000_000, maximumSegments: 4 }
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const { outcome, waitedMs } = await overTime(bench.run(url, { policy }, { world: { clock } }), clock)
  expectKind(outcome, 'finished')
  assert.ok(new Set(bench.server.requests.map((request) => request.connection)).size > 1, 'one connection only')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
  const asked = ((size - policy.bandwidthLimit / 10) / policy.bandwidthLimit) * 1000
  assert.ok(waitedMs >= asked - 1, `${waitedMs} of ${asked}`)
})

test('a short file with a limit keeps its connection until it is paid for', async () => {
  await using bench = await Bench.open()
  const paper = bench.report()
  let before: number | undefined
  const report = {
    reserve: async (facts: Parameters<typeof paper.reserve>[0]) => {
      // Far more turns than a body on loopback needs.
      for (let i = 0; i < 200; i++) await turn()
      before = bench.fetched
      return paper.reserve(facts)
    },
  }
  const clock = new VirtualClock()
  const url = bench.server.file('/a', { size: 16_384 })
  const running = bench.run(url, { policy: { bandwidthLimit: 10_000 } }, { world: { clock }, report })
  expectKind((await overTime(running, clock)).outcome, 'finished')
  assert.equal(before, 0)
  assert.notEqual(bench.fetched, 0)
})
