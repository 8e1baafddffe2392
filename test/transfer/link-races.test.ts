/** Another program changes a name at the worst moment. What the name then leads to is never written to, followed or lost. */
import assert from 'node:assert/strict'
import { readFileSync, readlinkSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { cutAfter } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { Bench, expectKind } from './support/bench.ts'
import { watchedFiles, type FileOperation, type Watcher } from './support/watched-files.ts'

const size = 300_000
const cut = 100_000

/** Does it once, at the first call of this kind for a name that fits. */
function once(
  when: 'before' | 'after',
  call: FileOperation,
  fits: (name: string) => boolean,
  what: () => void,
): Watcher {
  let done = false
  return {
    [when]: (operation: FileOperation, name: string) => {
      if (done || operation !== call || !fits(name)) return
      done = true
      what()
    },
  }
}

for (const [ifExists, call] of [
  ['fail', 'folder link'],
  ['keepBoth', 'folder link'],
  ['replace', 'folder rename'],
] as const)
  for (const leads of ['somewhere', 'nowhere'] as const)
    test(
      `a link that leads ${leads} and takes the file's place at the last moment is not followed: ${ifExists}`,
      { skip: needs('posix') },
      async () => {
        await using bench = await Bench.open()
        const url = bench.server.file('/a', { size, etag: '"v1"' })
        if (leads === 'somewhere') await bench.write('precious', 'mine')
        const watcher = once(
          'before',
          call,
          (name) => name === 'file.bin',
          () => symlinkSync('precious', bench.path()),
        )
        const outcome = await bench.run(
          url,
          { ifExists },
          { world: { files: watchedFiles(bench.world.files, watcher) } },
        )
        if (ifExists === 'fail') assert.equal(expectKind(outcome, 'failed').error.code, 'DESTINATION_EXISTS')
        else {
          const { path } = expectKind(outcome, 'finished').result
          assert.equal(path, bench.path(ifExists === 'keepBoth' ? 'file (1).bin' : 'file.bin'))
          assert.ok(readFileSync(path).equals(bench.server.bytes('/a')))
        }
        if (ifExists !== 'replace') assert.equal(readlinkSync(bench.path()), 'precious')
        if (leads === 'somewhere') assert.equal(String(await bench.read('precious')), 'mine')
        else assert.ok(!(await bench.names()).includes('precious'))
      },
    )

for (const by of ['another file', 'a link to another file'] as const)
  test(
    `a part that ${by} replaces between the look at it and its opening is not written to`,
    { skip: needs('posix') },
    async () => {
      await using bench = await Bench.open()
      const url = bench.server.file('/a', { size, etag: '"v1"', script: [cutAfter(cut)] })
      expectKind(await bench.run(url), 'failed')
      const part = bench.part!.name
      await bench.write('precious', 'mine')
      const watcher = once(
        'after',
        'folder look',
        (name) => name === part,
        () => {
          // It keeps its inode, so that no other file can be taken for it.
          renameSync(bench.path(part), bench.path('away'))
          if (by === 'another file') writeFileSync(bench.path(part), readFileSync(bench.path('away')))
          else symlinkSync('precious', bench.path(part))
        },
      )
      const outcome = await bench.run(url, {}, { world: { files: watchedFiles(bench.world.files, watcher) } })
      assert.equal(bench.resumedAt, undefined, 'nothing went on from it')
      assert.equal(String(await bench.read('precious')), 'mine')
      assert.ok((await bench.read('away')).equals(bench.server.bytes('/a').subarray(0, cut)))
      if (by === 'another file')
        assert.deepEqual(bench.restarts, ['another file has taken the place of the partial file'])
      else {
        assert.equal(expectKind(outcome, 'failed').error.code, 'CANNOT_CREATE_FILE')
        unlinkSync(bench.path(part))
        expectKind(await bench.run(url), 'finished')
      }
      assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
    },
  )
