/** What is kept has gaps: which of them the first connection asks for, and whom it waits for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { ByteRanges } from '../../src/contract/bytes.ts'
import { redirect, type Step, stallAfter, stallBeforeHead, status } from '../../src/testing/index.ts'
import { passed, VirtualClock } from '../support/virtual-clock.ts'
import { Bench, expectKind } from './support/bench.ts'
import { keep } from './support/kept.ts'
import { knowing } from './support/knowing.ts'
import { firstBytes, severalBytes, smallPieces } from './support/several.ts'
import { watchedFiles } from './support/watched-files.ts'

const kibibyte = 1024

const hourMs = 3_600_000
const representation = { etag: '"v1"', total: severalBytes, acceptsRanges: true }

const threeGaps: ByteRanges = [
  [0, 100 * kibibyte],
  [200 * kibibyte, 300 * kibibyte],
  [400 * kibibyte, 500 * kibibyte],
  [600 * kibibyte, severalBytes],
]

test('what only the expected digest can prove, at another place, is gone on from gap after gap in one attempt', async () => {
  await using bench = await Bench.open()
  bench.sizes = smallPieces
  const there = bench.server.file('/a.bin', { size: severalBytes, etag: '"v1"', seed: 'same' })
  bench.server.file('/b.bin', { size: severalBytes, etag: '"v1"', seed: 'same' })
  const link = bench.server.answers('/link', redirect('/b.bin'))
  const known = { etag: '"v1"', total: severalBytes, acceptsRanges: true, source: { asked: link, served: there } }
  await keep(bench, bench.server.bytes('/a.bin'), threeGaps, known)
  const hex = bench.server.digest('/a.bin')
  const wishes = { policy: { maximumSegments: 4 }, expectedDigests: [{ algorithm: 'sha-256', hex }] } as const
  // Several at once would all be for nothing if the place has other bytes.
  const more = (): never => assert.fail('a further connection was asked for')
  expectKind(await bench.run(link, wishes, { report: { more } }), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/b.bin')))
  assert.equal(bench.proof, 'digest')
  assert.equal(bench.server.requestsFor('/b.bin').length, 3)
})

/** As much of a gap may have come before another is asked for. */
const sizes = { ...smallPieces, worthJoining: 64 * kibibyte }

test('a server that gives one answer at a time costs a resume with gaps two seconds, not a stall timeout', async () => {
  await using bench = await Bench.open()
  bench.sizes = sizes
  const url = bench.server.file('/a.bin', { size: severalBytes, etag: '"v1"', script: [{}, stallBeforeHead()] })
  const ranges: ByteRanges = [
    [200 * kibibyte, 300 * kibibyte],
    // So small a gap before it that nobody would be given half of it.
    [400 * kibibyte, severalBytes],
  ]
  await keep(bench, bench.server.bytes('/a.bin'), ranges, representation)
  const clock = new VirtualClock()
  const running = bench.run(url, { policy: { maximumSegments: 2, stallMs: hourMs } }, { world: { clock } })
  await bench.server.received(2)
  const tookMs = await passed(clock, running)
  expectKind(await running, 'finished')
  assert.ok(tookMs < hourMs, `${tookMs} ms`)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  assert.equal(bench.further.size, 0)
})

test('the first is not let go of while of two further connections one was refused and the other is not answered', async () => {
  await using bench = await Bench.open()
  bench.sizes = sizes
  const silentOrNot: Step = ({ headers }) =>
    headers['range'] === `bytes=${300 * kibibyte}-${400 * kibibyte - 1}` ? status(500) : stallBeforeHead()
  const script = [{}, silentOrNot, silentOrNot]
  const url = bench.server.file('/a.bin', { size: severalBytes, etag: '"v1"', script })
  const ranges: ByteRanges = [
    [200 * kibibyte, 300 * kibibyte],
    [400 * kibibyte, 500 * kibibyte],
    [600 * kibibyte, severalBytes],
  ]
  await keep(bench, bench.server.bytes('/a.bin'), ranges, representation)
  const clock = new VirtualClock()
  const written = Promise.withResolvers<void>()
  const files = watchedFiles(bench.world.files, { late: (at) => (at === 0 ? written.promise : undefined) })
  const engine = knowing(bench, 3, { clock, files })
  const refused = Promise.withResolvers<void>()
  const report = { more: () => refused.resolve }
  const wishes = { policy: { maximumSegments: 3, stallMs: hourMs } }
  const running = bench.run(url, wishes, { engine, report })
  await Promise.all([refused.promise, bench.server.received(3)])
  written.resolve()
  const tookMs = await passed(clock, running)
  expectKind(await running, 'finished')
  assert.ok(tookMs < hourMs, `${tookMs} ms`)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
})

test('what the first asked for later is not given up with the questions that nobody answers', async () => {
  await using bench = await Bench.open()
  bench.sizes = sizes
  const size = 4096 * kibibyte
  const script = [{}, stallAfter(firstBytes), stallBeforeHead()]
  const url = bench.server.file('/a.bin', { size, etag: '"v1"', script })
  const ranges: ByteRanges = [
    [0, 100 * kibibyte],
    [200 * kibibyte, 3072 * kibibyte],
  ]
  await keep(bench, bench.server.bytes('/a.bin'), ranges, { ...representation, total: size })
  const clock = new VirtualClock()
  let asked = 0
  // There is room for another when the first has begun its second gap: that one is then shared.
  const more = (): (() => void) | undefined => (asked++ === 0 ? undefined : () => {})
  const wishes = { policy: { maximumSegments: 2, stallMs: hourMs } }
  const running = bench.run(url, wishes, { world: { clock }, report: { more } })
  await bench.handedOver(100 * kibibyte + firstBytes)
  await setImmediate()
  await clock.advance(200)
  bench.server.release()
  await bench.server.received(3)
  const tookMs = await passed(clock, running)
  expectKind(await running, 'finished')
  assert.ok(tookMs < hourMs, `${tookMs} ms`)
  assert.equal(bench.server.requests.length, 3)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
})
