/** Room on the disk, shared by all downloads that run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Room } from '../../src/transfer/files/room.ts'
import { createEngine } from '../../src/transfer/engine.ts'
import { cutAfter, stallAfter } from '../../src/testing/index.ts'
import type { Folder } from '../../src/world/file-system.ts'
import { ManualClock } from '../support/manual-clock.ts'
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

test('of two that fit alone and not together one gets the room, also where both have looked before either took it', async () => {
  await using bench = await Bench.open()
  const looks = Promise.withResolvers<number>()
  const watched = await watchedFiles(bench.world.files, {}).folder(bench.folder)
  const folder: Folder = { ...watched, free: () => looks.promise }
  const room = new Room(new ManualClock())
  const both = [1, 2].map(() => room.take(folder, 80, () => 0))
  looks.resolve(100)
  const ends = await Promise.allSettled(both)
  await folder.close()
  assert.deepEqual(
    ends.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
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

test('files that are little beside what was free a moment ago share a look at the disk', async () => {
  await using bench = await Bench.open()
  const clock = new ManualClock()
  let looks = 0
  const free = (): number => {
    looks++
    return 64 * 10_000
  }
  const engine = createEngine({ ...bench.world, clock, files: watchedFiles(bench.world.files, { free }) })
  const get = async (name: string, size: number): Promise<number> => {
    const url = bench.server.file(`/${name}`, { size })
    // Of a task of its own: nothing is left of the one before.
    bench.intent = undefined
    const assignment = bench.assignment(url, { name })
    expectKind(await engine.run(assignment, bench.report(), new AbortController().signal), 'finished')
    return looks
  }
  assert.equal(await get('a', 3000), 1)
  assert.equal(await get('b', 3000), 1)
  assert.equal(await get('c', 5000), 2, 'together they are more than a sixty-fourth of it')
  assert.equal(await get('d', 3000), 2)
  clock.advance(1001)
  assert.equal(await get('e', 3000), 3, 'a second later it may be another disk')
})
