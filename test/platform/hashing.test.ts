import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { createFileSystem } from '../../src/platform/files.ts'
import { createHasher } from '../../src/platform/hashing.ts'
import { type File, FileFailure } from '../../src/world/file-system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const never = new AbortController().signal

async function fileOf(bytes: Uint8Array): Promise<File> {
  const path = await temporaryFolder()
  await writeFile(join(path, 'file'), bytes)
  const folder = await createFileSystem().folder(path)
  const file = await folder.open('file', 'read')
  await folder.close()
  return file
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

test('digests of whole files, beginnings and nothing are right, several at once', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const bytes = Buffer.from(Array.from({ length: 3_500_000 }, (_, i) => (i * 7) % 251))
  const [file, other] = [await fileOf(bytes), await fileOf(Buffer.from('other'))]
  const sizes = [0, 1, 1 << 20, (1 << 20) + 1, bytes.length]
  const digests = await Promise.all([
    ...sizes.map((size) => hasher.digest(file, size, 'sha-256', never)),
    hasher.digest(other, 5, 'sha-256', never),
  ])
  assert.deepEqual(digests, [...sizes.map((size) => sha256(bytes.subarray(0, size))), sha256(Buffer.from('other'))])
  await file.close()
  await other.close()
})

test('a digest that is aborted rejects with the reason, and others go on', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const bytes = Buffer.alloc(64 << 20, 1)
  const file = await fileOf(bytes)
  const abort = new AbortController()
  const stopped = hasher.digest(file, bytes.length, 'sha-256', abort.signal)
  const other = hasher.digest(file, 1 << 20, 'sha-256', never)
  abort.abort(new Error('no longer wanted'))
  await assert.rejects(stopped, /no longer wanted/)
  assert.equal(await other, sha256(bytes.subarray(0, 1 << 20)))
  await assert.rejects(hasher.digest(file, 1, 'sha-256', AbortSignal.abort(new Error('before'))), /before/)
  await file.close()
})

test('a file closed in the middle is let go only when the thread has finished with it', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const bytes = Buffer.alloc(32 << 20, 3)
  const file = await fileOf(bytes)
  const order: string[] = []
  const digest = hasher.digest(file, bytes.length, 'sha-256', never).then((hex) => {
    order.push('digest')
    return hex
  })
  await file.close().then(() => order.push('closed'))
  assert.equal(await digest, sha256(bytes))
  assert.deepEqual(order, ['digest', 'closed'])
})

test('a file that is shorter than was said fails as what it is', async (t) => {
  const hasher = createHasher()
  t.after(() => hasher.close())
  const file = await fileOf(Buffer.from('short'))
  await assert.rejects(
    hasher.digest(file, 6, 'sha-256', never),
    (error) => error instanceof FileFailure && /ends at 5 bytes/.test(String(error.cause)),
  )
  await file.close()
})

test('a thread that dies is replaced once and its digests begin again; a second death fails them', async (t) => {
  const folder = await temporaryFolder()
  const marker = join(folder, 'died')
  const thread = new URL('../../src/platform/hashing-thread.ts', import.meta.url).href
  // Dies at its first job, as often as the marker has not enough bytes.
  const program = (deaths: number): string => `
    import { appendFileSync, existsSync, readFileSync } from 'node:fs'
    const marker = ${JSON.stringify(marker)}
    if (!existsSync(marker) || readFileSync(marker).length < ${deaths}) {
      const { parentPort } = await import('node:worker_threads')
      parentPort.on('message', () => { appendFileSync(marker, 'x'); throw new Error('died') })
    } else await import(${JSON.stringify(thread)})`
  const file = await fileOf(Buffer.from('bytes'))
  for (const [deaths, expected] of [
    [1, sha256(Buffer.from('bytes'))],
    [3, 'FileFailure died'],
  ] as const) {
    const path = join(folder, `thread-${deaths}.mjs`)
    await writeFile(path, program(deaths))
    await writeFile(marker, '')
    const hasher = createHasher({ program: pathToFileURL(path) })
    t.after(() => hasher.close())
    const result = await hasher
      .digest(file, 5, 'sha-256', never)
      .catch((error: FileFailure) => `${error.name} ${(error.cause as Error).message}`)
    assert.equal(result, expected)
  }
  await file.close()
})

test('closing the hasher ends digests under way and those that come later', async () => {
  const hasher = createHasher()
  const bytes = Buffer.alloc(64 << 20, 1)
  const file = await fileOf(bytes)
  const digest = hasher.digest(file, bytes.length, 'sha-256', never)
  const outcome = assert.rejects(digest, FileFailure)
  await hasher.close()
  await outcome
  await assert.rejects(hasher.digest(file, 5, 'sha-256', never), FileFailure)
  await file.close()
})
