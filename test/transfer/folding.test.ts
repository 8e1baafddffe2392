/**
 * A file system that folds names: `Report.PDF` and `report.pdf`, and the two ways to write `é`, are one file. The folder is a real
 * one with such a view of its names before it, since hardly a machine of ours has one (casefold in ext4, APFS, NTFS).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Report } from '../../src/transfer/assignment.ts'
import { FileFailure, type FileSystem, type Folder } from '../../src/world/file-system.ts'
import { stallAfter } from '../../src/testing/index.ts'
import { Bench, expectKind } from './support/bench.ts'

const size = 300_000
const other = '01JDFK3Z8Q0123456789OTHERS'
const fold = (name: string): string => name.normalize('NFC').toLowerCase()

function folding(files: FileSystem): FileSystem {
  return { folder: async (path, options) => view(await files.folder(path, options)) }
}

function view(folder: Folder): Folder {
  const stored = async (name: string): Promise<string | undefined> => {
    for await (const one of folder.list()) if (fold(one) === fold(name)) return one
    return undefined
  }
  const there = async (name: string): Promise<string> => (await stored(name)) ?? name
  return {
    path: folder.path,
    identity: folder.identity,
    open: async (name, how) => folder.open(await there(name), how),
    look: async (name) => folder.look(await there(name)),
    rename: async (from, to) => folder.rename(await there(from), await there(to)),
    link: async (from, to) => {
      if ((await stored(to)) !== undefined) throw new FileFailure('exists', to)
      await folder.link(await there(from), to)
    },
    unlink: async (name) => folder.unlink(await there(name)),
    list: () => folder.list(),
    free: () => folder.free(),
    sync: () => folder.sync(),
    isStillThere: () => folder.isStillThere(),
    close: () => folder.close(),
  }
}

for (const [folds, what] of [
  [true, 'is refused where names fold, and leaves nothing'],
  [false, 'is another file where they do not'],
] as const)
  test(`a name in another case than that of a live task ${what}`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file('/a', { size, etag: '"v1"' })
    const files = folds ? folding(bench.world.files) : bench.world.files
    const reserve: Report['reserve'] = async (facts) => {
      const granted = await bench.report().reserve(facts)
      assert.ok(facts.place !== undefined)
      return granted === 'fenced' || 'busyWith' in granted ? granted : { ...granted, alike: other }
    }
    const outcome = await bench.run(url, { name: 'Report.pdf' }, { world: { files }, report: { reserve } })
    if (!folds) {
      expectKind(outcome, 'finished')
      return
    }
    const failed = expectKind(outcome, 'failed')
    assert.equal(failed.error.code, 'DESTINATION_BUSY')
    assert.deepEqual(failed.failure, { kind: 'final' })
    assert.ok(failed.error.message.includes(other), failed.error.message)
    assert.deepEqual(await bench.names(), [])
  })

for (const [what, old, name] of [
  ['in another case', 'Report.PDF', 'report.pdf'],
  ['in another normal form', 're\u0301sume\u0301.pdf', 'r\u00e9sum\u00e9.pdf'],
] as const) {
  test(`where names fold a file that is there ${what} is there: fail, skip and keepBoth leave it alone`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file('/a', { size, etag: '"v1"' })
    const files = folding(bench.world.files)
    await bench.write(old, 'mine')
    const failed = expectKind(await bench.run(url, { name, ifExists: 'fail' }, { world: { files } }), 'failed')
    assert.equal(failed.error.code, 'DESTINATION_EXISTS')
    const skipped = expectKind(await bench.run(url, { name, ifExists: 'skip' }, { world: { files } }), 'finished')
    assert.equal(skipped.result.skipped, true)
    assert.equal(bench.server.requests.length, 0)
    const both = expectKind(await bench.run(url, { name, ifExists: 'keepBoth' }, { world: { files } }), 'finished')
    assert.match(both.result.path!, / \(1\)\.pdf$/)
    assert.equal(String(await bench.read(old)), 'mine')
    assert.equal((await bench.names()).length, 2)
  })

  test(`where names fold a file that appears late ${what} is not replaced by fail, and the bytes are kept`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file('/a', { size, etag: '"v1"', script: [stallAfter(1000)] })
    const files = folding(bench.world.files)
    const running = bench.run(url, { name, ifExists: 'fail' }, { world: { files } })
    await bench.handedOver(1000)
    await bench.write(old, 'mine')
    bench.server.release()
    assert.equal(expectKind(await running, 'failed').error.code, 'DESTINATION_EXISTS')
    assert.equal(String(await bench.read(old)), 'mine')
    assert.deepEqual(bench.part?.ranges, [[0, size]])
  })

  test(`where names fold replace leaves one file, whole, in the place of the one ${what}`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file('/a', { size, etag: '"v1"' })
    await bench.write(old, 'old')
    const files = folding(bench.world.files)
    expectKind(await bench.run(url, { name, ifExists: 'replace' }, { world: { files } }), 'finished')
    const [only, ...others] = await bench.names()
    assert.deepEqual(others, [])
    assert.equal(fold(only!), fold(name))
    assert.ok((await bench.read(only)).equals(bench.server.bytes('/a')))
  })
}
