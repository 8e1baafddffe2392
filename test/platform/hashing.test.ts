import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { appendFile, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { crc32 } from 'node:zlib'
import { type DigestAlgorithm, digestAlgorithms } from '../../src/contract/digests.ts'
import { createFileSystem } from '../../src/platform/files.ts'
import { createHasher } from '../../src/platform/hashing.ts'
import { type File, FileFailure } from '../../src/world/file-system.ts'
import type { Hasher } from '../../src/world/hasher.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const never = new AbortController().signal
const mebibyte = 1 << 20

async function fileOf(bytes: Uint8Array): Promise<File> {
  return (await growing(bytes)).file
}

/** A file, and the path by which more can be written to it. */
async function growing(bytes: Uint8Array): Promise<{ readonly file: File; readonly path: string }> {
  const path = await temporaryFolder()
  await writeFile(join(path, 'file'), bytes)
  const folder = await createFileSystem().folder(path)
  const file = await folder.open('file', 'read')
  await folder.close()
  return { file, path: join(path, 'file') }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** What OpenSSL and zlib say in one go. */
function expected(algorithm: DigestAlgorithm, bytes: Uint8Array): string {
  if (algorithm === 'crc32') return crc32(bytes).toString(16).padStart(8, '0')
  return createHash(algorithm.replace('-', '')).update(bytes).digest('hex')
}

async function digest(hasher: Hasher, file: File, size: number, signal: AbortSignal = never): Promise<string> {
  return (await hasher.follow(file, ['sha-256']).finish(size, signal)).get('sha-256')!
}

test('digests of whole files, beginnings and nothing are right, several at once', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const bytes = Buffer.from(Array.from({ length: 3_500_000 }, (_, i) => (i * 7) % 251))
  const [file, other] = [await fileOf(bytes), await fileOf(Buffer.from('other'))]
  const sizes = [0, 1, mebibyte, mebibyte + 1, bytes.length]
  const digests = await Promise.all([...sizes.map((size) => digest(hasher, file, size)), digest(hasher, other, 5)])
  assert.deepEqual(digests, [...sizes.map((size) => sha256(bytes.subarray(0, size))), sha256(Buffer.from('other'))])
  await file.close()
  await other.close()
})

test('every algorithm agrees with what computes it in one go, all of them over one reading', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  // The crc32 of the second begins with a zero.
  for (const bytes of [randomBytes(2 * mebibyte + 7), Buffer.from('33')]) {
    const file = await fileOf(bytes)
    const digests = await hasher.follow(file, digestAlgorithms).finish(bytes.length, never)
    const wanted = digestAlgorithms.map((algorithm) => [algorithm, expected(algorithm, bytes)] as const)
    assert.deepEqual([...digests], wanted)
    await file.close()
  }
})

test('a file is followed while it grows, however the news of it comes', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const bytes = randomBytes(5 * mebibyte + 123)
  const { file, path } = await growing(Buffer.alloc(0))
  const following = hasher.follow(file, ['sha-256', 'crc32'])
  let at = 0
  for (const step of [1, mebibyte - 1, 10, 2 * mebibyte, 1000, bytes.length]) {
    await appendFile(path, bytes.subarray(at, at + step))
    at = Math.min(bytes.length, at + step)
    following.advance(at)
    // What was known before is no news.
    following.advance(at - 1)
  }
  const digests = await following.finish(bytes.length, never)
  assert.deepEqual([digests.get('sha-256'), digests.get('crc32')], [sha256(bytes), expected('crc32', bytes)])
  await file.close()
})

test('bytes that were read behind the frontier are not read again', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const bytes = randomBytes(3 * mebibyte)
  const { file, path } = await growing(bytes)
  const following = hasher.follow(file, ['sha-256'])
  following.advance(2 * mebibyte)
  // The thread takes turns, so the first two blocks were read when one that came later is done.
  await digest(hasher, file, 3 * mebibyte)
  await writeFile(path, Buffer.concat([Buffer.alloc(2 * mebibyte), bytes.subarray(2 * mebibyte)]))
  assert.equal((await following.finish(bytes.length, never)).get('sha-256'), sha256(bytes))
  await file.close()
})

test('many digests share the thread: a small one does not wait for a large one', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const [large, small] = [await fileOf(Buffer.alloc(64 * mebibyte, 1)), await fileOf(Buffer.from('small'))]
  const order: string[] = []
  await Promise.all([
    digest(hasher, large, 64 * mebibyte).then(() => order.push('large')),
    digest(hasher, small, 5).then(() => order.push('small')),
  ])
  assert.deepEqual(order, ['small', 'large'])
  await large.close()
  await small.close()
})

test('a digest that is aborted rejects with the reason, and others go on', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const bytes = Buffer.alloc(64 << 20, 1)
  const file = await fileOf(bytes)
  const abort = new AbortController()
  const stopped = digest(hasher, file, bytes.length, abort.signal)
  const other = digest(hasher, file, mebibyte)
  abort.abort(new Error('no longer wanted'))
  await assert.rejects(stopped, /no longer wanted/)
  assert.equal(await other, sha256(bytes.subarray(0, mebibyte)))
  await assert.rejects(digest(hasher, file, 1, AbortSignal.abort(new Error('before'))), /before/)
  await file.close()
})

test('a file closed in the middle is let go only when the thread has finished with it', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const bytes = Buffer.alloc(32 << 20, 3)
  const file = await fileOf(bytes)
  const order: string[] = []
  const hex = digest(hasher, file, bytes.length).then((found) => {
    order.push('digest')
    return found
  })
  await file.close().then(() => order.push('closed'))
  assert.equal(await hex, sha256(bytes))
  assert.deepEqual(order, ['digest', 'closed'])
})

test('a following that is stopped lets go of its file, whether it had begun or not, and then does nothing', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const file = await fileOf(Buffer.alloc(8 << 20, 3))
  const [begun, fresh] = [hasher.follow(file, ['sha-256']), hasher.follow(file, ['sha-256'])]
  begun.advance(8 << 20)
  for (const following of [begun, fresh]) {
    following.stop()
    following.stop()
    following.advance(8 << 20)
    await assert.rejects(following.finish(8 << 20, never), FileFailure)
  }
  await file.close()
})

test('a file that is shorter than was said fails as what it is, also when nobody waits yet', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const file = await fileOf(Buffer.from('short'))
  const endsEarly = (error: unknown): boolean =>
    error instanceof FileFailure && /ends at 5 bytes/.test(String(error.cause))
  await assert.rejects(digest(hasher, file, 6), endsEarly)
  const following = hasher.follow(file, ['sha-256'])
  following.advance(2 * mebibyte)
  // After this one the other has failed.
  await assert.rejects(digest(hasher, file, 6), endsEarly)
  await assert.rejects(following.finish(2 * mebibyte, never), endsEarly)
  await file.close()
})

test('bytes that were said to be there cannot be taken back', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const file = await fileOf(Buffer.alloc(100))
  const following = hasher.follow(file, ['sha-256'])
  following.advance(100)
  await assert.rejects(following.finish(99, never), RangeError)
  await file.close()
})

test('a thread that dies is replaced once and its digests begin again; a second death fails them', async (t) => {
  const folder = await temporaryFolder()
  const marker = join(folder, 'died')
  const thread = new URL('../../src/platform/hashing-thread.ts', import.meta.url).href
  // Dies at the news that all is there, as often as the marker has not enough bytes.
  const program = (deaths: number): string => `
    import { appendFileSync, existsSync, readFileSync } from 'node:fs'
    const marker = ${JSON.stringify(marker)}
    if (!existsSync(marker) || readFileSync(marker).length < ${deaths}) {
      const { parentPort } = await import('node:worker_threads')
      parentPort.on('message', ({ start, news }) => {
        if ((news ?? start).size === undefined) return
        appendFileSync(marker, 'x')
        throw new Error('died')
      })
    } else await import(${JSON.stringify(thread)})`
  const bytes = randomBytes(3 * mebibyte)
  const file = await fileOf(bytes)
  for (const [deaths, wanted] of [
    [1, sha256(bytes)],
    [3, 'FileFailure died'],
  ] as const) {
    const path = join(folder, `thread-${deaths}.mjs`)
    await writeFile(path, program(deaths))
    await writeFile(marker, '')
    const hasher = createHasher({ program: pathToFileURL(path) })
    t.after(() => hasher.close())
    const following = hasher.follow(file, ['sha-256'])
    following.advance(2 * mebibyte)
    const result = await following
      .finish(bytes.length, never)
      .then((digests) => digests.get('sha-256'))
      .catch((error: FileFailure) => `${error.name} ${(error.cause as Error).message}`)
    assert.equal(result, wanted)
  }
  await file.close()
})

test('closing the hasher ends digests under way and those that come later', async () => {
  const hasher = createHasher()
  const bytes = Buffer.alloc(64 << 20, 1)
  const file = await fileOf(bytes)
  const outcome = assert.rejects(digest(hasher, file, bytes.length), FileFailure)
  await hasher.close()
  await outcome
  await assert.rejects(digest(hasher, file, 5), FileFailure)
  await file.close()
})

test('closing the hasher does not wait for a disk that hangs', { skip: needs('posix') }, async (t) => {
  const folder = await temporaryFolder()
  const [disk, program] = [join(folder, 'disk'), join(folder, 'thread.mjs')]
  execFileSync('mkfifo', [disk])
  // More than a pipe holds: whoever has seen the first byte knows that the thread is in a call that does not come back.
  await writeFile(
    program,
    `import { writeFileSync } from 'node:fs'
     import { parentPort } from 'node:worker_threads'
     parentPort.on('message', () => writeFileSync(${JSON.stringify(disk)}, Buffer.alloc(8 << 20)))`,
  )
  const hasher = createHasher({ program: pathToFileURL(program), patienceMs: 1 })
  const file = await fileOf(Buffer.alloc(5))
  const outcome = assert.rejects(digest(hasher, file, 5), FileFailure)
  const hanging = await open(disk, 'r')
  t.after(() => hanging.close())
  await hanging.read(Buffer.alloc(1), 0, 1)
  await hasher.close()
  await outcome
  await file.close()
})
