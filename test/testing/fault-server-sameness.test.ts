// What the fault server says, truly and untruly, of which representation its bytes are.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { gunzipSync, inflateSync, brotliDecompressSync } from 'node:zlib'
import {
  coded,
  dated,
  httpDate,
  ignoreIfRange,
  lie,
  neverSettles,
  ok,
  other,
  otherValidator,
  resized,
  withDigest,
  withEtag,
  withLastModified,
  wrongDigest,
} from '../../src/testing/behaviours.ts'
import { together } from '../../src/testing/behaviour.ts'
import { FaultServer } from '../../src/testing/fault-server.ts'
import { ask } from './raw-client.ts'

const size = 10_000
const range = { Range: 'bytes=4000-' }

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('base64')

test('the fault server labels a file with the entity tag that it is given, strong, weak or none', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, etag: '"v1"', script: [ok(), withEtag('W/"v1"'), withEtag(undefined)] })
  assert.equal((await ask(server, '/a')).headers['etag'], '"v1"')
  assert.equal((await ask(server, '/a')).headers['etag'], 'W/"v1"')
  assert.equal((await ask(server, '/a')).headers['etag'], undefined)
})

test('the fault server can date its answers so that Last-Modified proves sameness, and so that it does not', async () => {
  await using server = await FaultServer.start()
  const modified = Date.UTC(2026, 0, 1)
  const lastModified = httpDate(modified)
  const after = (ms: number): string => httpDate(modified + ms)
  server.file('/a', {
    size,
    lastModified,
    script: [dated(after(59_000)), dated(after(60_000)), withLastModified(undefined)],
  })
  const early = await ask(server, '/a', { ...range, 'If-Range': lastModified })
  assert.deepEqual([early.status, early.headers['date']], [206, after(59_000)])
  assert.equal((await ask(server, '/a')).headers['date'], after(60_000))
  assert.equal((await ask(server, '/a')).headers['last-modified'], undefined)
  assert.equal((await ask(server, '/a', { ...range, 'If-Range': after(1000) })).status, 200)
  assert.equal((await ask(server, '/a', { 'If-Modified-Since': lastModified })).status, 304)
})

test('the fault server honours If-Range, ignores it, and answers it with another validator', async () => {
  await using server = await FaultServer.start()
  const old = { ...range, 'If-Range': '"old"' }
  server.file('/a', { size, etag: '"v1"', script: [ok(), ignoreIfRange(), otherValidator('"v2"')] })
  assert.equal((await ask(server, '/a', old)).status, 200)
  const ignored = await ask(server, '/a', old)
  assert.deepEqual([ignored.status, ignored.headers['etag']], [206, '"v1"'])
  assert.deepEqual(ignored.body, server.bytes('/a', 4000))
  const changed = await ask(server, '/a', { ...range, 'If-Range': '"v1"' })
  assert.deepEqual([changed.status, changed.headers['etag']], [206, '"v2"'])
})

test('the fault server says that a client has its file already, whichever way the client names it', async () => {
  await using server = await FaultServer.start()
  server.file('/strong', { size, etag: '"v1"' })
  server.file('/weak', { size, etag: 'W/"v1"' })
  server.file('/bare', { size })
  const asked = async (path: string, tags: string): Promise<number> =>
    (await ask(server, path, { 'If-None-Match': tags })).status
  for (const path of ['/strong', '/weak']) {
    for (const tags of ['"v1"', 'W/"v1"', '"v0", W/"v1"', '"a,b","v1"', '*'])
      assert.equal(await asked(path, tags), 304, `${path}: ${tags}`)
    for (const tags of ['"v0"', 'W/"v10"', '"a", "b"']) assert.equal(await asked(path, tags), 200, `${path}: ${tags}`)
  }
  assert.deepEqual([await asked('/bare', '*'), await asked('/bare', '"v1"')], [304, 200])
})

test('the fault server serves other bytes, truthfully labelled or under the old label', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, etag: '"v1"', script: [other('else', '"v2"', 500), lie('else')] })
  const truthful = await ask(server, '/a')
  assert.deepEqual([truthful.headers['etag'], truthful.body.length], ['"v2"', 500])
  const untrue = await ask(server, '/a')
  assert.deepEqual([untrue.headers['etag'], untrue.body.length], ['"v1"', size])
  assert.deepEqual(untrue.body.subarray(0, 500), truthful.body)
  assert.notDeepEqual(untrue.body, server.bytes('/a'))
})

test('the fault server’s file shrinks and grows between two requests, with its label or without', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, etag: '"v1"', script: [resized(3000), resized(20_000, '"v2"')] })
  const shrunk = await ask(server, '/a', range)
  assert.deepEqual([shrunk.status, shrunk.headers['content-range']], [416, 'bytes */3000'])
  const grown = await ask(server, '/a', range)
  assert.deepEqual(
    [grown.status, grown.headers['content-range'], grown.headers['etag']],
    [206, 'bytes 4000-19999/20000', '"v2"'],
  )
})

test('a file of the fault server that never settles is another one with each answer', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, afterwards: neverSettles() })
  const answers = [await ask(server, '/a'), await ask(server, '/a'), await ask(server, '/a')]
  assert.deepEqual(
    answers.map(({ headers }) => headers['etag']),
    ['"v1"', '"v2"', '"v3"'],
  )
  assert.equal(new Set(answers.map(({ body }) => sha256(body))).size, 3)
})

for (const where of ['header', 'trailer'] as const) {
  test(`the fault server sends right and wrong digests in the ${where}`, async () => {
    await using server = await FaultServer.start()
    server.file('/a', {
      size,
      script: [withDigest({ where }), wrongDigest({ where }), withDigest({ where, field: 'Content-Digest' })],
    })
    const right = `sha-256=:${sha256(server.bytes('/a'))}:`
    const shown = async (name: string): Promise<string | undefined> => {
      const { text, headers } = await ask(server, '/a', range)
      if (where === 'header') return headers[name.toLowerCase()]
      assert.equal(headers[name.toLowerCase()], undefined)
      return new RegExp(`\r\n0\r\n${name}: (.*)\r\n\r\n$`).exec(text)?.[1]
    }
    assert.equal(await shown('Repr-Digest'), right)
    const wrong = await shown('Repr-Digest')
    assert.match(wrong ?? '', /^sha-256=:.{44}:$/)
    assert.notEqual(wrong, right)
    assert.equal(await shown('Content-Digest'), `sha-256=:${sha256(server.bytes('/a', 4000))}:`)
  })
}

test('the fault server codes a body, and its ranges and digest are those of the coded bytes', async () => {
  await using server = await FaultServer.start()
  server.file('/a', {
    size,
    script: [
      together(coded('gzip'), withDigest({ algorithm: 'sha-512' })),
      together(coded('gzip'), withDigest({ algorithm: 'md5' })),
      coded('deflate'),
      coded('br'),
    ],
  })
  const gzip = await ask(server, '/a')
  assert.equal(gzip.headers['content-encoding'], 'gzip')
  assert.deepEqual(gunzipSync(gzip.body), server.bytes('/a'))
  assert.equal(gzip.headers['repr-digest'], `sha-512=:${createHash('sha512').update(gzip.body).digest('base64')}:`)
  const part = await ask(server, '/a', { Range: 'bytes=100-' })
  assert.deepEqual(part.body, gzip.body.subarray(100))
  assert.deepEqual(inflateSync((await ask(server, '/a')).body), server.bytes('/a'))
  assert.deepEqual(brotliDecompressSync((await ask(server, '/a')).body), server.bytes('/a'))
})
