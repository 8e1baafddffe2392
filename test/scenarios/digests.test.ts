/** What an app may rely on when a digest is expected or announced: also over a daemon that dies, and however it is spelled. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { cutAfter, FaultServer, lie, stallAfter, trailers, type Behaviour } from '../../src/testing/index.ts'
import { Stage } from '../support/stage.ts'

const size = 4_000_000
const part = 1_500_000
const identifier = 'com.example.digests'

const server = await FaultServer.start()
const stage = await Stage.open()
after(() => Promise.all([stage[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]))
const app = await stage.start({ identifier })

function hexOf(algorithm: 'sha512' | 'sha1' | 'md5', path: string): string {
  return createHash(algorithm).update(server.bytes(path)).digest('hex')
}

/** The text of a Repr-Digest field. */
function sha256Field(bytes: Uint8Array): string {
  return `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`
}

interface Ended {
  readonly id: string
  readonly digest?: string
  readonly error?: { readonly code?: string; readonly message?: string }
}

function fetched(url: string, ...expectedDigest: readonly string[]): Promise<Ended> {
  return app.run(
    async ({ session }, address, expected): Promise<Ended> => {
      const retry = { initialDelay: '1ms', maximumDelay: '5ms' } as const
      const task = await session.download(address, { retry, expectedDigest: expected })
      try {
        const { digest } = await task.finished()
        return { id: task.id, ...(digest !== undefined && { digest }) }
      } catch (error) {
        return { id: task.id, error: (error as { toJSON(): NonNullable<Ended['error']> }).toJSON() }
      }
    },
    url,
    expectedDigest,
  )
}

test('a daemon that is killed in the middle: the digests of the next one are of all bytes, those of the first read again', async () => {
  const path = '/killed.bin'
  const url = server.file(path, { size, etag: '"v1"' })
  const script: readonly Behaviour[] = [{ ...stallAfter(part) }, { ...stallAfter(part) }]
  server.change(path, { headers: { 'Repr-Digest': sha256Field(server.bytes(path)) }, script })
  const to = stage.path('killed.bin')
  const sha512 = hexOf('sha512', path)
  const id = await app.run(
    async ({ session }, address, place, hex) =>
      (await session.download(address, { to: place, expectedDigest: `sha-512:${hex}` })).id,
    url,
    to,
    sha512,
  )
  await server.sent(path, part)
  const pid = await stage.killDaemon()
  await stage.newDaemon(pid)
  await server.until(() => (server.requestsFor(path)[1]?.bytesSent ?? 0) >= part, 'the second answer stalls')
  server.release()
  const end = await stage.event('didComplete', ({ task }) => task === id)
  assert.equal(end.fields['error'], undefined)
  assert.equal(await stage.digest(to), server.digest(path))
  const digest = await app.run(async ({ session }, wanted) => (await session.task(wanted))!.snapshot.result?.digest, id)
  assert.equal(digest, `sha-512:${sha512}`)
})

test('a wrong digest of bytes that came in one piece is final, whoever said the digest', async () => {
  const other = Buffer.from('other')
  for (const [path, step, expected] of [
    ['/one-piece-expected.bin', {}, [`md5:${'00'.repeat(16)}`]],
    ['/one-piece-trailer.bin', trailers({ 'Repr-Digest': sha256Field(other) }), []],
    ['/one-piece-content.bin', { headers: { 'Content-Digest': sha256Field(other) } }, []],
  ] as const) {
    const { error } = await fetched(server.file(path, { size, etag: '"v1"', script: [step] }), ...expected)
    assert.equal(error?.code, 'DIGEST_MISMATCH')
    assert.equal(server.requestsFor(path).length, 1)
  }
})

test('a wrong digest of bytes that were joined is fetched once more, from zero, and not a third time', async () => {
  const path = '/joined.bin'
  const url = server.file(path, { size, etag: '"v1"', script: [cutAfter(part), lie('other bytes'), {}] })
  const sha1 = hexOf('sha1', path)
  assert.equal((await fetched(url, `sha=:${Buffer.from(sha1, 'hex').toString('base64')}:`)).digest, `sha-1:${sha1}`)
  const ranges = server.requestsFor(path).map(({ headers }) => headers['range'])
  assert.deepEqual(ranges, [undefined, `bytes=${part}-`, undefined])

  const again = server.file('/joined-twice.bin', {
    size,
    etag: '"v1"',
    script: [cutAfter(part), lie('other bytes'), cutAfter(part), lie('other bytes'), {}],
  })
  const hex = server.digest('/joined-twice.bin')
  assert.equal((await fetched(again, `sha-256:${hex}`)).error?.code, 'DIGEST_MISMATCH')
  assert.equal(server.requestsFor('/joined-twice.bin').length, 4)
})

test('under one key equal digests in any spelling and order are the same download, other ones are refused', async () => {
  const path = '/spelled.bin'
  const url = server.file(path, { size, etag: '"v1"' })
  const [sha256, md5] = [server.digest(path), hexOf('md5', path)]
  const base64 = Buffer.from(sha256, 'hex').toString('base64')
  const add = (expected: readonly string[]): Promise<string> =>
    app.run(
      async ({ session }, address, expectedDigest) => {
        const given = { key: 'spelled', expectedDigest }
        try {
          return (await session.downloadTask(address, given)).id
        } catch (error) {
          return (error as Error).message
        }
      },
      url,
      expected,
    )
  const id = await add([`sha-256:${sha256}`, `md5:${md5}`])
  for (const same of [
    [`MD5:${md5.toUpperCase()}`, `sha256-${base64}`],
    [`sha-256=:${base64}:, md5=:${Buffer.from(md5, 'hex').toString('base64')}:`],
    [`md5:${md5} sha256:${sha256}`, `sha-256:${sha256}`],
  ])
    assert.equal(await add(same), id)
  for (const other of [[`sha-256:${sha256}`], [], [`sha-256:${sha256}`, `md5:${'00'.repeat(16)}`]])
    assert.match(await add(other), /another expectedDigest/)
  await app.run(async ({ session }, wanted) => void (await (await session.task(wanted))?.cancel()), id)
})

test('the command line takes several digests in every form, and names the strongest that matches', async () => {
  const path = '/typed.bin'
  const url = server.file(path, { size, etag: '"v1"' })
  const sha512 = Buffer.from(hexOf('sha512', path), 'hex').toString('base64')
  const crc = crc32(server.bytes(path)).toString(16).padStart(8, '0')
  const to = ['-o', stage.path('typed.bin')]
  const right = await stage.longhaul('get', url, ...to, '--digest', `crc32:${crc}`, '--digest', `sha512-${sha512}`)
  assert.equal(right.code, 0, right.stderr)
  assert.match(right.stderr, /sha-512 matches/)
  const wrong = await stage.longhaul('get', url, ...to, '--keep-both', '--checksum', `md5=${'00'.repeat(16)}`)
  assert.equal(wrong.code, 9, wrong.stderr)
})
