/** Calls that the system refuses for now: too many files are open, a file is in use, a mode is in the way. No byte is lost by it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, chown, stat } from 'node:fs/promises'
import { test } from 'node:test'
import { cutAfter } from '../../src/testing/index.ts'
import { FileFailure, type FileSystem } from '../../src/world/file-system.ts'
import { needs } from '../support/needs.ts'
import { Bench, expectKind } from './support/bench.ts'
import { watchedFiles, type FileOperation } from './support/watched-files.ts'

const size = 500_000
const cut = 200_000

/** Refuses one call with `reason`: the first of this kind. */
function refusing(
  files: FileSystem,
  call: FileOperation | 'folder',
  reason: 'too many open files' | 'busy',
): FileSystem {
  let refused = false
  const refuse = (name: string): void => {
    if (refused) return
    refused = true
    throw new FileFailure(reason, name)
  }
  if (call === 'folder')
    return {
      folder: async (path, options) => {
        refuse(path)
        return files.folder(path, options)
      },
    }
  return watchedFiles(files, {
    before: (operation, name) => {
      if (operation === call) refuse(name)
    },
  })
}

for (const [what, call] of [
  ['the folder is opened', 'folder'],
  ['the kept part is opened', 'folder open'],
] as const)
  test(`too many open files when ${what}: it is tried again, and goes on from what is kept`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file('/a', { size, etag: '"v1"', script: [cutAfter(cut)] })
    expectKind(await bench.run(url), 'failed')
    const files = refusing(bench.world.files, call, 'too many open files')
    const failed = expectKind(await bench.run(url, {}, { world: { files } }), 'failed')
    assert.deepEqual(failed.failure, { kind: 'network' })
    assert.match(failed.error.message, /Too many files are open \(`ulimit -n` of the daemon\) \(/)
    assert.deepEqual(bench.restarts, [])
    expectKind(await bench.run(url), 'finished')
    assert.equal(bench.resumedAt, cut)
    assert.equal(bench.server.bytesSent('/a'), size)
    assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
  })

for (const [ifExists, call] of [
  ['replace', 'folder rename'],
  ['fail', 'folder link'],
] as const)
  test(`a destination that is in use when its file is finished is waited for, and nothing is fetched again: ${ifExists}`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file('/a', { size, etag: '"v1"' })
    const files = refusing(bench.world.files, call, 'busy')
    const failed = expectKind(await bench.run(url, { ifExists }, { world: { files } }), 'failed')
    assert.equal(failed.error.code, 'CANNOT_WRITE_TO_FILE')
    assert.deepEqual(failed.failure, { kind: 'network' })
    assert.ok(!(await bench.names()).includes('file.bin'))
    expectKind(await bench.run(url, { ifExists }), 'finished')
    assert.equal(bench.server.requests.length, 1)
    assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
    assert.deepEqual(await bench.names(), ['file.bin'])
  })

test('so is one that the system itself calls busy: something is mounted there', { skip: needs('mounts') }, async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  for (const name of ['file.bin', 'other']) await bench.write(name, 'as it was')
  execFileSync('mount', ['--bind', bench.path('other'), bench.path('file.bin')])
  try {
    const failed = expectKind(await bench.run(url, { ifExists: 'replace' }), 'failed')
    assert.match(failed.error.message, /in use by another program/)
    assert.deepEqual(failed.failure, { kind: 'network' })
  } finally {
    execFileSync('umount', [bench.path('file.bin')])
  }
  assert.equal(String(await bench.read()), 'as it was')
  expectKind(await bench.run(url, { ifExists: 'replace' }), 'finished')
  assert.equal(bench.server.requests.length, 1)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

/** Runs as somebody whom modes bind. */
async function asNobody(bench: Bench, work: () => Promise<void>): Promise<void> {
  await chown(bench.folder, 65_534, 65_534)
  process.seteuid!(65_534)
  try {
    await work()
  } finally {
    process.seteuid!(0)
  }
}

for (const mode of [0o444, 0o000])
  test(
    `a part that was given the mode ${mode.toString(8).padStart(3, '0')} of the file it replaces, and was not published, is still gone on from or replaced`,
    { skip: needs('posix', 'root') },
    async () => {
      await using bench = await Bench.open()
      const url = bench.server.file('/a', { size, etag: '"v1"' })
      await asNobody(bench, async () => {
        await bench.write('file.bin', 'old')
        await chmod(bench.path(), mode)
        let syncs = 0
        const files = watchedFiles(bench.world.files, {
          before: (operation, name) => {
            // The last sync of all, which comes after the mode.
            if (operation === 'file sync' && syncs++ === 0) throw new FileFailure('input/output', name)
          },
        })
        expectKind(await bench.run(url, {}, { world: { files } }), 'failed')
        const name = '.file.bin.89ABCDEF.longhaul-part'
        assert.equal((await stat(bench.path(name))).mode & 0o777, mode)
        const there = await bench.world.files.folder(bench.folder)
        const identity = (await there.look(name))!
        await there.close()
        // As after a crash between a checkpoint and the mode.
        bench.part = {
          ...bench.part!,
          identity: { inode: identity.inode, device: identity.device, birthMs: identity.birthMs },
          ranges: [[0, cut]],
        }
        expectKind(await bench.run(url), 'finished')
        assert.equal((await stat(bench.path())).mode & 0o777, mode)
      })
      if (mode === 0o444) assert.equal(bench.resumedAt, cut)
      assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
      assert.deepEqual(await bench.names(), ['file.bin'])
    },
  )
