/** Disks that are full, that lose what they were given, or that are gone. */
import assert from 'node:assert/strict'
import { link, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Outcome, Report } from '../../src/transfer/assignment.ts'
import { FileFailure, type FileFailureCause } from '../../src/world/file-system.ts'
import { cutAfter, stallAfter } from '../../src/testing/index.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { passed, VirtualClock } from '../support/virtual-clock.ts'
import { Bench, expectKind } from './support/bench.ts'
import { watchedFiles, type FileOperation, type Watcher } from './support/watched-files.ts'

const mebibyte = 1024 * 1024

type Failed = Extract<Outcome, { kind: 'failed' }>

/** Fails the calls of one kind from the n-th on. */
function failing(operation: FileOperation, reason: FileFailureCause, from = 0, until = Infinity): Watcher {
  let calls = 0
  return {
    before: (found, name) => {
      if (found !== operation) return
      const call = calls++
      if (call >= from && call < until) throw new FileFailure(reason, name)
    },
  }
}

test('a disk that becomes full keeps what was written before and says so', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 5 * mebibyte, etag: '"v1"' })
  const files = watchedFiles(bench.world.files, failing('file write', 'no space', 2))
  const failed = expectKind(await bench.run(url, {}, { world: { files } }), 'failed')
  assert.equal(failed.error.code, 'DISK_FULL')
  assert.deepEqual(failed.failure, { kind: 'disk full' })
  assert.equal(failed.progressed, true)
  assert.deepEqual(bench.part?.ranges, [[0, 2 * mebibyte]])
  expectKind(await bench.run(url), 'finished')
  assert.equal(bench.resumedAt, 2 * mebibyte)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

test('a file that does not fit is not begun, and the message tells how much is missing', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 5000 })
  const files = watchedFiles(bench.world.files, { free: () => 4999 })
  const failed = expectKind(await bench.run(url, {}, { world: { files } }), 'failed')
  assert.equal(failed.error.code, 'DISK_FULL')
  assert.match(failed.error.message, /5000 bytes .* 4999 /)
  assert.deepEqual(failed.failure, { kind: 'disk full' })
  assert.deepEqual(bench.said, [])
})

test('what is kept already needs no room again', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 5000, etag: '"v1"', script: [cutAfter(3000)] })
  expectKind(await bench.run(url), 'failed')
  const files = watchedFiles(bench.world.files, { free: () => 2000 })
  expectKind(await bench.run(url, {}, { world: { files } }), 'finished')
})

test('after a failed sync nothing is recorded, and the next attempt begins at the last checkpoint', async () => {
  await using bench = await Bench.open()
  const size = 3 * mebibyte
  const url = bench.server.file('/a', {
    size,
    etag: '"v1"',
    script: [cutAfter(mebibyte), cutAfter(mebibyte)],
  })
  expectKind(await bench.run(url), 'failed')
  assert.deepEqual(bench.part?.ranges, [[0, mebibyte]])
  const files = watchedFiles(bench.world.files, failing('file sync', 'input/output', 0, 1))
  const failed = expectKind(await bench.run(url, {}, { world: { files } }), 'failed')
  assert.deepEqual(failed.failure, { kind: 'network' })
  assert.equal(failed.progressed, false)
  assert.deepEqual(bench.part?.ranges, [[0, mebibyte]])
  expectKind(await bench.run(url), 'finished')
  assert.equal(bench.resumedAt, mebibyte)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

test('a failed last sync publishes nothing', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 5000, etag: '"v1"' })
  let syncs = 0
  const files = watchedFiles(bench.world.files, {
    before: (operation, name) => {
      // The real file refuses everything after a failure; so does this one.
      if (operation === 'file sync') throw new FileFailure(syncs++ === 0 ? 'input/output' : 'sync lost', name)
    },
  })
  const failed = expectKind(await bench.run(url, {}, { world: { files } }), 'failed')
  assert.equal(failed.error.code, 'CANNOT_WRITE_TO_FILE')
  assert.deepEqual(bench.said, ['reserve'])
  assert.ok(!(await bench.names()).includes('file.bin'))
})

/** An attempt that is told by a checkpoint of a timer, before any byte follows, that its second write failed; and the one after it. */
async function toldByTimer(watcher: Watcher): Promise<{ readonly failed: Failed; readonly kept: number }> {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 3 * mebibyte, etag: '"v1"', script: [stallAfter(mebibyte + 5000)] })
  const clock = new VirtualClock()
  const files = watchedFiles(bench.world.files, watcher)
  const running = bench.run(url, { policy: { stallMs: 3_600_000 } }, { world: { clock, files } })
  await bench.handedOver(mebibyte + 5000)
  await passed(clock, running)
  const failed = expectKind(await running, 'failed')
  const kept = bench.part?.ranges[0]?.[1] ?? 0
  expectKind(await bench.run(url), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
  return { failed, kept }
}

test('where a checkpoint finds that the disk is full, what was written before counts', async () => {
  const { failed, kept } = await toldByTimer(failing('file write', 'no space', 1))
  assert.deepEqual(failed.failure, { kind: 'disk full' })
  assert.equal(kept, mebibyte)
})

test('where a checkpoint finds that a sync failed, nothing is synced again, and nothing counts', async () => {
  let syncs = 0
  const { failed, kept } = await toldByTimer({
    before: (operation, name) => {
      if (operation === 'file sync' && syncs++ === 0) throw new FileFailure('input/output', name)
    },
  })
  assert.deepEqual(failed.failure, { kind: 'network', diskFailed: true })
  assert.deepEqual([syncs, kept], [1, 0])
})

test('a folder that is gone makes the task wait', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 5000 })
  const failed = expectKind(await bench.run(url, { folder: join(bench.folder, 'gone') }), 'failed')
  assert.equal(failed.error.code, 'DESTINATION_UNAVAILABLE')
  assert.deepEqual(failed.failure, { kind: 'destination unavailable' })
  assert.equal(bench.server.requests.length, 0)
  await writeFile(bench.path('plain'), '')
  const plain = expectKind(await bench.run(url, { folder: bench.path('plain') }), 'failed')
  assert.deepEqual(plain.failure, { kind: 'destination unavailable' })
})

test('a file system that may only be read makes the task wait', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 5000 })
  const files = watchedFiles(bench.world.files, failing('folder create', 'read only'))
  const failed = expectKind(await bench.run(url, {}, { world: { files } }), 'failed')
  assert.deepEqual(failed.failure, { kind: 'destination unavailable' })
})

test('a kept part on a disk that is not plugged in is waited for, not fetched anew', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 5000, etag: '"v1"', script: [cutAfter(3000)] })
  expectKind(await bench.run(url), 'failed')
  const kept = bench.part!
  await rename(bench.path(kept.name), bench.path('away'))
  bench.part = { ...kept, identity: { ...kept.identity!, device: '1' } }
  const failed = expectKind(await bench.run(url), 'failed')
  assert.deepEqual(failed.failure, { kind: 'destination unavailable' })
  assert.deepEqual(bench.restarts, [])
})

test('too many open files is tried again like a broken network', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 5000 })
  const files = watchedFiles(bench.world.files, failing('folder create', 'too many open files'))
  const failed = expectKind(await bench.run(url, {}, { world: { files } }), 'failed')
  assert.deepEqual(failed.failure, { kind: 'network' })
})

test('a part that is taken away while it is written starts over and says why', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 2 * mebibyte, etag: '"v1"', script: [cutAfter(mebibyte + 5)] })
  const files = watchedFiles(bench.world.files, {
    before: (operation) => {
      if (operation === 'file sync') taken = unlink(bench.path(bench.part!.name)).catch(() => {})
    },
  })
  let taken: Promise<void> | undefined
  const failed = expectKind(await bench.run(url, {}, { world: { files } }), 'failed')
  await taken
  assert.deepEqual(failed.failure, { kind: 'changed' })
  assert.deepEqual(bench.restarts, ['the partial file was removed or replaced by another program'])
  expectKind(await bench.run(url), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

test('a leftover under the name of the part is replaced, but not one that has a second name', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 5000 })
  const name = '.file.bin.89ABCDEF.longhaul-part'
  await writeFile(bench.path(name), 'left by a crash before the first checkpoint')
  expectKind(await bench.run(url), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
  await writeFile(bench.path('precious'), 'mine')
  await link(bench.path('precious'), bench.path(name))
  bench.part = undefined
  bench.intent = undefined
  const failed = expectKind(await bench.run(url), 'failed')
  assert.deepEqual(failed.failure, { kind: 'final' })
  assert.equal(String(await bench.read('precious')), 'mine')
})

test('bytes become safe every 16 MiB while they come, the first time with their name', async () => {
  await using bench = await Bench.open()
  const size = 75 * mebibyte
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const trace: string[] = []
  let written = 0
  let writes = 0
  const files = watchedFiles(bench.world.files, {
    before: (operation, _, bytes) => {
      if (operation === 'file write') {
        writes++
        written += bytes
      } else if (operation === 'file sync' || operation === 'folder sync') trace.push(operation)
    },
  })
  const safe: number[] = []
  const paper = bench.report()
  const report = {
    checkpoint: async (facts: Parameters<typeof paper.checkpoint>[0]) => {
      const [[from, to]] = facts.ranges as [[number, number]]
      assert.equal(from, 0)
      assert.ok(to <= written)
      safe.push(to)
      return paper.checkpoint(facts)
    },
  }
  expectKind(await bench.run(url, {}, { world: { files }, report }), 'finished')
  // A slow disk puts more into one.
  assert.ok(safe.length >= 2 && safe.length <= 4, `${safe.join()}`)
  assert.ok(
    safe.every((to, n) => to - (safe[n - 1] ?? 0) >= 16 * mebibyte),
    `${safe.join()}`,
  )
  assert.deepEqual(trace.slice(0, 3), ['file sync', 'folder sync', 'file sync'])
  assert.ok(writes < 90, `${writes} writes`)
  const folder = await bench.world.files.folder(bench.folder)
  const file = await folder.open('file.bin', 'read')
  try {
    const digests = await bench.world.hasher.follow(file, ['sha-256']).finish(size, new AbortController().signal)
    assert.equal(digests.get('sha-256'), bench.server.digest('/a'))
  } finally {
    await file.close()
    await folder.close()
  }
})

test('a slow trickle is made safe after five seconds, though no buffer is full', async () => {
  await using bench = await Bench.open()
  const clock = new ManualClock()
  const url = bench.server.file('/a', { size: 50_000, etag: '"v1"', script: [stallAfter(1000)] })
  const safe = Promise.withResolvers<void>()
  const paper = bench.report()
  const report = {
    checkpoint: async (facts: Parameters<typeof paper.checkpoint>[0]) => {
      const answer = await paper.checkpoint(facts)
      safe.resolve()
      return answer
    },
  }
  const running = bench.run(url, { policy: { stallMs: 60_000 } }, { world: { clock }, report })
  await bench.handedOver(1000)
  clock.advance(4999)
  assert.deepEqual(bench.part?.ranges, [])
  clock.advance(1)
  await safe.promise
  assert.deepEqual(bench.part?.ranges, [[0, 1000]])
  bench.server.release()
  expectKind(await running, 'finished')
})

test('while a checkpoint does not come back, the sender waits before more than 32 MiB are at risk, and 64 with what sockets hold', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 100 * mebibyte, etag: '"v1"' })
  const late = Promise.withResolvers<void>()
  const paper = bench.report()
  let written = 0
  const files = watchedFiles(bench.world.files, {
    before: (operation, _, bytes) => {
      if (operation === 'file write') written += bytes
    },
  })
  const report = {
    checkpoint: async (facts: Parameters<typeof paper.checkpoint>[0]) => {
      await late.promise
      return paper.checkpoint(facts)
    },
  }
  const running = bench.run(url, {}, { world: { files }, report })
  await bench.handedOver(32 * mebibyte)
  // The server could have sent all of it by now; a file of that size takes far less.
  const other = bench.server.file('/b', { size: 40 * mebibyte })
  await using second = await Bench.open()
  expectKind(await second.run(other), 'finished')
  assert.ok(written <= 33 * mebibyte, `${written} bytes written`)
  assert.ok(bench.server.bytesSent('/a') <= 64 * mebibyte, `${bench.server.bytesSent('/a')} bytes sent`)
  late.resolve()
  expectKind(await running, 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

for (const ifExists of ['replace', 'fail'] as const)
  test(`a folder that is not synced after its names changed keeps the intent, and nothing is fetched again: ${ifExists}`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file('/a', { size: 5000, etag: '"v1"' })
    // The names have moved once the part's own is gone; the one sync that follows fails.
    let moved = false
    const files = watchedFiles(bench.world.files, {
      before: (operation, name) => {
        if (operation !== 'folder sync' || !moved) return
        moved = false
        throw new FileFailure('input/output', name)
      },
      after: (operation) => {
        if (operation === 'folder rename' || operation === 'folder unlink') moved = true
      },
    })
    const failed = expectKind(await bench.run(url, { ifExists }, { world: { files } }), 'failed')
    assert.deepEqual(failed.failure, { kind: 'network', diskFailed: true })
    assert.deepEqual(bench.restarts, [], 'the intent is the point of no return')
    expectKind(await bench.run(url, { ifExists }), 'finished')
    assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
    assert.equal(bench.server.requests.length, 1)
  })

test('a part that is taken away because there is a file to be left alone does not come back by a power cut', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size: 5000, etag: '"v1"' })
  const done: string[] = []
  const files = watchedFiles(bench.world.files, {
    after: (operation) => void done.push(operation),
  })
  const intent: Report['intent'] = async (facts) => {
    await bench.write('file.bin', 'mine')
    return bench.report().intent(facts)
  }
  const outcome = await bench.run(url, { ifExists: 'skip' }, { world: { files }, report: { intent } })
  assert.equal(expectKind(outcome, 'finished').result.skipped, true)
  assert.deepEqual(await bench.names(), ['file.bin'])
  assert.ok(
    done.lastIndexOf('folder sync') > done.lastIndexOf('folder unlink'),
    'the journal forgets the part by its name',
  )
})
