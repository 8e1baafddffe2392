/** What is kept has gaps: which of them the first connection asks for, and whom it waits for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { ByteRanges } from '../../src/contract/bytes.ts'
import { redirect, stallAfter, stallBeforeHead } from '../../src/testing/index.ts'
import { passed, VirtualClock } from '../support/virtual-clock.ts'
import { Bench, expectKind } from './support/bench.ts'
import { keep } from './support/kept.ts'
import { firstBytes, severalBytes, smallPieces } from './support/several.ts'

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

test('what the first asked for later is not given up with the questions that nobody answers', async () => {
  await using bench = await Bench.open()
  bench.sizes = smallPieces
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
  const tookMs = await passed(clock, running)
  expectKind(await running, 'finished')
  assert.ok(tookMs < 10_000, `${tookMs} ms`)
  assert.equal(bench.server.requests.length, 3, 'it was not shared')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
})
