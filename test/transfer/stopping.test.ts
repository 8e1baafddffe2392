/** Ends that nobody asked the server for: a stall, a stop, a newer attempt. */
import assert from 'node:assert/strict'
import { readdir, readlink } from 'node:fs/promises'
import { test } from 'node:test'
import type { Hasher } from '../../src/world/hasher.ts'
import { cutAfter, other, redirect, stallAfter, stallBeforeHead } from '../../src/testing/index.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { needs } from '../support/needs.ts'
import { Bench, expectKind } from './support/bench.ts'
import { watchedFiles } from './support/watched-files.ts'

const size = 900_000

test('no byte for as long as is allowed ends the attempt, and what came is kept', async () => {
  await using bench = await Bench.open()
  const clock = new ManualClock()
  const url = bench.server.file('/a', { size, etag: '"v1"', script: [stallAfter(400_000)] })
  const running = bench.run(url, { policy: { stallMs: 7000 } }, { world: { clock } })
  await bench.handedOver(400_000)
  clock.advance(60_000)
  const failed = expectKind(await running, 'failed')
  assert.equal(failed.error.code, 'STALLED')
  assert.deepEqual(failed.failure, { kind: 'network' })
  assert.equal(failed.progressed, true)
  assert.equal(clock.waiting, 0)
  await bench.server.deserted()
  expectKind(await bench.run(url), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

test('a server that never sends a head stalls as well', async () => {
  await using bench = await Bench.open()
  const clock = new ManualClock()
  const url = bench.server.file('/a', { size, script: [stallBeforeHead()] })
  const running = bench.run(url, { policy: { stallMs: 7000 } }, { world: { clock } })
  await bench.server.received(1)
  clock.advance(6999)
  assert.equal(clock.waiting, 1)
  clock.advance(1)
  assert.equal(expectKind(await running, 'failed').error.code, 'STALLED')
  await bench.server.deserted()
})

test('a disk that keeps the server waiting is no stall', async () => {
  await using bench = await Bench.open()
  const clock = new ManualClock()
  const slow = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const real = bench.world.files
  // A write that takes an hour: both buffers fill, and then nothing can come.
  const files: typeof real = {
    folder: async (path) => {
      const folder = await real.folder(path)
      return Object.assign(Object.create(folder) as typeof folder, {
        path: folder.path,
        identity: folder.identity,
        look: (name: string) => folder.look(name),
        rename: (from: string, to: string) => folder.rename(from, to),
        sync: () => folder.sync(),
        free: () => folder.free(),
        isStillThere: () => folder.isStillThere(),
        close: () => folder.close(),
        open: async (name: string, how: 'create' | 'write' | 'read') => {
          const file = await folder.open(name, how)
          const write = file.write.bind(file)
          file.write = async (bytes, at) => {
            begun.resolve()
            await slow.promise
            return write(bytes, at)
          }
          return file
        },
      })
    },
  }
  const big = 6 * 1024 * 1024
  const url = bench.server.file('/a', { size: big })
  const running = bench.run(url, { policy: { stallMs: 1000 } }, { world: { clock, files } })
  await begun.promise
  await bench.handedOver(2 * 1024 * 1024)
  clock.advance(3_600_000)
  slow.resolve()
  expectKind(await running, 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

test('a stop in the middle of the body ends at a checkpoint', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"', script: [stallAfter(400_000)] })
  const stop = new AbortController()
  const running = bench.run(url, {}, { signal: stop.signal })
  await bench.handedOver(1)
  stop.abort()
  expectKind(await running, 'stopped')
  await bench.server.deserted()
  const [[, kept]] = bench.part!.ranges as [[number, number]]
  assert.ok(kept > 0 && kept <= 400_000)
  expectKind(await bench.run(url), 'finished')
  assert.equal(bench.resumedAt, kept)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

test('a stop before the head, between two redirects and before the start ends at once', async () => {
  await using bench = await Bench.open()
  for (const url of [
    bench.server.file('/a', { size, script: [stallBeforeHead()] }),
    (bench.server.answers('/b', redirect('/c')), bench.server.file('/c', { size, script: [stallBeforeHead()] })),
  ]) {
    const stop = new AbortController()
    const before = bench.server.requests.length
    const running = bench.run(url, {}, { signal: stop.signal })
    await bench.server.received(before + 1)
    stop.abort()
    expectKind(await running, 'stopped')
    await bench.server.deserted()
  }
  expectKind(await bench.run(bench.server.url('/a'), {}, { signal: AbortSignal.abort() }), 'stopped')
})

test('a stop while the file is verified keeps the bytes, and the digest is asked for again', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const expectedDigests = [{ algorithm: 'sha-256' as const, hex: bench.server.digest('/a') }]
  const stop = new AbortController()
  const hasher: Hasher = {
    follow: () => ({
      advance: () => {},
      finish: (_size, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error))
          stop.abort()
        }),
      stop: () => {},
    }),
  }
  expectKind(await bench.run(url, { expectedDigests }, { signal: stop.signal, world: { hasher } }), 'stopped')
  assert.deepEqual(bench.part?.ranges, [[0, size]])
  const outcome = expectKind(await bench.run(url, { expectedDigests }), 'finished')
  assert.equal(bench.server.bytesSent('/a'), size + 1)
  assert.equal(outcome.result.lengthVerified, true)
})

test('the bytes of a large file are safe before the rest of its digest is waited for', async () => {
  await using bench = await Bench.open()
  const large = 17 * 1024 * 1024
  const url = bench.server.file('/a', { size: large, etag: '"v1"' })
  const expectedDigests = [{ algorithm: 'sha-256' as const, hex: bench.server.digest('/a') }]
  let safe: unknown
  const hasher: Hasher = {
    follow: () => ({
      advance: () => {},
      finish: async () => {
        safe = bench.part?.ranges
        return new Map([['sha-256', bench.server.digest('/a')]])
      },
      stop: () => {},
    }),
  }
  expectKind(await bench.run(url, { expectedDigests }, { world: { hasher } }), 'finished')
  assert.deepEqual(safe, [[0, large]])
})

test('a stop right before the intent publishes nothing and keeps every byte', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const stop = new AbortController()
  const files = watchedFiles(bench.world.files, {
    before: (operation) => {
      if (operation === 'file mode') stop.abort()
    },
  })
  expectKind(await bench.run(url, {}, { signal: stop.signal, world: { files } }), 'stopped')
  assert.ok(!bench.said.includes('intent'))
  assert.deepEqual(bench.part?.ranges, [[0, size]])
  assert.ok(!(await bench.names()).includes('file.bin'))
})

test('a stop after the intent does not stop publishing', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size })
  const stop = new AbortController()
  const paper = bench.report()
  const report = {
    intent: async (facts: Parameters<typeof paper.intent>[0]) => {
      stop.abort()
      return paper.intent(facts)
    },
  }
  expectKind(await bench.run(url, {}, { signal: stop.signal, report }), 'finished')
})

for (const report of ['reserve', 'checkpoint', 'restart', 'intent'] as const) {
  test(`an attempt that is fenced at ${report} ends without another word`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file('/a', { size, etag: '"v1"', script: [cutAfter(400_000), other('b', '"v2"')] })
    if (report === 'restart') expectKind(await bench.run(url), 'failed')
    const said = bench.said.length
    const wishes = report === 'intent' ? { name: 'other' } : {}
    if (report === 'intent') bench.server.change('/a', { script: [] })
    expectKind(await bench.run(url, wishes, { report: { [report]: async () => 'fenced' } }), 'fenced')
    assert.ok(!bench.said.slice(said).includes(report))
    assert.ok(!(await bench.names()).includes('file.bin'))
  })
}

test('a report that fails ends the attempt and never the engine', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size })
  const report = {
    reserve: async () => {
      throw new Error('the journal has no room')
    },
  }
  const failed = expectKind(await bench.run(url, {}, { report }), 'failed')
  assert.match(failed.error.message, /the journal has no room/)
  assert.deepEqual(failed.failure, { kind: 'malformed' })
})

test('every folder and file is closed, however the attempt ends', { skip: needs('linux') }, async () => {
  await using bench = await Bench.open()
  const open = async (): Promise<readonly string[]> => {
    const paths = await Promise.all(
      (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
    )
    return paths.filter((path) => path.startsWith(bench.folder))
  }
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  expectKind(await bench.run(url), 'finished')
  let calls = Infinity
  for (let failAt = 0; calls > failAt; failAt++) {
    calls = 0
    const files = watchedFiles(bench.world.files, {
      before: () => {
        if (calls++ === failAt) throw new Error('broken')
      },
    })
    bench.part = undefined
    bench.intent = undefined
    await bench.run(url, {}, { world: { files } })
    assert.deepEqual(await open(), [], `after failing at call ${failAt}`)
  }
})
