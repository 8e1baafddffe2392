/** Bytes of two representations never meet in one file: each way in which a server may answer to a range request. */
import assert from 'node:assert/strict'
import { rename, truncate } from 'node:fs/promises'
import { test } from 'node:test'
import {
  cutAfter,
  framed,
  ignoreRange,
  lie,
  ok,
  other,
  status,
  wrongContentRange,
  type Behaviour,
  type FileOptions,
} from '../../src/testing/index.ts'
import { rangeCondition } from '../../src/transfer/download/representation.ts'
import { Bench, expectKind, type Wishes } from './support/bench.ts'

const path = '/a.bin'
const size = 600_000
const cut = 200_000
const old = 'Wed, 01 Jan 2020 00:00:00 GMT'

/** A first attempt that is cut, then one that goes on as the rest of the script says. */
async function cutThen(
  bench: Bench,
  file: Partial<FileOptions>,
  script: readonly Behaviour[],
  wishes: Wishes = {},
): Promise<Awaited<ReturnType<Bench['run']>>> {
  const url = bench.server.file(path, { size, ...file, script: [cutAfter(cut), ...script] })
  expectKind(await bench.run(url, wishes), 'failed')
  return bench.run(url, wishes)
}

test('goes on by a Last-Modified that is a minute older than its Date', async () => {
  await using bench = await Bench.open()
  expectKind(await cutThen(bench, { lastModified: old }, []), 'finished')
  const second = await bench.server.received(2)
  assert.equal(second.headers['range'], `bytes=${cut}-`)
  assert.equal(second.headers['if-range'], old)
  assert.equal(bench.proof, 'Last-Modified')
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

for (const [validator, file, goesOn] of [
  ['a Last-Modified', { lastModified: old }, false],
  ['a strong ETag', { etag: '"v1"', lastModified: old }, true],
] as const)
  test(`${validator} of another query ${goesOn ? 'proves that the bytes are the same' : 'proves nothing: it may be the date of a program'}`, async () => {
    await using bench = await Bench.open()
    bench.server.file(`${path}?id=1`, { size, ...file, script: [cutAfter(cut)] })
    const second = bench.server.file(`${path}?id=2`, { size, ...file, seed: goesOn ? path : 'another' })
    expectKind(await bench.run(second.replace('id=2', 'id=1')), 'failed')
    assert.equal(bench.part?.ranges.length, 1)
    const { result } = expectKind(await bench.run(second), 'finished')
    assert.equal(result.bytes, size)
    assert.equal(bench.proof, goesOn ? 'strong ETag' : undefined)
    if (!goesOn) assert.deepEqual(await bench.read(), bench.server.bytes(`${path}?id=2`))
  })

test('a Last-Modified younger than a minute proves nothing', async () => {
  await using bench = await Bench.open()
  expectKind(await cutThen(bench, { lastModified: new Date().toUTCString() }, []), 'finished')
  const second = await bench.server.received(2)
  assert.equal(second.headers['range'], undefined)
  assert.deepEqual(bench.said, ['reserve', 'reserve', 'intent'])
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('the minute is counted in whatever form of date the server writes, with a year of two digits too', () => {
  const proves = (lastModified: string, date: string): boolean =>
    rangeCondition({ acceptsRanges: true, lastModified, date }) !== undefined
  const now = ['Tue, 01 Dec 2026 08:50:37 GMT', 'Tuesday, 01-Dec-26 08:50:37 GMT', 'Tue Dec  1 08:50:37 2026']
  for (const date of now) {
    for (const lastModified of now) assert.equal(proves(lastModified, date), false, `${lastModified} at ${date}`)
    assert.equal(proves('Tuesday, 01-Dec-26 08:49:37 GMT', date), true, date)
    assert.equal(proves('Friday, 31-Dec-99 08:49:37 GMT', date), true, date)
  }
  assert.equal(proves('Friday, 31-Dec-99 23:00:00 GMT', 'Saturday, 01-Jan-00 00:00:00 GMT'), true)
})

test('a weak ETag proves nothing', async () => {
  await using bench = await Bench.open()
  expectKind(await cutThen(bench, { etag: 'W/"v1"' }, []), 'finished')
  assert.equal((await bench.server.received(2)).headers['range'], undefined)
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('a changed file starts from zero with the answer that showed the change', async () => {
  await using bench = await Bench.open()
  expectKind(await cutThen(bench, { etag: '"v1"' }, [other('second', '"v2"')]), 'finished')
  assert.equal(bench.server.requests.length, 2)
  assert.deepEqual(bench.restarts, ['the file on the server has changed'])
  assert.deepEqual(bench.restartCauses, ['bytes changed'])
  assert.equal(bench.resumedAt, undefined)
  bench.server.change(path, { seed: 'second' })
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
  assert.deepEqual(await bench.names(), ['file.bin'])
})

test('a server that ignores If-Range is asked once more with a plain range, and its answer compared', async () => {
  await using bench = await Bench.open()
  expectKind(await cutThen(bench, { etag: '"v1"' }, [ignoreRange()]), 'finished')
  const third = await bench.server.received(3)
  assert.equal(third.headers['range'], `bytes=${cut}-`)
  assert.equal(third.headers['if-range'], undefined)
  assert.equal(bench.proof, 'plain range')
  assert.deepEqual(bench.restarts, [])
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('a plain range that shows another ETag gives the kept bytes up', async () => {
  await using bench = await Bench.open()
  expectKind(
    await cutThen(bench, { etag: '"v1"' }, [ignoreRange(), other('second', '"v2"'), other('second', '"v2"')]),
    'finished',
  )
  assert.equal(bench.restarts.length, 1)
  bench.server.change(path, { seed: 'second' })
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('a server without ranges sends the whole file, twice asked, and it is taken', async () => {
  await using bench = await Bench.open()
  expectKind(await cutThen(bench, { etag: '"v1"', ranges: false }, []), 'finished')
  assert.equal(bench.server.requests.length, 3)
  assert.deepEqual(bench.restarts, ['the server does not give ranges of this file'])
  assert.deepEqual(bench.restartCauses, ['cannot go on'], 'the bytes may be the same')
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

const unfit: Readonly<Record<string, Behaviour>> = {
  'another start': wrongContentRange({ start: cut + 1 }),
  'another start and no length': { ...framed('chunked'), ...wrongContentRange({ start: cut + 1 }) },
  'another total': wrongContentRange({ total: size + 1 }),
  'an unknown total': wrongContentRange({ total: '*' }),
  'another ETag': { status: 206, etag: '"v2"' },
  'no ETag': { headers: { ETag: undefined } },
  'no Content-Range': { headers: { 'Content-Range': undefined } },
  'an end that contradicts its length': wrongContentRange({ end: size - 2 }),
  'a coding': { headers: { 'Content-Encoding': 'gzip' } },
  'many parts': { headers: { 'Content-Type': 'multipart/byteranges; boundary=x' } },
}
for (const [name, behaviour] of Object.entries(unfit)) {
  test(`a 206 with ${name} is not joined`, async () => {
    await using bench = await Bench.open()
    const outcome = await cutThen(bench, { etag: '"v1"' }, [behaviour])
    expectKind(outcome, 'finished')
    assert.equal(bench.restarts.length, 1)
    assert.equal(bench.resumedAt, undefined)
    assert.deepEqual(bench.restartCauses, [/another (total|ETag)/.test(name) ? 'bytes changed' : 'cannot go on'])
    assert.equal((await bench.server.received(3)).headers['range'], undefined)
    assert.deepEqual(await bench.read(), bench.server.bytes(path))
  })

  test(`a 206 with ${name} is not joined either where it answers the plain range after If-Range got a 200`, async () => {
    await using bench = await Bench.open()
    expectKind(await cutThen(bench, { etag: '"v1"' }, [ignoreRange(), behaviour]), 'finished')
    const { headers } = await bench.server.received(3)
    assert.deepEqual([headers['range'], headers['if-range']], [`bytes=${cut}-`, undefined])
    assert.equal(bench.restarts.length, 1)
    assert.equal(bench.resumedAt, undefined)
    assert.equal((await bench.server.received(4)).headers['range'], undefined)
    assert.deepEqual(await bench.read(), bench.server.bytes(path))
  })
}

test('with an expected digest and an equal total bytes go on without validators', async () => {
  await using bench = await Bench.open()
  bench.server.file(path, { size })
  const wishes = { expectedDigests: [{ algorithm: 'sha-256' as const, hex: bench.server.digest(path) }] }
  const outcome = expectKind(await cutThen(bench, {}, [], wishes), 'finished')
  assert.equal(bench.proof, 'digest')
  assert.equal(bench.resumedAt, cut)
  assert.equal(outcome.result.digest, `sha-256:${bench.server.digest(path)}`)
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('with an expected digest but another total nothing is joined', async () => {
  await using bench = await Bench.open()
  bench.server.file(path, { size })
  const wishes = { expectedDigests: [{ algorithm: 'sha-256' as const, hex: bench.server.digest(path) }] }
  expectKind(await cutThen(bench, {}, [wrongContentRange({ total: size + 5 })], wishes), 'finished')
  assert.equal(bench.restarts.length, 1)
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('a mirror that lies under old validators is caught by the digest, and nothing is published', async () => {
  await using bench = await Bench.open()
  bench.server.file(path, { size })
  const wishes = { expectedDigests: [{ algorithm: 'sha-256' as const, hex: bench.server.digest(path) }] }
  const outcome = expectKind(await cutThen(bench, { etag: '"v1"' }, [lie('other bytes')], wishes), 'failed')
  assert.equal(outcome.error.code, 'DIGEST_MISMATCH')
  assert.deepEqual(outcome.failure, { kind: 'digest', joined: true })
  assert.equal(bench.restarts.length, 1)
  assert.deepEqual(await bench.names(), [])
  expectKind(await bench.run(bench.server.url(path), wishes), 'finished')
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('a digest that is wrong in one piece is told as such', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file(path, { size: 1000 })
  const expectedDigests = [{ algorithm: 'sha-256' as const, hex: '0'.repeat(64) }]
  const outcome = expectKind(await bench.run(url, { expectedDigests }), 'failed')
  assert.equal(outcome.error.code, 'DIGEST_MISMATCH')
  assert.deepEqual(outcome.failure, { kind: 'digest', joined: false })
  assert.deepEqual(await bench.names(), [])
})

test('a digest that the server announces is verified', async () => {
  await using bench = await Bench.open()
  const base64 = (hex: string): string => `sha-256=:${Buffer.from(hex, 'hex').toString('base64')}:`
  bench.server.file(path, { size: 1000 })
  const right = bench.server.digest(path)
  const good = bench.server.file(path, { size: 1000, headers: { 'Repr-Digest': base64(right) } })
  assert.equal(expectKind(await bench.run(good), 'finished').result.digest, `sha-256:${right}`)
  const bad = bench.server.file('/b', { size: 1000, headers: { 'Repr-Digest': base64('ab'.repeat(32)) } })
  const outcome = expectKind(await bench.run(bad, { part: undefined, intent: undefined, name: 'b' }), 'failed')
  assert.equal(outcome.error.code, 'DIGEST_MISMATCH')
})

test('a body that was closed without proof of its end is whole when its digest agrees', async () => {
  await using bench = await Bench.open()
  bench.server.file(path, { size })
  const url = bench.server.file(path, { size, framing: 'close' })
  const expectedDigests = [{ algorithm: 'sha-256' as const, hex: bench.server.digest(path) }]
  assert.equal(expectKind(await bench.run(url, { expectedDigests }), 'finished').result.lengthVerified, true)
})

test('a 416 gives the kept bytes up', async () => {
  await using bench = await Bench.open()
  expectKind(await cutThen(bench, { etag: '"v1"' }, [status(416, { 'Content-Range': 'bytes */100' })]), 'finished')
  assert.equal(bench.restarts.length, 1)
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('a refusal while going on costs no kept byte', async () => {
  await using bench = await Bench.open()
  const outcome = expectKind(await cutThen(bench, { etag: '"v1"' }, [status(503), ok()]), 'failed')
  assert.equal(outcome.failure.kind, 'network')
  assert.deepEqual(bench.part?.ranges, [[0, cut]])
  expectKind(await bench.run(bench.server.url(path)), 'finished')
  assert.equal(bench.resumedAt, cut)
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

const unexpected: Readonly<Record<string, readonly Behaviour[]>> = {
  'of another length': [status(200, {}, 'please log in')],
  'of another digest': [
    { status: 200, headers: { 'Repr-Digest': `sha-256=:${Buffer.alloc(32).toString('base64')}:` } },
  ],
  'of another length after a 416': [status(416), status(200, {}, 'please log in')],
  'of another length after a range that does not fit': [
    { headers: { 'Content-Range': undefined } },
    status(200, {}, 'please log in'),
  ],
}
for (const [name, script] of Object.entries(unexpected)) {
  test(`a whole file that is not the one expected costs no kept byte: ${name}`, async () => {
    await using bench = await Bench.open()
    bench.server.file(path, { size })
    const expectedDigests = [{ algorithm: 'sha-256' as const, hex: bench.server.digest(path) }]
    const wishes = { expectedLength: size, expectedDigests }
    const failed = expectKind(await cutThen(bench, { etag: '"v1"' }, script, wishes), 'failed')
    assert.match(failed.error.code, /^(LENGTH|DIGEST)_MISMATCH$/)
    assert.deepEqual(bench.restarts, [])
    expectKind(await bench.run(bench.server.url(path), wishes), 'finished')
    assert.equal(bench.resumedAt, cut)
    assert.deepEqual(await bench.read(), bench.server.bytes(path))
  })
}

test('a 206 to a plain request is malformed', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file(path, { size, script: [{ status: 206 }] })
  const outcome = expectKind(await bench.run(url), 'failed')
  assert.equal(outcome.error.code, 'BAD_SERVER_RESPONSE')
  assert.equal(outcome.failure.kind, 'malformed')
  assert.deepEqual(await bench.names(), [])
})

test('a chunked body that was cut goes on when its ETag can prove it', async () => {
  await using bench = await Bench.open()
  const script = [{ ...framed('chunked'), ...cutAfter(cut) }]
  const url = bench.server.file(path, { size, etag: '"v1"', script })
  expectKind(await bench.run(url), 'failed')
  assert.deepEqual(bench.part?.ranges, [[0, cut]])
  expectKind(await bench.run(url), 'finished')
  // The end is not known, so the last byte is asked for again: a range behind the end would prove nothing.
  assert.equal((await bench.server.received(2)).headers['range'], `bytes=${cut - 1}-`)
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('where nobody ever said how long the whole is, nothing is joined', async () => {
  await using bench = await Bench.open()
  const script = [{ ...framed('chunked'), ...cutAfter(cut) }, wrongContentRange({ total: '*' })]
  const url = bench.server.file(path, { size, etag: '"v1"', script })
  expectKind(await bench.run(url), 'failed')
  expectKind(await bench.run(url), 'finished')
  assert.deepEqual(bench.restarts, ['the server did not say how long the whole is'])
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('a part that was whole is proven by its last byte alone', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file(path, { size, etag: '"v1"' })
  const stopped = await bench.run(url, {}, { report: { intent: async () => 'fenced' } })
  expectKind(stopped, 'fenced')
  const found = await bench.world.files.folder(bench.folder)
  const identity = (await found.look(bench.part!.name))!
  await found.close()
  bench.part = { ...bench.part!, identity, ranges: [[0, size]], representation: bench.representation! }
  expectKind(await bench.run(url), 'finished')
  assert.equal((await bench.server.received(2)).headers['range'], `bytes=${size - 1}-`)
  assert.equal(bench.server.bytesSent(path), size + 1)
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('a coded body is stored as it came, and never gone on from', async () => {
  await using bench = await Bench.open()
  const coded = { headers: { 'Content-Encoding': 'gzip' } }
  const outcome = await cutThen(bench, { etag: '"v1"', ...coded }, [])
  expectKind(outcome, 'finished')
  assert.equal((await bench.server.received(2)).headers['range'], undefined)
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

for (const [what, spoil] of Object.entries({
  'was replaced by another file': async (part: string) => {
    await rename(part, `${part}.away`)
    await (await import('node:fs/promises')).writeFile(part, Buffer.alloc(size, 1))
  },
  'was cut short': (part: string) => truncate(part, cut - 1),
  'is gone': (part: string) => rename(part, `${part}.away`),
})) {
  test(`a part file that ${what} is not gone on from`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file(path, { size, etag: '"v1"', script: [cutAfter(cut)] })
    expectKind(await bench.run(url), 'failed')
    await spoil(bench.path(bench.part!.name))
    expectKind(await bench.run(url), 'finished')
    assert.equal(bench.restarts.length, 1)
    assert.equal((await bench.server.received(2)).headers['range'], undefined)
    assert.deepEqual(await bench.read(), bench.server.bytes(path))
  })
}

test('bytes behind the end that no attempt counted do not stay in the file', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file(path, { size, etag: '"v1"', script: [cutAfter(cut)] })
  expectKind(await bench.run(url), 'failed')
  await truncate(bench.path(bench.part!.name), size + 1000)
  expectKind(await bench.run(url), 'finished')
  assert.equal(bench.resumedAt, cut)
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('says that it goes on before the first of those bytes is laid', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file(path, { size, etag: '"v1"', script: [cutAfter(cut)] })
  expectKind(await bench.run(url), 'failed')
  bench.said.length = 0
  const outcome = await bench.run(url, {}, { report: { resumed: async () => 'fenced' } })
  expectKind(outcome, 'fenced')
  assert.deepEqual(bench.said, ['reserve'])
  assert.equal((await bench.read(bench.part!.name)).length, cut)
})
