/**
 * Section 8 of the contract, ranges: bytes of two representations never meet in one file. Each way in which a server may show,
 * hide or deny that its file is another one, told to each connection of several and to a resume whose bytes have gaps. Every
 * answer that a test bends has other bytes than the file, so that one that is taken shows in it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import {
  coded,
  cutAfter,
  type FileOptions,
  framed,
  ignoreRange,
  lie,
  multipart,
  noContentRange,
  other,
  otherRange,
  otherValidator,
  redirect,
  redirectResumesTo,
  refuseRange,
  resized,
  status,
  type Behaviour,
  type Step,
  together,
  withEtag,
  wrongContentRange,
  wrongDigest,
} from '../../src/testing/index.ts'
import { Bench, expectKind } from './support/bench.ts'
import { downloadTold, filePath, moments, severalBytes } from './support/several.ts'

const otherBytes = lie('second')
/** Bends the answer to a range whose beginning is needed to tell the lie. */
const fromAsked =
  (bend: (from: number) => Behaviour): Step =>
  ({ headers }) =>
    bend(Number(/^bytes=(\d+)-/.exec(headers['range'] ?? '')?.[1] ?? 0))

const lies: Readonly<Record<string, Step>> = {
  'a 206 from another start': fromAsked((from) => together(otherBytes, wrongContentRange({ start: from + 1 }))),
  'a 206 from another start and of no length': fromAsked((from) =>
    together(otherBytes, framed('chunked'), wrongContentRange({ start: from + 1 })),
  ),
  'a 206 whose end contradicts its length': fromAsked((from) => together(otherBytes, wrongContentRange({ end: from }))),
  'a 206 of another range, truthfully labelled': otherRange(5, 300_000),
  'a 206 of another total': together(otherBytes, wrongContentRange({ total: severalBytes + 1 })),
  'a 206 of an unknown total': together(otherBytes, wrongContentRange({ total: '*' })),
  'a 206 that does not say which range it is': together(otherBytes, noContentRange()),
  'a 206 in another unit': together(otherBytes, { headers: { 'Content-Range': `lines 0-5/${severalBytes}` } }),
  'a 206 that says two ranges': together(otherBytes, { rawHeaderLines: ['Content-Range: bytes 0-5/10'] }),
  'a 206 of another ETag': together(otherBytes, otherValidator('"v2"')),
  'a 206 of the same ETag, but weak': together(otherBytes, otherValidator('W/"v1"')),
  'a 206 without an ETag': together(otherBytes, { etag: undefined, ignoreIfRange: true }),
  'a 206 with two ETags': together(otherBytes, { rawHeaderLines: ['ETag: "v2"'] }),
  'a 206 in one part of a multipart body': together(otherBytes, multipart(1)),
  'a 206 in two parts of a multipart body': together(otherBytes, multipart(2)),
  'a 206 that calls itself multipart': together(otherBytes, {
    headers: { 'Content-Type': 'multipart/byteranges; boundary=x' },
  }),
  'a 206 that calls itself coded': together(otherBytes, { headers: { 'Content-Encoding': 'gzip' } }),
  'a 206 that is coded': together(otherBytes, coded('gzip')),
  'a 206 of a file that shrank': together(otherBytes, resized(severalBytes - 10)),
  'a 206 of a file that grew': together(otherBytes, resized(severalBytes + 10)),
  'a 200 of another ETag': other('second', '"v2"'),
  'a 200 of a file that shrank': other('second', '"v2"', severalBytes - 10),
  'a 200 of a file that grew': other('second', '"v2"', severalBytes + 10),
  'a 200 of the same ETag': ignoreRange(),
  'a 200 that is coded': together(ignoreRange(), coded('gzip')),
  'a 416 with the same total': refuseRange(),
  'a 416 with another total': refuseRange(7),
  'a redirect to another file': redirect('/second.bin'),
}

for (const moment of moments)
  for (const [what, step] of Object.entries(lies))
    test(`${what} to ${moment} never meets other bytes`, async () => {
      await using bench = await Bench.open()
      bench.server.file('/second.bin', { size: severalBytes + 10, seed: 'second', etag: '"v2"' })
      expectKind(await downloadTold(bench, moment, { step, times: 2 }), 'finished')
      const file = await bench.read()
      const first = bench.server.bytes(filePath)
      if (!file.equals(first)) {
        // A whole answer may be taken as it is; what counts is that the file is one or the other.
        const others = [-10, 0, 10].map((more) => bench.server.bytes('/second.bin', 0, severalBytes + more))
        const whole = [...others, gzipSync(first)].some((other) => file.equals(other))
        assert.ok(whole && /^a 200|redirect/.test(what), 'the file is neither of the two')
      }
      assert.deepEqual(await bench.names(), ['file.bin'])
      assert.equal(bench.further.size, 0, 'a connection was not given back')
    })

for (const moment of moments)
  test(`other bytes under the old validators to ${moment} are found by the digest, and nothing of them is kept`, async () => {
    await using bench = await Bench.open()
    bench.server.file(filePath, { size: severalBytes, seed: 'first' })
    const expectedDigests = [{ algorithm: 'sha-256' as const, hex: bench.server.digest(filePath) }]
    const wishes = { expectedDigests }
    const outcome = expectKind(await downloadTold(bench, moment, { step: otherBytes, wishes }), 'failed')
    assert.equal(outcome.error.code, 'DIGEST_MISMATCH')
    assert.deepEqual(outcome.failure, { kind: 'digest', joined: true })
    assert.deepEqual(await bench.names(), [])
    expectKind(await bench.run(bench.server.url(filePath), wishes), 'finished')
    assert.deepEqual(await bench.read(), bench.server.bytes(filePath))
  })

for (const moment of moments)
  for (const where of ['header', 'trailer'] as const)
    test(`a Repr-Digest that only the answer to ${moment} has, in its ${where}, is verified`, async () => {
      await using bench = await Bench.open()
      const step = wrongDigest({ where })
      const outcome = expectKind(await downloadTold(bench, moment, { step }), 'failed')
      assert.equal(outcome.error.code, 'DIGEST_MISMATCH')
      assert.deepEqual(outcome.failure, { kind: 'digest', joined: true })
      assert.deepEqual(await bench.names(), [])
    })

const old = 'Wed, 01 Jan 2020 00:00:00 GMT'
for (const moment of moments) {
  test(`by a Last-Modified of long ago bytes join at ${moment}, and by no other one`, async () => {
    await using bench = await Bench.open()
    const file = { etag: undefined, lastModified: old } as unknown as Partial<FileOptions>
    const step = together(otherBytes, { lastModified: 'Thu, 02 Jan 2020 00:00:00 GMT', ignoreIfRange: true })
    expectKind(await downloadTold(bench, moment, { file, step }), 'finished')
    assert.ok((await bench.read()).equals(bench.server.bytes(filePath)))
    const conditions = bench.server.requests.filter(({ headers }) => headers['range'] !== undefined)
    assert.ok(conditions.length > 0 && conditions.every(({ headers }) => headers['if-range'] === old))
  })
}

const kept = 200_000
const path = '/a.bin'
const size = 600_000

test('a resume that is redirected to another file begins anew, with the other file or this one, never both', async () => {
  await using bench = await Bench.open()
  bench.server.file('/elsewhere.bin', { size, seed: 'elsewhere', etag: '"e1"' })
  const script = [cutAfter(kept), redirectResumesTo('/elsewhere.bin')]
  const url = bench.server.file(path, { size, etag: '"v1"', script })
  expectKind(await bench.run(url), 'failed')
  expectKind(await bench.run(url), 'finished')
  assert.deepEqual(bench.restarts, ['the file on the server has changed'])
  assert.deepEqual(await bench.read(), bench.server.bytes('/elsewhere.bin'))
})

/** A link that leads to the one file first, and to the other when it is asked again. */
function latest(bench: Bench, first: string, then: string, seed = 'newer'): string {
  bench.server.file('/1.bin', { size, etag: '"v1"', script: [cutAfter(kept)] })
  bench.server.file('/2.bin', { size, etag: '"v1"', seed })
  return bench.server.answers('/latest', redirect(first), redirect(then))
}

test('a validator is one of its own place: equal ones of another file to which the address leads now prove nothing', async () => {
  await using bench = await Bench.open()
  const url = latest(bench, '/1.bin', '/2.bin')
  expectKind(await bench.run(url), 'failed')
  bench.server.change('/1.bin', { afterwards: status(404) })
  expectKind(await bench.run(url), 'finished')
  assert.match(String(bench.restarts), /leads to another place/)
  assert.ok((await bench.read()).equals(bench.server.bytes('/2.bin')))
})

test('an address that leads to the same place with another signature is gone on from', async () => {
  await using bench = await Bench.open()
  const url = latest(bench, '/1.bin?signature=old', '/1.bin?signature=new')
  expectKind(await bench.run(url), 'failed')
  expectKind(await bench.run(url), 'finished')
  assert.equal(bench.resumedAt, kept)
  assert.ok((await bench.read()).equals(bench.server.bytes('/1.bin')))
})

test('a copy in another place is gone on from where a digest is expected, which proves all of it', async () => {
  await using bench = await Bench.open()
  const url = latest(bench, '/1.bin', '/2.bin', '/1.bin')
  const wishes = { expectedDigests: [{ algorithm: 'sha-256' as const, hex: bench.server.digest('/1.bin') }] }
  expectKind(await bench.run(url, wishes), 'failed')
  expectKind(await bench.run(url, wishes), 'finished')
  assert.equal(bench.resumedAt, kept)
  assert.ok((await bench.read()).equals(bench.server.bytes('/1.bin')))
})

for (const [what, refused] of [
  ['416', refuseRange()],
  ['416 with another total', refuseRange(5)],
  ['501', status(501)],
] as const)
  test(`a server that ignores If-Range and answers the plain range with ${what} is asked for the whole`, async () => {
    await using bench = await Bench.open()
    const ignored = together(framed('chunked'), ignoreRange(), withEtag(undefined))
    const url = bench.server.file(path, { size, etag: '"v1"', script: [cutAfter(kept), ignored, refused] })
    expectKind(await bench.run(url), 'failed')
    expectKind(await bench.run(url), 'finished')
    assert.equal(bench.restarts.length, 1)
    assert.deepEqual(bench.restartCauses, [what === '416 with another total' ? 'bytes changed' : 'cannot go on'])
    assert.deepEqual(await bench.read(), bench.server.bytes(path))
  })

test('a server that ignores If-Range and is too busy for the plain range is asked again, and no byte is given up', async () => {
  await using bench = await Bench.open()
  const script = [cutAfter(kept), ignoreRange(), status(503)]
  const url = bench.server.file(path, { size, etag: '"v1"', script })
  expectKind(await bench.run(url), 'failed')
  assert.deepEqual(expectKind(await bench.run(url), 'failed').failure.kind, 'network')
  expectKind(await bench.run(url), 'finished')
  assert.equal(bench.resumedAt, kept)
  assert.deepEqual(bench.restarts, [])
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('a whole answer that is cut and is another file each time is never made of two', async () => {
  await using bench = await Bench.open()
  const version: Step = (request) => {
    const it = other(`version ${request.number}`, `"v${request.number}"`)
    return request.number < 4 ? together(it, cutAfter(kept)) : it
  }
  const url = bench.server.file(path, { size, etag: '"v1"', afterwards: version })
  for (let attempt = 1; attempt < 4; attempt++) expectKind(await bench.run(url), 'failed')
  expectKind(await bench.run(url), 'finished')
  assert.deepEqual(bench.restartCauses, Array(3).fill('bytes changed'))
  bench.server.change(path, { seed: 'version 4' })
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})
