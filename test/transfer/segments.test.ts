import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  busy,
  cutAfter,
  drip,
  FaultServer,
  ignoreRange,
  other,
  otherRange,
  redirect,
  resetAfter,
  stallAfter,
  stallBeforeHead,
  status,
  type Step,
  withEtag,
  wrongContentRange,
} from '../../src/testing/index.ts'
import { FileFailure } from '../../src/world/file-system.ts'
import { testCertificate } from '../support/certificates.ts'
import { passed, VirtualClock } from '../support/virtual-clock.ts'
import { Bench, expectKind } from './support/bench.ts'
import { leapingClock } from './support/leaping-clock.ts'
import { firstBytes, severalBytes, smallPieces } from './support/several.ts'
import { watchedFiles } from './support/watched-files.ts'

const mebibyte = 1024 * 1024
const size = 20 * mebibyte
const several = { policy: { maximumSegments: 4 } }

/** The ranges that were asked for, in order. */
function asked(bench: Bench): readonly (string | undefined)[] {
  return bench.server.requests.map((request) => request.headers['range'])
}

function mostAtOnce(bench: Bench): number {
  return new Set(bench.server.requests.map((request) => request.connection)).size
}

test('a large file comes over several connections, each range with its proof', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size, etag: '"v1"' })
  const outcome = expectKind(await bench.run(url, several), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  assert.equal(outcome.result.lengthVerified, true)
  assert.ok(mostAtOnce(bench) > 1, 'one connection only')
  const ranges = bench.server.requests.slice(1)
  assert.ok(ranges.every(({ headers }) => headers['range'] !== undefined && headers['if-range'] === '"v1"'))
  assert.equal(asked(bench)[0], undefined)
  assert.deepEqual(await bench.names(), ['file.bin'])
  assert.equal(bench.further.size, 0, 'a connection was not given back')
})

test('an address that leads to two files in turn, with equal validators, gives one of them', async () => {
  await using bench = await Bench.open()
  for (const file of ['/1.bin', '/2.bin']) bench.server.file(file, { size, etag: '"v1"' })
  let asked = 0
  const url = bench.server.answers('/either', () => redirect(asked++ % 2 === 0 ? '/1.bin' : '/2.bin'))
  expectKind(await bench.run(url, several), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/1.bin')))
  assert.ok(bench.server.requestsFor('/either').length > 1, 'it was not asked twice')
})

test('a file below 8 MiB comes over one connection', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size: 8 * mebibyte - 1, etag: '"v1"' })
  expectKind(await bench.run(url, several), 'finished')
  assert.equal(bench.server.requests.length, 1)
})

for (const [what, options] of [
  ['without ranges', { etag: '"v1"', ranges: false }],
  ['with a weak ETag', { etag: 'W/"v1"' }],
  ['without a validator', {}],
  ['of unknown length', { etag: '"v1"', framing: 'chunked' }],
] as const)
  test(`a file ${what} comes over one connection`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file('/a.bin', { size, ...options })
    expectKind(await bench.run(url, several), 'finished')
    assert.equal(bench.server.requests.length, 1)
    assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  })

test('where no further connection is to be had, one brings the whole file', async () => {
  await using bench = await Bench.open()
  bench.furtherConnections = 0
  const url = bench.server.file('/a.bin', { size, etag: '"v1"' })
  expectKind(await bench.run(url, several), 'finished')
  assert.equal(bench.server.requests.length, 1)
})

for (const [what, lie] of [
  ['ignores the range', ignoreRange()],
  ['names another start', wrongContentRange({ start: 5 })],
  ['names another total', wrongContentRange({ total: 17 })],
  ['has another ETag', withEtag('"v2"')],
  ['is of other bytes', other('x', '"v2"')],
  ['has no ETag', withEtag(undefined)],
  ['is 403', status(403)],
  ['is 429', status(429, { 'Retry-After': '60' })],
  ['is 503', status(503)],
  ['is 500', status(500)],
  ['is 416', status(416, { 'Content-Range': 'bytes */20971520' })],
  ['is cut at once', cutAfter(0)],
  ['is reset at once', resetAfter(0)],
] as const)
  test(`a further connection whose answer ${what} costs nothing: the first brings the file`, async () => {
    await using bench = await Bench.open()
    const script = [stallAfter(mebibyte), ...Array.from({ length: 20 }, () => lie)]
    const url = bench.server.file('/a.bin', { size, etag: '"v1"', script })
    const gaveUp = Promise.withResolvers<void>()
    const paper = bench.report()
    const more = (giveUp: () => void): (() => void) | undefined => {
      const release = paper.more(giveUp)
      return release && (() => gaveUp.resolve(release()))
    }
    const running = bench.run(url, several, { report: { more } })
    // Until then the first stands still: at the end of its piece it would be closed while another seems to bring the next.
    await Promise.all([gaveUp.promise, bench.handedOver(mebibyte)])
    bench.server.release()
    expectKind(await running, 'finished')
    assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
    assert.deepEqual(bench.restarts, [])
    assert.equal(bench.further.size, 0, 'a connection was not given back')
  })

test('where no further connection was to be had at first, one is taken as soon as there is room', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size, etag: '"v1"', script: [drip(mebibyte, 20)] })
  let asked = 0
  const more = (): (() => void) | undefined => (asked++ === 0 ? undefined : () => {})
  expectKind(await bench.run(url, several, { report: { more } }), 'finished')
  assert.ok(mostAtOnce(bench) > 1, 'one connection only')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
})

test('while a further connection is not answered, the first goes on to the end', async () => {
  await using bench = await Bench.open()
  const script = [{}, ...Array.from({ length: 20 }, () => stallBeforeHead())]
  const url = bench.server.file('/a.bin', { size, etag: '"v1"', script })
  const policy = { ...several.policy, stallMs: 1000 }
  expectKind(await bench.run(url, { policy }), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
})

for (const [what, lead] of [
  ['into a loop', (bench: Bench) => bench.server.answers('/loop', redirect('/loop'))],
  ['to a scheme that is not followed', () => 'ftp://127.0.0.1/a.bin'],
  ['to a certificate that nobody trusts', (_: Bench, secure: FaultServer) => secure.url('/a.bin')],
] as const)
  test(`a further connection that the link leads ${what} costs nothing: the first brings the file`, async () => {
    await using bench = await Bench.open()
    await using secure = await FaultServer.start({ tls: testCertificate('self-signed') })
    bench.sizes = smallPieces
    const file = bench.server.file('/a.bin', { size: severalBytes, etag: '"v1"', script: [stallAfter(firstBytes)] })
    const url = bench.server.answers('/link', redirect(file), redirect(lead(bench, secure)))
    const gaveUp = Promise.withResolvers<void>()
    const running = bench.run(url, several, { report: { more: () => gaveUp.resolve } })
    await Promise.all([gaveUp.promise, bench.handedOver(firstBytes)])
    bench.server.release()
    expectKind(await running, 'finished')
    assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  })

/** Gives so many bytes of each range, whatever was asked for. */
const atMost =
  (bytes: number): Step =>
  ({ headers }) => {
    const from = Number(/^bytes=(\d+)-/.exec(headers['range'] ?? '')?.[1])
    return otherRange(from, Math.min(severalBytes, from + bytes))
  }

test('a further connection that is given a byte of its range is not asked for byte after byte', async () => {
  await using bench = await Bench.open()
  bench.sizes = smallPieces
  const script = [stallAfter(firstBytes), ...Array.from({ length: 20 }, () => atMost(1))]
  const url = bench.server.file('/a.bin', { size: severalBytes, etag: '"v1"', script })
  const gaveUp = Promise.withResolvers<void>()
  const running = bench.run(url, several, { report: { more: () => gaveUp.resolve } })
  await Promise.all([gaveUp.promise, bench.handedOver(firstBytes)])
  bench.server.release()
  expectKind(await running, 'finished')
  assert.equal(bench.server.requests.length, 2)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
})

test('the connection that is left asks on where it is given 64 KiB at a time, and ends the attempt where it is given a byte', async () => {
  await using bench = await Bench.open()
  const script = [cutAfter(firstBytes), ...Array.from({ length: 20 }, () => atMost(1))]
  const url = bench.server.file('/a.bin', { size: severalBytes, etag: '"v1"', script, afterwards: atMost(64 * 1024) })
  expectKind(await bench.run(url), 'failed')
  const { failure } = expectKind(await bench.run(url), 'failed')
  assert.deepEqual(failure, { kind: 'network' })
  assert.equal(bench.server.requests.length, 3)
  bench.server.change('/a.bin', { script: [] })
  expectKind(await bench.run(url), 'finished')
  assert.equal(bench.resumedAt, firstBytes + 1)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
})

test('a server that refused a further connection and asked for an hour is not asked again after a minute', async () => {
  await using bench = await Bench.open()
  bench.sizes = smallPieces
  const file = { size: severalBytes, etag: '"v1"', script: [stallAfter(firstBytes), busy(429, 3600)] }
  const url = bench.server.file('/a.bin', file)
  const { clock, leap } = leapingClock(bench.world.clock)
  const refused = Promise.withResolvers<void>()
  const running = bench.run(url, several, { world: { clock }, report: { more: () => refused.resolve } })
  await Promise.all([refused.promise, bench.handedOver(firstBytes)])
  leap(61_000)
  bench.server.release()
  expectKind(await running, 'finished')
  assert.equal(bench.server.requests.length, 2)
})

for (const [what, lie] of [
  ['is the whole file', ignoreRange()],
  ['is 403', status(403)],
  ['is 416', status(416, { 'Content-Range': `bytes */${severalBytes}` })],
  ['is 503', status(503)],
  ['is 500', status(500)],
] as const)
  test(`a server whose answer to a further connection ${what} is given one, however long the first takes`, async () => {
    await using bench = await Bench.open()
    bench.sizes = smallPieces
    const stalls = [stallAfter(firstBytes), ...Array.from({ length: 20 }, () => lie)]
    const url = bench.server.file('/a.bin', { size: severalBytes, etag: '"v1"', script: stalls })
    const { clock, leap } = leapingClock(bench.world.clock)
    const refused = Promise.withResolvers<void>()
    const running = bench.run(url, several, { world: { clock }, report: { more: () => refused.resolve } })
    await Promise.all([refused.promise, bench.handedOver(firstBytes)])
    leap(3_600_000)
    bench.server.release()
    expectKind(await running, 'finished')
    assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
    assert.equal(bench.server.requests.length, 2, 'it was asked for a further one again')
  })

test('what a connection that broke off left is fetched by the others', async () => {
  await using bench = await Bench.open()
  const script = [{}, cutAfter(mebibyte)]
  const url = bench.server.file('/a.bin', { size, etag: '"v1"', script })
  expectKind(await bench.run(url, several), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
})

test('an attempt whose connections all break off keeps what each had, and the next fetches only the gaps', async () => {
  await using bench = await Bench.open()
  const script = [cutAfter(3 * mebibyte), ...Array.from({ length: 20 }, () => cutAfter(2 * mebibyte))]
  const url = bench.server.file('/a.bin', { size, etag: '"v1"', script })
  expectKind(await bench.run(url, several), 'failed')
  const ranges = bench.part?.ranges ?? []
  assert.ok(ranges.length > 1, `one range only: ${JSON.stringify(ranges)}`)
  const had = ranges.reduce((sum, [from, to]) => sum + to - from, 0)
  bench.server.change('/a.bin', { script: [] })
  const before = bench.server.requests.length
  const outcome = expectKind(await bench.run(url, several), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  assert.equal(bench.resumedAt, had)
  const first = bench.server.requests[before]!
  assert.equal(first.headers['range'], `bytes=${ranges[0]![1]}-${ranges[1]![0] - 1}`)
  assert.ok(outcome.measure.bytes < size - had + 8 * mebibyte, 'much was fetched twice')
})

test('a stop ends every connection and keeps what they had', async () => {
  await using bench = await Bench.open()
  const script = Array.from({ length: 20 }, () => stallAfter(2 * mebibyte))
  const url = bench.server.file('/a.bin', { size, etag: '"v1"', script })
  const stopping = new AbortController()
  const running = bench.run(url, several, { signal: stopping.signal })
  await bench.handedOver(4 * mebibyte)
  stopping.abort()
  expectKind(await running, 'stopped')
  assert.ok((bench.part?.ranges.length ?? 0) > 1)
  assert.equal(bench.further.size, 0)
})

test('a connection that another task needs is given back at once', async () => {
  await using bench = await Bench.open()
  const script = [stallAfter(2 * mebibyte), stallAfter(2 * mebibyte)]
  const url = bench.server.file('/a.bin', { size, etag: '"v1"', script })
  bench.furtherConnections = 1
  const running = bench.run(url, several)
  await bench.handedOver(4 * mebibyte)
  bench.furtherConnections = 0
  const [giveUp] = bench.further
  giveUp!()
  bench.server.release()
  expectKind(await running, 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  assert.equal(bench.further.size, 0)
})

test('after three restarts without gain, one connection fetches the file', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size, etag: '"v1"' })
  expectKind(await bench.run(url, { ...several, restarts: 3 }), 'finished')
  assert.equal(bench.server.requests.length, 1)
})

test('bytes of two representations never meet, whichever of several connections meets the change', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size, etag: '"v1"', script: [cutAfter(10 * mebibyte)] })
  const before = bench.server.bytes('/a.bin')
  const running = bench.run(url, several)
  await bench.handedOver(8 * mebibyte)
  bench.server.change('/a.bin', { seed: 'other', etag: '"v2"' })
  const outcome = await running
  if (outcome.kind === 'finished') assert.ok((await bench.read()).equals(before))
  else {
    expectKind(await bench.run(url, several), 'finished')
    assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  }
})

test('a bandwidth limit over several connections that share their memory for reading leaves every byte right', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size, etag: '"v1"' })
  const policy = { ...several.policy, bandwidthLimit: 40_000_000 }
  expectKind(await bench.run(url, { policy }), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
})

for (const reason of ['input/output', 'too many open files', 'busy'] as const)
  test(`one write that fails with "${reason}" leaves no hole, whichever it is`, async () => {
    for (const nth of [0, 4, 9]) {
      await using bench = await Bench.open()
      const url = bench.server.file('/a.bin', { size, etag: '"v1"' })
      let writes = 0
      const files = watchedFiles(bench.world.files, {
        before: (call, name) => {
          if (call === 'file write' && writes++ === nth) throw new FileFailure(reason, name)
        },
      })
      expectKind(await bench.run(url, several, { world: { files } }), 'failed')
      expectKind(await bench.run(url, several), 'finished')
      assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
    }
  })

for (const [what, lie] of [
  ['answers nobody else before the first has ended', stallBeforeHead()],
  // A further connection has joined when it has brought a byte.
  ['gives a head and no body for each range', stallAfter(0)],
] as const)
  test(`a server that ${what} costs two seconds, not a stall timeout`, async () => {
    await using bench = await Bench.open()
    const script = [{}, ...Array.from({ length: 20 }, () => lie)]
    const url = bench.server.file('/a.bin', { size, etag: '"v1"', script })
    const clock = new VirtualClock()
    const stallMs = 60 * 60_000
    const running = bench.run(url, { policy: { ...several.policy, stallMs } }, { world: { clock } })
    assert.ok((await passed(clock, running)) < stallMs)
    expectKind(await running, 'finished')
    assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
    assert.equal(bench.further.size, 0)
  })

test(
  'a connection that falls silent does not hold up a file of which the others have fetched all else',
  { timeout: 20_000 },
  async () => {
    await using bench = await Bench.open()
    bench.sizes = smallPieces
    const script = [{}, stallAfter(firstBytes)]
    const url = bench.server.file('/a.bin', { size: severalBytes, etag: '"v1"', script })
    const { clock, leap } = leapingClock(bench.world.clock)
    const policy = { ...several.policy, stallMs: 60 * 60_000 }
    const running = bench.run(url, { policy }, { world: { clock } })
    const isHalved = (): boolean => {
      const [, stalled, ...later] = asked(bench).map((range) => range?.match(/\d+/g)?.map(Number))
      return later.some((range) => range![0]! > stalled![0]! + firstBytes && range![1] === stalled![1])
    }
    await bench.server.until(isHalved, 'half of what it has not brought is asked for')
    await bench.handedOver(severalBytes - smallPieces.smallestSplit)
    leap(4000)
    expectKind(await running, 'finished')
    assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
    assert.equal(bench.further.size, 0)
  },
)

test('where such a server gave the first only a part of what was asked, the first asks it for the rest', async () => {
  await using bench = await Bench.open()
  bench.sizes = smallPieces
  const ends = firstBytes + 600 * 1024
  const script = [cutAfter(firstBytes), otherRange(firstBytes, ends), stallBeforeHead()]
  const url = bench.server.file('/a.bin', { size: severalBytes, etag: '"v1"', script })
  expectKind(await bench.run(url), 'failed')
  const clock = new VirtualClock()
  const policy = { ...several.policy, stallMs: 60 * 60_000 }
  const running = bench.run(url, { policy }, { world: { clock } })
  await passed(clock, running)
  expectKind(await running, 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  assert.ok(asked(bench)[3]?.startsWith(`bytes=${ends}-`))
})
