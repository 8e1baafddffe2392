/** Room on the disk, shared by all downloads that run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEngine } from '../../src/transfer/engine.ts'
import { cutAfter, stallAfter } from '../../src/testing/index.ts'
import { Bench, expectKind } from './support/bench.ts'
import { watchedFiles } from './support/watched-files.ts'

test('of two downloads that fit alone and not together the second waits until the first has ended', async () => {
  await using bench = await Bench.open()
  let free = 7000
  const files = watchedFiles(bench.world.files, { free: () => free })
  const engine = createEngine({ ...bench.world, files })
  const stopping = new AbortController()
  const slow = bench.server.file('/a', { size: 5000, script: [stallAfter(2000)] })
  const url = bench.server.file('/b', { size: 5000 })
  const report = bench.report()
  const begun = Promise.withResolvers<void>()
  const noted: typeof report = {
    ...report,
    reserve: (facts) => {
      begun.resolve()
      return report.reserve(facts)
    },
  }
  const first = engine.run(bench.assignment(slow, { name: 'a.bin' }), noted, stopping.signal)
  await begun.promise
  const second = { ...bench.assignment(url, { name: 'b.bin' }), task: '01JDFK3Z8Q0123456789ABCDEG' }
  const run = (): ReturnType<typeof engine.run> => engine.run(second, bench.report(), new AbortController().signal)
  const refused = expectKind(await run(), 'failed')
  assert.deepEqual(refused.failure, { kind: 'disk full' })
  assert.match(refused.error.message, /5000 bytes .* only 7000 are free .* transfers that run will need [345]\d{3};/)
  stopping.abort()
  expectKind(await first, 'stopped')
  free = 6000
  expectKind(await run(), 'finished')
  assert.ok((await bench.read('b.bin')).equals(bench.server.bytes('/b')))
})

test('while a disk stays full the server is not asked at each look at it', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 5000, etag: '"v1"', script: [cutAfter(3000)] })
  expectKind(await bench.run(url), 'failed')
  const asked = bench.server.requests.length
  const full = watchedFiles(bench.world.files, { free: () => 1999 })
  const failed = expectKind(await bench.run(url, {}, { world: { files: full } }), 'failed')
  assert.equal(failed.error.code, 'DISK_FULL')
  assert.match(failed.error.message, /2000 bytes .* 1999 /)
  assert.equal(bench.server.requests.length, asked)
  expectKind(await bench.run(url), 'finished')
  assert.equal(bench.resumedAt, 3000)
})
