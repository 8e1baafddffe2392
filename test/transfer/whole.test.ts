import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { test } from 'node:test'
import { cutAfter, framed } from '../../src/testing/index.ts'
import { Bench, expectKind } from './support/bench.ts'

test('brings a whole file to its place and leaves nothing else', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size: 5_000_000, etag: '"v1"' })
  const outcome = expectKind(await bench.run(url), 'finished')
  assert.deepEqual(await bench.read(), bench.server.bytes('/a.bin'))
  assert.deepEqual(await bench.names(), ['file.bin'])
  assert.deepEqual(outcome.result, {
    path: bench.path(),
    bytes: 5_000_000,
    lengthVerified: true,
    notModified: false,
  })
  assert.equal(outcome.measure.bytes, 5_000_000)
  assert.equal(outcome.measure.transactions.length, 1)
  assert.deepEqual(bench.said, ['reserve', 'intent'])
})

test('a short file needs no connection any more while its name is being reserved', async () => {
  await using bench = await Bench.open()
  const paper = bench.report()
  const told = Promise.withResolvers<void>()
  const report = {
    fetched: () => {
      paper.fetched()
      told.resolve()
    },
    reserve: async (facts: Parameters<typeof paper.reserve>[0]) => {
      await told.promise
      return paper.reserve(facts)
    },
  }
  const url = bench.server.file('/a.bin', { size: 16_384 })
  expectKind(await bench.run(url, {}, { report }), 'finished')
  assert.deepEqual(await bench.read(), bench.server.bytes('/a.bin'))
})

test('sends accept, accept-encoding and user-agent unless the request has its own', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size: 10 })
  expectKind(await bench.run(url), 'finished')
  const first = await bench.server.received(1)
  assert.equal(first.headers['accept'], '*/*')
  assert.equal(first.headers['accept-encoding'], 'identity')
  assert.match(first.headers['user-agent'] ?? '', /longhaul/)
  assert.equal(first.headers['range'], undefined)
  expectKind(
    await bench.run(url, {
      headers: [
        ['Accept', 'text/plain'],
        ['User-Agent', 'mine'],
      ],
      intent: undefined,
      part: undefined,
    }),
    'finished',
  )
  const second = await bench.server.received(2)
  assert.equal(second.headers['accept'], 'text/plain')
  assert.equal(second.headers['user-agent'], 'mine')
})

test('gives the file the mode 0666 less the umask', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size: 10 })
  expectKind(await bench.run(url, { umask: 0o027 }), 'finished')
  assert.equal((await stat(bench.path())).mode & 0o777, 0o640)
})

test('takes a chunked body whose last chunk came as whole, and one that was closed as not verified', async () => {
  await using bench = await Bench.open()
  const chunked = bench.server.file('/chunked', { size: 300_000, framing: 'chunked' })
  const closed = bench.server.file('/closed', { size: 300_000, framing: 'close' })
  assert.equal(expectKind(await bench.run(chunked), 'finished').result.lengthVerified, true)
  const outcome = expectKind(
    await bench.run(closed, { part: undefined, intent: undefined, name: 'other.bin' }),
    'finished',
  )
  assert.equal(outcome.result.lengthVerified, false)
  assert.deepEqual(await bench.read('other.bin'), bench.server.bytes('/closed'))
})

test('an empty file is a file', async () => {
  await using bench = await Bench.open()
  for (const framing of ['length', 'chunked', 'close'] as const) {
    const url = bench.server.file(`/${framing}`, { size: 0, framing })
    const outcome = expectKind(await bench.run(url, { name: framing, part: undefined, intent: undefined }), 'finished')
    assert.equal(outcome.result.bytes, 0)
    assert.equal((await bench.read(framing)).length, 0)
  }
})

test('goes on after a cut with proof by the strong ETag', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size: 3_000_000, etag: '"v1"', script: [cutAfter(1_500_000)] })
  const failed = expectKind(await bench.run(url), 'failed')
  assert.equal(failed.error.code, 'NETWORK_CONNECTION_LOST')
  assert.equal(failed.failure.kind, 'network')
  assert.equal(failed.progressed, true)
  assert.deepEqual(bench.part?.ranges, [[0, 1_500_000]])
  expectKind(await bench.run(url), 'finished')
  const second = await bench.server.received(2)
  assert.equal(second.headers['range'], 'bytes=1500000-')
  assert.equal(second.headers['if-range'], '"v1"')
  assert.equal(bench.resumedAt, 1_500_000)
  assert.equal(bench.proof, 'strong ETag')
  assert.deepEqual(await bench.read(), bench.server.bytes('/a.bin'))
  assert.deepEqual(await bench.names(), ['file.bin'])
  assert.equal(bench.server.bytesSent('/a.bin'), 3_000_000)
})

test('a chunked body that is cut is not taken for whole', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size: 400_000, script: [{ ...framed('chunked'), ...cutAfter(200_000) }] })
  const failed = expectKind(await bench.run(url), 'failed')
  assert.equal(failed.error.code, 'NETWORK_CONNECTION_LOST')
  assert.equal(failed.progressed, false)
  assert.deepEqual(await bench.names(), [])
})
