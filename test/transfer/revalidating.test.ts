/** A file that was delivered before and has changed since: however the newer one comes, the file is the old or the new one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeliveredBefore } from '../../src/contract/bytes.ts'
import type { ReceivedRequest } from '../../src/testing/index.ts'
import { cutAfter, other, redirect, stallAfter, status, type Step, withEtag } from '../../src/testing/index.ts'
import { Bench, expectKind, type Wishes } from './support/bench.ts'
import { firstBytes, severalBytes as size, smallPieces } from './support/several.ts'

const path = '/a.bin'
const many = { policy: { maximumSegments: 4 } }
const isConditional = ({ headers }: ReceivedRequest): boolean => headers['if-none-match'] !== undefined

/** What an earlier task of the same key left. */
async function deliveredBy(bench: Bench, url: string, wishes?: Wishes): Promise<DeliveredBefore> {
  const { delivered: file, response, result } = expectKind(await bench.run(url, wishes), 'finished')
  bench.part = undefined
  bench.intent = undefined
  const { digest, lengthVerified } = result
  return {
    file: file!,
    response: response!,
    representation: bench.representation!,
    lengthVerified,
    ...(digest !== undefined && { digest }),
  }
}

/** Delivers the old file, then has the server serve a newer one by the script. */
async function changed(
  bench: Bench,
  script: readonly Step[],
): Promise<{ readonly url: string; readonly wishes: Wishes }> {
  bench.sizes = smallPieces
  const url = bench.server.file(path, { size, etag: '"v1"', seed: 'old' })
  const delivered = await deliveredBy(bench, url)
  bench.server.change(path, { etag: '"v2"', seed: 'new', script })
  return { url, wishes: { ...many, ifExists: 'revalidate', delivered } }
}

test('a changed file comes over several connections, and the old one stays until it is whole', async () => {
  await using bench = await Bench.open()
  const { url, wishes } = await changed(bench, [stallAfter(firstBytes)])
  const before = await bench.read()
  const running = bench.run(url, wishes)
  const third = await bench.server.received(3)
  await bench.server.until(() => third.bytesSent > 0, 'bytes over a further connection')
  assert.ok((await bench.read()).equals(before))
  bench.server.release()
  assert.equal(expectKind(await running, 'finished').result.notModified, false)
  assert.ok((await bench.read()).equals(bench.server.bytes(path)))
  const [, first, ...further] = bench.server.requests
  assert.ok(first !== undefined && isConditional(first))
  assert.ok(further.length > 0 && further.every((request) => !isConditional(request)))
})

test('a newer file that is cut goes on by its own validator, and the old one is not asked about again', async () => {
  await using bench = await Bench.open()
  const { url, wishes } = await changed(bench, [cutAfter(firstBytes)])
  const before = await bench.read()
  const policy = { maximumSegments: 1 }
  expectKind(await bench.run(url, { ...wishes, policy }), 'failed')
  assert.ok((await bench.read()).equals(before))
  expectKind(await bench.run(url, { ...wishes, policy }), 'finished')
  const { headers } = bench.server.requests.at(-1)!
  assert.deepEqual(
    [headers['range'], headers['if-range'], headers['if-none-match']],
    [`bytes=${firstBytes}-`, '"v2"', undefined],
  )
  assert.ok((await bench.read()).equals(bench.server.bytes(path)))
})

test('a newer file that changes again while it comes is fetched from zero, and never joined with either', async () => {
  await using bench = await Bench.open()
  const policy = { maximumSegments: 1 }
  const { url, wishes } = await changed(bench, [cutAfter(firstBytes), other('newest', '"v3"')])
  expectKind(await bench.run(url, { ...wishes, policy }), 'failed')
  expectKind(await bench.run(url, { ...wishes, policy }), 'finished')
  bench.server.change(path, { seed: 'newest' })
  assert.ok((await bench.read()).equals(bench.server.bytes(path)))
  assert.deepEqual(bench.restartCauses, ['bytes changed'])
})

test('that another place, to which the address leads now, has an equal validator says nothing of the file here', async () => {
  await using bench = await Bench.open()
  for (const file of ['/1.bin', '/2.bin']) bench.server.file(file, { size, etag: '"v1"' })
  const url = bench.server.answers('/latest', redirect('/1.bin'), redirect('/2.bin'))
  const delivered = await deliveredBy(bench, url)
  const { result } = expectKind(await bench.run(url, { ifExists: 'revalidate', delivered }), 'finished')
  assert.equal(result.notModified, false)
  assert.ok((await bench.read()).equals(bench.server.bytes('/2.bin')))
})

for (const [validator, file, isAsked] of [
  ['a Last-Modified', { lastModified: 'Wed, 01 Jan 2020 00:00:00 GMT' }, false],
  ['a weak ETag', { etag: 'W/"v1"' }, false],
  ['a strong ETag', { etag: '"v1"' }, true],
] as const)
  test(`by ${validator} a file ${isAsked ? 'is asked about under another query' : 'is not asked about under another query, which may name another one'}`, async () => {
    await using bench = await Bench.open()
    const first = bench.server.file(`${path}?id=1`, { size, ...file })
    const second = bench.server.file(`${path}?id=2`, { size, ...file })
    const delivered = await deliveredBy(bench, first)
    const again = expectKind(await bench.run(first, { ifExists: 'revalidate', delivered }), 'finished')
    assert.equal(again.result.notModified, true)
    const other = expectKind(await bench.run(second, { ifExists: 'revalidate', delivered }), 'finished')
    assert.equal(other.result.notModified, isAsked)
  })

test('a file that only a close ended is fetched anew, as its validator would vouch for what may be missing', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file(path, { size, etag: '"v1"', framing: 'close' })
  const delivered = await deliveredBy(bench, url)
  const { result } = expectKind(await bench.run(url, { ifExists: 'revalidate', delivered }), 'finished')
  assert.deepEqual([result.notModified, result.lengthVerified], [false, false])
  assert.equal(bench.server.requests.at(-1)!.headers['if-none-match'], undefined)
})

test('a file that only a close ended is revalidated where its digest was verified', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file(path, { size, etag: '"v1"', framing: 'close' })
  const expectedDigests = [{ algorithm: 'sha-256' as const, hex: bench.server.digest(path) }]
  const delivered = await deliveredBy(bench, url, { expectedDigests })
  const wishes: Wishes = { ifExists: 'revalidate', delivered, expectedDigests }
  const { result } = expectKind(await bench.run(url, wishes), 'finished')
  assert.deepEqual([result.notModified, result.lengthVerified], [true, true])
})

test('a file of another length than is expected now is not asked about', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file(path, { size, etag: '"v1"' })
  const wishes: Wishes = { ifExists: 'revalidate', delivered: await deliveredBy(bench, url), expectedLength: size + 1 }
  const { error } = expectKind(await bench.run(url, wishes), 'failed')
  assert.equal(error.code, 'LENGTH_MISMATCH')
  assert.equal(bench.server.requests.at(-1)!.headers['if-none-match'], undefined)
})

test('where a server ignores the condition and sends the same again, that is the file', async () => {
  await using bench = await Bench.open()
  const { url, wishes } = await changed(bench, [withEtag(undefined)])
  bench.server.change(path, { seed: 'old' })
  const outcome = await bench.run(url, { ...wishes, policy: { maximumSegments: 1 } })
  assert.equal(expectKind(outcome, 'finished').result.notModified, false)
  assert.ok((await bench.read()).equals(bench.server.bytes(path)))
})

for (const code of [404, 412, 500])
  test(`status ${code} to the question whether a file has changed leaves the old one in its place`, async () => {
    await using bench = await Bench.open()
    const { url, wishes } = await changed(bench, [status(code)])
    const before = await bench.read()
    assert.equal(expectKind(await bench.run(url, wishes), 'failed').error.status, code)
    assert.ok((await bench.read()).equals(before))
    assert.deepEqual(await bench.names(), ['file.bin'])
  })
