/** What downloads show of the servers that they come from, as it is remembered for those that follow. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  busy,
  FaultServer,
  multipart,
  redirect,
  stallAfter,
  stallBeforeHead,
  type Step,
} from '../../src/testing/index.ts'
import type { OriginFacts } from '../../src/transfer/origins.ts'
import { Bench, expectKind } from './support/bench.ts'
import { leapingClock } from './support/leaping-clock.ts'
import { firstBytes, severalBytes as size, smallPieces } from './support/several.ts'

const several = { policy: { maximumSegments: 4 } }

/** A file behind a link to a mirror, of whose further connection `told` was the answer; then once more, from who knows of that. */
async function twice(told: Step): Promise<{
  readonly ofLink: OriginFacts | undefined
  readonly ofMirror: OriginFacts | undefined
  /** How often the mirror was asked each time. */
  readonly asked: readonly [number, number]
}> {
  await using bench = await Bench.open()
  await using mirror = await FaultServer.start()
  bench.sizes = smallPieces
  const engine = bench.engine()
  const file = { size, etag: '"v1"', script: [stallAfter(firstBytes)], afterwards: told }
  const url = bench.server.answers('/link', redirect(mirror.file('/a.bin', file)))
  const gaveUp = Promise.withResolvers<void>()
  const running = bench.run(url, several, { engine, report: { more: () => gaveUp.resolve } })
  await Promise.all([gaveUp.promise, bench.handedOver(firstBytes)])
  mirror.release()
  expectKind(await running, 'finished')
  const first = mirror.requests.length
  const [ofLink, ofMirror] = [bench.server, mirror].map((server) => engine.learnt(new URL(server.url('/')).origin))
  bench.part = undefined
  bench.intent = undefined
  mirror.change('/a.bin', { script: [], afterwards: {} })
  expectKind(await bench.run(url, several, { engine }), 'finished')
  return { ofLink, ofMirror, asked: [first, mirror.requests.length - first] }
}

test('that a mirror wants no further connection is learnt of the mirror, and not of the server that has the link', async () => {
  const { ofLink, ofMirror, asked } = await twice(busy(429))
  assert.equal(ofLink, undefined)
  assert.equal(ofMirror?.refusedAbove, 1)
  assert.deepEqual(asked, [2, 1])
})

test('that the ranges of a mirror are not what they seem is learnt of the mirror', async () => {
  const { ofLink, ofMirror, asked } = await twice(multipart())
  assert.equal(ofLink, undefined)
  assert.equal(ofMirror?.ranges, 'lies')
  assert.deepEqual(asked, [2, 1])
})

test('a server that refuses a fourth connection is known to want three, one of which had only asked', async () => {
  await using bench = await Bench.open()
  bench.sizes = smallPieces
  const script = [stallAfter(firstBytes), stallAfter(firstBytes), stallBeforeHead(), busy(429)]
  const url = bench.server.file('/a.bin', { size, etag: '"v1"', script })
  // Only a rate that lasts brings a third connection.
  const { clock, leap } = leapingClock(bench.world.clock)
  const engine = bench.engine({ clock })
  const running = bench.run(url, several, { engine })
  await bench.handedOver(2 * firstBytes)
  await setImmediate()
  leap(200)
  bench.server.release()
  const refused = await bench.server.received(4)
  await bench.server.until(() => refused.ended !== 'no', 'the refusal')
  bench.server.release()
  expectKind(await running, 'finished')
  assert.equal(engine.learnt(new URL(url).origin)?.refusedAbove, 3)
})
