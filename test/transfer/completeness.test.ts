/**
 * Section 8 of the contract: "complete" needs proof, and a body that is short, cut or too long fails its attempt. In every framing,
 * of one connection, of each of several, and of a resume whose bytes have gaps.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  badChunk,
  type Behaviour,
  claimLength,
  cutAfter,
  excess,
  framed,
  type Framing,
  raw,
  resetAfter,
  stallAfter,
  type Step,
  together,
} from '../../src/testing/index.ts'
import { Bench, expectKind } from './support/bench.ts'
import { downloadTold, filePath, moments, severalBytes } from './support/several.ts'

const path = '/a.bin'
const size = 300_000
const kept = 100_000
const framings: readonly Framing[] = ['length', 'chunked', 'close']

for (const framing of framings) {
  const proven = framing !== 'close'
  test(`a body framed by ${framing} that came to its end is ${proven ? 'proven to be' : 'not called'} complete`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file(path, { size, framing })
    assert.equal(expectKind(await bench.run(url), 'finished').result.lengthVerified, proven)
    assert.deepEqual(await bench.read(), bench.server.bytes(path))
  })

  for (const [how, breaks] of [
    ['cut', cutAfter],
    ['reset', resetAfter],
  ] as const) {
    if (framing === 'close' && how === 'cut') continue
    test(`a body framed by ${framing} that is ${how} fails the attempt and leaves nothing at the destination`, async () => {
      await using bench = await Bench.open()
      const url = bench.server.file(path, { size, script: [together(framed(framing), breaks(kept))] })
      const { error, failure } = expectKind(await bench.run(url), 'failed')
      assert.equal(error.code, 'NETWORK_CONNECTION_LOST')
      assert.deepEqual(failure, { kind: 'network' })
      assert.deepEqual(
        (await bench.names()).filter((name) => !name.startsWith('.')),
        [],
      )
      expectKind(await bench.run(url), 'finished')
      assert.deepEqual(await bench.read(), bench.server.bytes(path))
    })
  }
}

test('a body that only a close ends is complete when it had the expected length or digest', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file(path, { size, framing: 'close' })
  const expectedDigests = [{ algorithm: 'sha-256' as const, hex: bench.server.digest(path) }]
  const anew = { part: undefined, intent: undefined }
  for (const wishes of [{ expectedDigests }, { expectedLength: size }])
    assert.equal(expectKind(await bench.run(url, { ...anew, ...wishes }), 'finished').result.lengthVerified, true)
  const short = expectKind(await bench.run(url, { ...anew, expectedLength: size + 1 }), 'failed')
  assert.match(short.error.code, /^(?:NETWORK_CONNECTION_LOST|LENGTH_MISMATCH)$/)
})

test('a chunked body is complete with its last chunk and its trailers, and at no byte before', async () => {
  await using bench = await Bench.open()
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  const whole = `${head}4\r\nbody\r\n0\r\nX-One: 1\r\nX-Two: 2\r\n\r\n`
  for (let cut = head.length; cut < whole.length; cut++) {
    const outcome = await bench.run(bench.server.answers(path, raw(whole.slice(0, cut))), { part: undefined })
    assert.equal(
      expectKind(outcome, 'failed').error.code,
      'NETWORK_CONNECTION_LOST',
      `cut after ${whole.slice(0, cut)}`,
    )
  }
  assert.deepEqual(
    (await bench.names()).filter((name) => !name.startsWith('.')),
    [],
  )
  const { result } = expectKind(await bench.run(bench.server.answers(path, raw(whole))), 'finished')
  assert.equal(result.lengthVerified, true)
  assert.equal(String(await bench.read()), 'body')
})

for (const [what, step] of [
  ['behind its end', excess(50)],
  ['behind the last chunk', together(framed('chunked'), excess(50))],
  ['behind the length that it announced', claimLength(size - 5)],
] as const)
  for (const ranges of [true, false])
    test(`a body with bytes too many ${what} fails its attempt, and the file ${ranges ? 'with' : 'without'} ranges is right in the end`, async () => {
      await using bench = await Bench.open()
      const url = bench.server.file(path, { size, etag: '"v1"', ranges, script: [step] })
      const { error, failure } = expectKind(await bench.run(url), 'failed')
      assert.equal(error.code, 'LENGTH_MISMATCH')
      assert.deepEqual(failure, { kind: 'malformed' })
      assert.deepEqual(
        (await bench.names()).filter((name) => !name.startsWith('.')),
        [],
      )
      expectKind(await bench.run(url), 'finished')
      assert.deepEqual(await bench.read(), bench.server.bytes(path))
    })

const little = 30_000
const incomplete: Readonly<Record<string, Behaviour>> = {
  'is cut': cutAfter(little),
  'is reset': resetAfter(little),
  'stands still': stallAfter(little),
  'in chunks is cut': together(framed('chunked'), cutAfter(little)),
  'in chunks is reset': together(framed('chunked'), resetAfter(little)),
  'in chunks has a bad one': badChunk(little),
  'ended by a close is cut': together(framed('close'), cutAfter(little)),
  'ended by a close is reset': together(framed('close'), resetAfter(little)),
  'in chunks has bytes behind the last': together(framed('chunked'), excess(50)),
  'is longer than its length': excess(50),
}
for (const moment of moments)
  for (const [what, step] of Object.entries(incomplete))
    test(`a range to ${moment} that ${what} is never taken for whole`, async () => {
      await using bench = await Bench.open()
      expectKind(await downloadTold(bench, moment, { step, wishes: { policy: { stallMs: 200 } } }), 'finished')
      assert.ok((await bench.read()).equals(bench.server.bytes(filePath)))
      assert.deepEqual(await bench.names(), ['file.bin'])
      assert.equal(bench.further.size, 0, 'a connection was not given back')
    })

for (const moment of moments)
  for (const [what, more] of [
    ['fewer', -1000],
    ['more', 50],
  ] as const)
    test(`a range in chunks to ${moment} that has ${what} bytes than it says is never taken for whole`, async () => {
      await using bench = await Bench.open()
      const step: Step = ({ headers }) => {
        const [, from = '0', last = ''] = /^bytes=(\d+)-(\d*)$/.exec(headers['range'] ?? '') ?? []
        const to = last === '' ? severalBytes : Number(last) + 1
        const body = bench.server.bytes(filePath, Number(from), to - Number(from))
        const sent = more < 0 ? body.subarray(0, more) : Buffer.concat([body, Buffer.alloc(more, 'x')])
        const head = `HTTP/1.1 206 Partial Content\r\nETag: "v1"\r\nContent-Range: bytes ${from}-${to - 1}/${severalBytes}\r\n`
        const chunk = `Transfer-Encoding: chunked\r\n\r\n${sent.length.toString(16)}\r\n`
        return raw(Buffer.concat([Buffer.from(head + chunk), sent, Buffer.from('\r\n0\r\n\r\n')]))
      }
      expectKind(await downloadTold(bench, moment, { step }), 'finished')
      assert.ok((await bench.read()).equals(bench.server.bytes(filePath)))
    })
