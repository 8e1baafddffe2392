/** `ifExists: 'skip'` where the file in the place comes, goes or cannot be read at the worst moment. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readlinkSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ExpectedDigest } from '../../src/contract/digests.ts'
import { FileFailure } from '../../src/world/file-system.ts'
import { needs } from '../support/needs.ts'
import { Bench, expectKind, type Wishes } from './support/bench.ts'
import { watchedFiles, type FileOperation } from './support/watched-files.ts'

const size = 5000

interface Made {
  readonly bench: Bench
  readonly url: string
  readonly right: Uint8Array
  readonly wishes: Wishes
}

async function made(digest: 'digest' | 'no digest' = 'digest'): Promise<Made> {
  const bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const right = bench.server.bytes('/a')
  const expected: ExpectedDigest = { algorithm: 'sha-256', hex: createHash('sha256').update(right).digest('hex') }
  return { bench, url, right, wishes: { ifExists: 'skip', expectedDigests: digest === 'digest' ? [expected] : [] } }
}

/** The bench's files; `happens` is told of each call for the name of the file. */
function watched(bench: Bench, happens: (when: 'before' | 'after', operation: FileOperation) => void) {
  const watcher = {
    before: (operation: FileOperation, name: string) => {
      if (name === 'file.bin') happens('before', operation)
    },
    after: (operation: FileOperation, name: string) => {
      if (name === 'file.bin') happens('after', operation)
    },
  }
  return { world: { files: watchedFiles(bench.world.files, watcher) } }
}

test('a file that is hashed in the place gives up no connection, one whose bytes have come does', async () => {
  const { bench, url, right, wishes } = await made()
  await using _ = bench
  writeFileSync(bench.path(), right)
  expectKind(await bench.run(url, wishes), 'finished')
  assert.equal(bench.fetched, 0)
  unlinkSync(bench.path())
  expectKind(await bench.run(url, wishes), 'finished')
  assert.notEqual(bench.fetched, 0)
})

test('a wrong file that appears while the right one is fetched does not cost its bytes', async () => {
  const { bench, url, right, wishes } = await made()
  await using _ = bench
  const late = watched(bench, (when, operation) => {
    if (when === 'before' && operation === 'folder link') writeFileSync(bench.path(), 'mine')
  })
  const { error, failure } = expectKind(await bench.run(url, wishes, late), 'failed')
  assert.deepEqual([error.code, failure], ['DIGEST_MISMATCH', { kind: 'final' }])
  assert.match(error.message, /It was left as it is; bytes that came are kept\.$/)
  assert.equal(String(await bench.read()), 'mine')
  unlinkSync(bench.path())
  expectKind(await bench.run(url, wishes), 'finished')
  assert.ok((await bench.read()).equals(right))
  assert.equal(bench.server.requests.length, 1)
  assert.deepEqual(await bench.names(), ['file.bin'])
})

for (const what of ['a read that fails', 'a stop'] as const)
  test(`${what} while a late file is verified leaves the part, and the next attempt looks again`, async () => {
    const { bench, url, right, wishes } = await made()
    await using _ = bench
    const stop = new AbortController()
    const late = watched(bench, (when, operation) => {
      if (when !== 'before') return
      if (operation === 'folder link') writeFileSync(bench.path(), right)
      if (operation !== 'folder open') return
      if (what === 'a read that fails') throw new FileFailure('input/output', bench.path())
      stop.abort()
    })
    const outcome = await bench.run(url, wishes, { ...late, signal: stop.signal })
    if (what === 'a stop') expectKind(outcome, 'stopped')
    else assert.deepEqual(expectKind(outcome, 'failed').failure, { kind: 'network', diskFailed: true })
    assert.ok((await bench.read(bench.part!.name)).equals(right))
    const { result } = expectKind(await bench.run(url, wishes), 'finished')
    assert.deepEqual([result.skipped, result.bytes], [true, size])
    assert.deepEqual(await bench.names(), ['file.bin'])
    assert.equal(bench.server.requests.length, 1)
  })

for (const digest of ['digest', 'no digest'] as const) {
  test(`a file that is gone before it is looked at again is in nobody's way (${digest})`, async () => {
    for (const name of ['file.bin', undefined]) {
      const { bench, url, right, wishes } = await made(digest)
      await using _ = bench
      bench.server.file('/file.bin', { size, etag: '"v1"' })
      await bench.write('file.bin', right)
      const fetched = bench.server.bytes(name === undefined ? '/file.bin' : '/a')
      const expectedDigests: readonly ExpectedDigest[] =
        digest === 'digest' ? [{ algorithm: 'sha-256', hex: createHash('sha256').update(fetched).digest('hex') }] : []
      const going = watched(bench, (when, operation) => {
        if (when === 'after' && operation === 'folder look' && existsSync(bench.path())) unlinkSync(bench.path())
      })
      const from = name === undefined ? new URL('/file.bin', url).href : url
      const { result } = expectKind(await bench.run(from, { ...wishes, name, expectedDigests }, going), 'finished')
      assert.deepEqual([result.skipped, result.bytes, result.path], [undefined, size, bench.path()])
      assert.ok((await bench.read()).equals(fetched))
    }
  })

  test(`a file that comes for the link and goes at once does not keep the fetched one from its place (${digest})`, async () => {
    for (const often of ['once', 'always'] as const) {
      const { bench, url, right, wishes } = await made(digest)
      await using _ = bench
      let links = 0
      const flickering = watched(bench, (when, operation) => {
        if (when === 'before' && operation === 'folder link' && (links++ === 0 || often === 'always'))
          writeFileSync(bench.path(), 'mine')
        if (when === 'after' && operation === 'folder look' && links > 0 && existsSync(bench.path()))
          unlinkSync(bench.path())
      })
      const outcome = await bench.run(url, wishes, flickering)
      if (often === 'once') assert.equal(expectKind(outcome, 'finished').result.skipped, undefined)
      else {
        const { error, failure } = expectKind(outcome, 'failed')
        assert.deepEqual([error.code, error.retryable, failure.kind], ['CANNOT_WRITE_TO_FILE', true, 'network'])
        expectKind(await bench.run(url, wishes), 'finished')
      }
      assert.ok((await bench.read()).equals(right))
      assert.equal(bench.server.requests.length, 1)
      assert.deepEqual(await bench.names(), ['file.bin'])
    }
  })
}

test('a symbolic link in the place is told as such where a digest is expected', { skip: needs('posix') }, async () => {
  const { bench, url, right, wishes } = await made()
  await using _ = bench
  await bench.write('elsewhere', right)
  symlinkSync('elsewhere', bench.path())
  const { error, failure } = expectKind(await bench.run(url, wishes), 'failed')
  assert.deepEqual([error.code, failure], ['DESTINATION_EXISTS', { kind: 'final' }])
  assert.match(
    error.message,
    /there is a symbolic link, and links are not followed, so .* cannot be verified\. It was left as it is, and nothing was fetched\.$/,
  )
  assert.match(error.hint, /Name the file that it leads to/)
  assert.equal(readlinkSync(bench.path()), 'elsewhere')
  assert.equal(bench.server.requests.length, 0)
  assert.equal(expectKind(await bench.run(url, { ifExists: 'skip' }), 'finished').result.skipped, true)
})
