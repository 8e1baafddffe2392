/**
 * After a sync that failed the system may have dropped what it could not write, and says nothing of it again. Here it does so:
 * what was not safe before is overwritten with zeros. Over several connections that is a stretch of each.
 */
import assert from 'node:assert/strict'
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import { test } from 'node:test'
import type { ByteRanges } from '../../src/contract/bytes.ts'
import { type Behaviour, cutAfter, stallAfter } from '../../src/testing/index.ts'
import { missing, withRange } from '../../src/transfer/ranges.ts'
import { FileFailure } from '../../src/world/file-system.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { Bench, expectKind } from './support/bench.ts'
import { watchedFiles, type Watcher } from './support/watched-files.ts'

const mebibyte = 1024 * 1024
const size = 24 * mebibyte
const several = { policy: { maximumSegments: 4 } }

/** The first sync fails, and takes with it what was not safe; every later one would say that all is well. */
function losing(bench: Bench): Watcher {
  let syncs = 0
  return {
    before: (operation, name) => {
      if (operation !== 'file sync' || syncs++ > 0) return
      const file = openSync(bench.path(name), 'r+')
      for (const [from, to] of missing(bench.part!.ranges, fstatSync(file).size))
        writeSync(file, Buffer.alloc(to - from), 0, to - from, from)
      closeSync(file)
      throw new FileFailure('input/output', name)
    },
  }
}

/** What the requests from the n-th on asked for, which is to be nothing twice. */
function askedFrom(bench: Bench, first: number): ByteRanges {
  let all: ByteRanges = []
  for (const { headers } of bench.server.requests.slice(first)) {
    const [, from, through] = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '')!
    all = withRange(all, Number(from), Number(through) + 1)
  }
  return all
}

/** A part of which some of each connection is safe. */
async function begun(...script: readonly Behaviour[]): Promise<{ readonly bench: Bench; readonly url: string }> {
  const bench = await Bench.open()
  const cut = Array.from({ length: 20 }, () => cutAfter(2 * mebibyte))
  const url = bench.server.file('/a.bin', { size, etag: '"v1"', script: cut })
  expectKind(await bench.run(url, several), 'failed')
  assert.ok(bench.part!.ranges.length > 1, 'one range only')
  bench.server.change('/a.bin', { script })
  return { bench, url }
}

async function fetchesTheGaps(bench: Bench, url: string, safe: ByteRanges): Promise<void> {
  assert.deepEqual(bench.part?.ranges, safe)
  const before = bench.server.requests.length
  bench.server.change('/a.bin', { script: [] })
  expectKind(await bench.run(url, several), 'finished')
  assert.deepEqual(askedFrom(bench, before), missing(safe, size))
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  assert.deepEqual(bench.restarts, [])
}

test('after a failed sync all that any of several connections wrote since the last checkpoint is fetched again', async () => {
  const { bench, url } = await begun(...Array.from({ length: 20 }, () => cutAfter(mebibyte)))
  await using _ = bench
  const safe = bench.part!.ranges
  const before = bench.server.bytesSent('/a.bin')
  const failed = expectKind(
    await bench.run(url, several, { world: { files: watchedFiles(bench.world.files, losing(bench)) } }),
    'failed',
  )
  assert.ok(bench.server.bytesSent('/a.bin') > before + mebibyte, 'more than one gave bytes')
  assert.deepEqual(failed.failure, { kind: 'network' })
  assert.equal(failed.progressed, false)
  await fetchesTheGaps(bench, url, safe)
})

test('a sync that fails while several connections run ends all of them at once, and none of their bytes count', async () => {
  const { bench, url } = await begun(...Array.from({ length: 20 }, () => stallAfter(mebibyte)))
  await using _ = bench
  const safe = bench.part!.ranges
  const had = safe.reduce((sum, [from, to]) => sum + to - from, 0)
  const clock = new ManualClock()
  const files = watchedFiles(bench.world.files, losing(bench))
  const running = bench.run(url, several, { world: { files, clock } })
  await bench.handedOver(had + 2 * mebibyte)
  clock.advance(5000)
  const failed = expectKind(await running, 'failed')
  assert.equal(failed.error.code, 'CANNOT_WRITE_TO_FILE')
  assert.equal(bench.further.size, 0, 'a connection was not given back')
  await fetchesTheGaps(bench, url, safe)
})

test('a write that fails on one of several connections ends the attempt, and keeps what the others wrote before', async () => {
  const { bench, url } = await begun(...Array.from({ length: 20 }, () => cutAfter(3 * mebibyte)))
  await using _ = bench
  const safe = bench.part!.ranges
  let writes = 0
  const files = watchedFiles(bench.world.files, {
    before: (operation, name) => {
      if (operation === 'file write' && ++writes > 2) throw new FileFailure('no space', name)
    },
  })
  const failed = expectKind(await bench.run(url, several, { world: { files } }), 'failed')
  assert.deepEqual(failed.failure, { kind: 'disk full' })
  const kept = bench.part!.ranges
  assert.deepEqual(
    safe.map(([from, to]) => kept.some(([start, end]) => start <= from && end >= to)),
    safe.map(() => true),
    'what was safe is',
  )
  assert.ok(missing(kept, size).length > 0 && failed.progressed)
  await fetchesTheGaps(bench, url, kept)
})
