/**
 * A link that leads to another mirror each time it is asked. No mirror can prove that its bytes are those of another, so the one
 * that served first is asked for the rest: with its own proof, and with nothing that a redirect would not have taken there.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  cutAfter,
  FaultServer,
  ignoreRange,
  lie,
  otherValidator,
  redirect,
  refuseRange,
  resized,
  stallAfter,
  stallBeforeHead,
  status,
  together,
  withEtag,
  wrongDigest,
  type Step,
} from '../../src/testing/index.ts'
import { join, type JoiningFacts } from '../../src/transfer/download/joining.ts'
import { ask } from '../../src/transfer/http/request.ts'
import { Measures } from '../../src/transfer/measures.ts'
import { Bench, expectKind } from './support/bench.ts'
import { firstBytes, severalBytes, smallPieces } from './support/several.ts'

const size = 600_000
const kept = 200_000
const path = '/file.bin'

/** Two mirrors with other bytes under one path, so that a byte from the wrong one shows, and a link that leads to A once. */
async function mirrors(bench: Bench, query = '') {
  const stack = new AsyncDisposableStack()
  const a = stack.use(await FaultServer.start())
  const b = stack.use(await FaultServer.start())
  const urlA = a.file(path, { size, seed: 'a', etag: '"v1"', script: [cutAfter(kept)] }) + query
  const urlB = b.file(path, { size, seed: 'b', etag: '"v1"' }) + query
  const url = bench.server.answers('/link', redirect(urlA), redirect(urlB))
  return { a, b, urlB, url, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

function ranges({ requests }: FaultServer): readonly (string | undefined)[] {
  return requests.map(({ headers }) => headers['range'])
}

const rest = `bytes=${kept}-`

for (const [what, answer] of [
  ['the rest under an equal ETag', {}],
  ['the whole under an ETag of its own', withEtag('"b1"')],
  ['the whole whatever is asked', ignoreRange()],
  ['that it has no ranges', refuseRange()],
  ['a page without a length', together(status(200), { framing: 'chunked' })],
] as const)
  test(`where the link leads to another mirror now, which gives ${what}, the first is gone on from`, async () => {
    await using bench = await Bench.open()
    await using the = await mirrors(bench)
    the.b.change(path, { script: [answer], afterwards: answer })
    expectKind(await bench.run(the.url), 'failed')
    expectKind(await bench.run(the.url), 'finished')
    assert.deepEqual(bench.restarts, [])
    assert.equal(bench.resumedAt, kept)
    assert.equal(bench.proof, 'strong ETag')
    assert.ok((await bench.read()).equals(the.a.bytes(path)))
    assert.deepEqual(ranges(the.a), [undefined, rest])
    assert.deepEqual(ranges(the.b), [rest])
  })

test('it is asked at its whole address, which may be a signed one, and that is kept over attempts', async () => {
  await using bench = await Bench.open()
  await using the = await mirrors(bench, '?signature=1')
  the.a.change(path, { script: [cutAfter(kept), cutAfter(kept)] })
  for (const expected of ['failed', 'failed', 'finished'] as const) expectKind(await bench.run(the.url), expected)
  assert.ok((await bench.read()).equals(the.a.bytes(path)))
  assert.deepEqual(
    the.a.requests.map((request) => request.path),
    Array(3).fill(`${path}?signature=1`),
  )
  assert.deepEqual(ranges(the.a), [undefined, rest, `bytes=${2 * kept}-`])
})

const away: Readonly<Record<string, Step>> = {
  'has another ETag and gives the whole': together(lie('newer'), withEtag('"v2"')),
  'has another ETag and gives the range': together(lie('newer'), otherValidator('"v2"')),
  'has a weak ETag now': together(lie('newer'), otherValidator('W/"v1"')),
  'has no ETag any more': together(lie('newer'), { etag: undefined, ignoreIfRange: true }),
  'has another length': together(lie('newer'), resized(size + 1)),
  'has another digest': together(lie('newer'), wrongDigest(), otherValidator('"v2"')),
  'gives no range': ignoreRange(),
  'has no such range': refuseRange(),
  'says that it is not there': status(404),
  'forbids it': status(403),
  'wants to know who asks': status(401, { 'WWW-Authenticate': 'Basic realm="x"' }),
  'leads elsewhere': redirect('/elsewhere'),
  'leads to what may not be followed': redirect('file:///etc/passwd'),
  'leads to itself for ever': redirect(path),
}

for (const [what, step] of Object.entries(away))
  test(`where the first mirror ${what}, the one to which the link leads gives all of it`, async () => {
    await using bench = await Bench.open()
    await using the = await mirrors(bench)
    the.a.file('/elsewhere', { size, seed: 'elsewhere', etag: '"v1"' })
    the.a.change(path, { script: [cutAfter(kept)], afterwards: step })
    expectKind(await bench.run(the.url), 'failed')
    expectKind(await bench.run(the.url), 'finished')
    assert.ok((await bench.read()).equals(the.b.bytes(path)))
    assert.equal(bench.restarts.length, 1)
    assert.ok(the.a.requestsFor(path).length > 1, 'it was not asked')
  })

const passing: Readonly<Record<string, Step>> = {
  'is too busy': status(503, { 'Retry-After': '60' }),
  'is asked too often': status(429),
  'has broken down': status(500),
  'breaks off before its head': { breaks: { how: 'fin', after: 0, of: 'wire' } },
  'resets the connection': { breaks: { how: 'reset', after: 0, of: 'wire' } },
  'says nothing': stallBeforeHead(),
}

for (const [what, step] of Object.entries(passing)) {
  test(`where the first mirror ${what} and comes back, nothing is fetched twice`, async () => {
    await using bench = await Bench.open()
    await using the = await mirrors(bench)
    const engine = bench.engine()
    the.a.change(path, { script: [cutAfter(kept), step, step, step] })
    const wishes = { policy: { stallMs: 200 } }
    for (let attempt = 1; attempt <= 4; attempt++) {
      const { failure } = expectKind(await bench.run(the.url, wishes, { engine }), 'failed')
      assert.equal(failure.kind, 'network')
    }
    expectKind(await bench.run(the.url, wishes, { engine }), 'finished')
    assert.ok((await bench.read()).equals(the.a.bytes(path)))
    assert.deepEqual(bench.restarts, [])
    assert.equal(bench.resumedAt, kept)
    assert.deepEqual(ranges(the.a), [undefined, rest, rest, rest, rest])
    // Whatever it offered was let go of.
    await the.b.deserted()
  })

  test(`where the first mirror ${what} four times in a row, the one to which the link leads gives all of it`, async () => {
    await using bench = await Bench.open()
    await using the = await mirrors(bench)
    const engine = bench.engine()
    the.a.change(path, { afterwards: step })
    const wishes = { policy: { stallMs: 200 } }
    for (let attempt = 1; attempt <= 4; attempt++) expectKind(await bench.run(the.url, wishes, { engine }), 'failed')
    assert.deepEqual(bench.restarts, [])
    expectKind(await bench.run(the.url, wishes, { engine }), 'finished')
    assert.ok((await bench.read()).equals(the.b.bytes(path)))
    assert.equal(bench.restarts.length, 1)
    assert.deepEqual(ranges(the.a), [undefined, rest, rest, rest, rest])
  })
}

test('a first mirror that is busy is waited for as long as it asks, and the origin of the link has not asked for it', async () => {
  await using bench = await Bench.open()
  await using the = await mirrors(bench)
  the.a.change(path, { script: [cutAfter(kept), status(503, { 'Retry-After': '60' })] })
  expectKind(await bench.run(the.url), 'failed')
  const { error, failure } = expectKind(await bench.run(the.url), 'failed')
  assert.deepEqual(failure, { kind: 'network', retryAfterMs: 60_000, ofOrigin: new URL(the.a.url(path)).origin })
  assert.equal(error.status, 503)
  assert.match(error.message, new RegExp(the.a.url(path)))
})

test('only failures in a row count, so that one which gave some of the rest is waited for again', async () => {
  await using bench = await Bench.open()
  await using the = await mirrors(bench)
  const engine = bench.engine()
  const busy = status(503)
  the.a.change(path, { script: [cutAfter(kept), busy, busy, busy, cutAfter(kept), busy, busy, busy] })
  for (let attempt = 1; attempt <= 8; attempt++) expectKind(await bench.run(the.url, {}, { engine }), 'failed')
  expectKind(await bench.run(the.url, {}, { engine }), 'finished')
  assert.deepEqual(bench.restarts, [])
  assert.equal(bench.resumedAt, 2 * kept)
  assert.ok((await bench.read()).equals(the.a.bytes(path)))
})

test('where the first mirror is gone, the one to which the link leads gives all of it, by the answer that is open', async () => {
  await using bench = await Bench.open()
  await using the = await mirrors(bench)
  const engine = bench.engine()
  the.b.change(path, { etag: '"b1"' })
  expectKind(await bench.run(the.url, {}, { engine }), 'failed')
  await the.a.stop()
  for (let attempt = 1; attempt <= 3; attempt++) {
    const { error } = expectKind(await bench.run(the.url, {}, { engine }), 'failed')
    assert.equal(error.code, 'CANNOT_CONNECT_TO_HOST')
  }
  expectKind(await bench.run(the.url, {}, { engine }), 'finished')
  assert.ok((await bench.read()).equals(the.b.bytes(path)))
  assert.deepEqual(ranges(the.b), Array(4).fill(rest))
})

for (const [what, step] of [
  ['another length', resized(size - 5, '"v2"')],
  ['another length and a range', resized(size - 5)],
] as const)
  test(`a link that leads to a file of ${what} has a newer file, which is fetched; nobody asks for the old one`, async () => {
    await using bench = await Bench.open()
    await using the = await mirrors(bench)
    the.b.change(path, { afterwards: step })
    expectKind(await bench.run(the.url), 'failed')
    expectKind(await bench.run(the.url), 'finished')
    assert.ok((await bench.read()).equals(the.b.bytes(path, 0, size - 5)))
    assert.equal(the.a.requests.length, 1)
  })

test('a mirror that refuses costs no byte, so that the first one is not asked', async () => {
  await using bench = await Bench.open()
  await using the = await mirrors(bench)
  the.b.change(path, { script: [status(503)] })
  expectKind(await bench.run(the.url), 'failed')
  expectKind(await bench.run(the.url), 'failed')
  assert.equal(the.a.requests.length, 1)
  expectKind(await bench.run(the.url), 'finished')
  assert.equal(bench.resumedAt, kept)
  assert.ok((await bench.read()).equals(the.a.bytes(path)))
})

test('where a digest proves the bytes of any mirror, the first one is not asked', async () => {
  await using bench = await Bench.open()
  await using the = await mirrors(bench)
  the.b.change(path, { seed: 'a' })
  const wishes = { expectedDigests: [{ algorithm: 'sha-256' as const, hex: the.a.digest(path) }] }
  expectKind(await bench.run(the.url, wishes), 'failed')
  expectKind(await bench.run(the.url, wishes), 'finished')
  assert.equal(bench.resumedAt, kept)
  assert.equal(the.a.requests.length, 1)
})

test('whoever gives the task another address is not led back to where the old one led', async () => {
  await using bench = await Bench.open()
  await using the = await mirrors(bench)
  expectKind(await bench.run(the.url), 'failed')
  the.b.change(path, { etag: '"b1"' })
  expectKind(await bench.run(the.urlB), 'finished')
  assert.equal(the.a.requests.length, 1)
})

const secrets = [
  ['Authorization', 'Bearer secret'],
  ['Cookie', 'id=secret'],
  ['X-Api-Key', 'secret'],
] as const

test('no secret of the link goes to the first mirror, at another origin or its own', async () => {
  await using bench = await Bench.open()
  await using the = await mirrors(bench)
  const url = the.url.replace('//', '//user:secret@')
  for (const headers of [secrets, []]) {
    bench.part = bench.intent = undefined
    the.a.change(path, { script: [cutAfter(kept)] })
    bench.server.change('/link', { script: [redirect(the.a.url(path))] })
    const asked = the.a.requests.length
    expectKind(await bench.run(url, { headers }), 'failed')
    expectKind(await bench.run(url, { headers }), 'finished')
    assert.deepEqual(ranges(the.a).slice(asked), [undefined, rest])
  }
  for (const { headers } of the.a.requests)
    for (const [name] of secrets) assert.equal(headers[name.toLowerCase()], undefined, name)
  // What a redirect within one origin takes along, one by way of another leaves behind; nobody remembers which it was.
  const own = bench.server.file('/own.bin', { size, etag: '"v1"', script: [cutAfter(kept)] })
  bench.server.change('/link', { script: [redirect(own)] })
  bench.part = bench.intent = undefined
  expectKind(await bench.run(the.url, { headers: secrets }), 'failed')
  expectKind(await bench.run(the.url, { headers: secrets }), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/own.bin')))
  const [, last] = bench.server.requestsFor('/own.bin')
  for (const [name] of secrets) assert.equal(last?.headers[name.toLowerCase()], undefined, name)
})

test('an attempt that is stopped while the first mirror is asked keeps its bytes', async () => {
  await using bench = await Bench.open()
  await using the = await mirrors(bench)
  the.b.change(path, { etag: '"b1"' })
  the.a.change(path, { script: [cutAfter(kept), stallBeforeHead()] })
  expectKind(await bench.run(the.url), 'failed')
  const stopping = new AbortController()
  const running = bench.run(the.url, {}, { signal: stopping.signal })
  await the.a.received(2)
  stopping.abort()
  expectKind(await running, 'stopped')
  await the.b.deserted()
  assert.deepEqual(bench.restarts, [])
  expectKind(await bench.run(the.url), 'finished')
  assert.equal(bench.resumedAt, kept)
})

/** A link that leads to A first, and then to B each time. */
async function joinedMirrors(bench: Bench) {
  const the = await mirrors(bench)
  bench.sizes = smallPieces
  the.a.change(path, { size: severalBytes, script: [stallAfter(firstBytes)] })
  the.b.change(path, { size: severalBytes })
  return the
}
const several = { policy: { maximumSegments: 4 } }

for (const [what, step] of [
  ['an equal ETag', {}],
  ['an ETag of its own', withEtag('"b1"')],
  ['no such file', status(404)],
] as const)
  test(`further connections go to the mirror of the first one, where the link leads to one with ${what}`, async () => {
    await using bench = await Bench.open()
    await using the = await joinedMirrors(bench)
    the.b.change(path, { afterwards: step })
    const running = bench.run(the.url, { ...several, headers: secrets })
    const second = await the.a.received(2)
    assert.equal(second.headers['if-range'], '"v1"')
    the.a.release()
    expectKind(await running, 'finished')
    assert.ok((await bench.read()).equals(the.a.bytes(path)))
    assert.ok(the.a.requests.slice(1).every(({ headers }) => headers['range'] !== undefined))
    for (const { headers } of the.a.requests)
      for (const [name] of secrets) assert.equal(headers[name.toLowerCase()], undefined, name)
    assert.equal(bench.further.size, 0, 'a connection was not given back')
  })

for (const [what, step] of [
  ['refuses', status(403)],
  ['is too busy', status(503)],
  ['is another file now', together(lie('newer'), otherValidator('"v2"'))],
  ['leads to B', undefined],
] as const)
  test(`where that mirror ${what} for a further connection, the first one brings the file`, async () => {
    await using bench = await Bench.open()
    await using the = await joinedMirrors(bench)
    the.a.change(path, { afterwards: step ?? redirect(the.urlB) })
    const running = bench.run(the.url, several)
    await the.a.received(2)
    the.a.release()
    expectKind(await running, 'finished')
    assert.ok((await bench.read()).equals(the.a.bytes(path)))
    assert.deepEqual(bench.restarts, [])
    assert.equal(bench.further.size, 0, 'a connection was not given back')
  })

test('a mirror that refused one further connection is not asked by the others', async () => {
  await using bench = await Bench.open()
  await using the = await mirrors(bench)
  bench.server.change('/link', { script: [], afterwards: redirect(the.urlB) })
  the.a.change(path, { script: [], afterwards: status(429) })
  const { request, policy } = bench.assignment(the.url)
  const world = { ...bench.world, measures: new Measures() }
  const facts: JoiningFacts = {
    request,
    digest: 'no digest',
    ask: (asked, signal) => ask(asked, policy, world, signal),
    clock: bench.world.clock,
    firstPlace: { refused: false },
  }
  const source = { asked: the.url, served: the.a.url(path) }
  const known = { etag: '"v1"', total: size, acceptsRanges: true, source }
  for (const from of [kept, 2 * kept]) {
    const joined = await join(facts, known, { from, to: from + kept, least: from + kept }, new AbortController().signal)
    assert.equal(joined.kind, 'no range')
  }
  assert.equal(the.a.requests.length, 1)
  assert.equal(the.b.requests.length, 2)
  await the.b.deserted()
})

test('where that mirror is too busy for a while, the connection that is left asks it again', async () => {
  await using bench = await Bench.open()
  await using the = await joinedMirrors(bench)
  bench.furtherConnections = 1
  the.a.change(path, { script: [stallAfter(firstBytes), {}, status(503)] })
  const running = bench.run(the.url, several)
  // The second connection is refused its next piece; the first one comes to the end of its own.
  await the.a.received(3)
  while (bench.further.size > 0) await setImmediate()
  the.a.release()
  expectKind(await running, 'finished')
  assert.ok((await bench.read()).equals(the.a.bytes(path)))
  assert.ok(the.a.requests.length > 3, 'it was not asked again')
  assert.deepEqual(bench.restarts, [])
})
