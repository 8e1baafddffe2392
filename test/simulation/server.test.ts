/** What simulated servers serve when, and that none of them tells a lie that a careful client could not see through. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { Representation } from '../../src/contract/bytes.ts'
import type { HeaderPairs } from '../../src/contract/task.ts'
import { openBytes } from '../../src/transfer/download/opening.ts'
import { AttemptFailed } from '../../src/transfer/endings.ts'
import { type Answer, ask } from '../../src/transfer/http/request.ts'
import { Measures } from '../../src/transfer/measures.ts'
import { type BodyEnd, type Exchange, type HeaderList, NetworkFailure } from '../../src/world/transport.ts'
import { open } from '../support/ask.ts'
import { contentOf, describeContent } from './content.ts'
import { OneServer, honest, url } from './one-server.ts'
import { Seeded } from './seeded.ts'
import { type Behaviour, type ServerNature, type ServerPlan, makeServerPlan } from './server-plan.ts'

const dated: ServerNature = { ...honest.nature, validators: 'last-modified' }

async function head(twin: OneServer, headers: HeaderList = []): Promise<Exchange['head']> {
  const exchange = await twin.settle(open(twin.transport, url, { headers }))
  exchange.close()
  return exchange.head
}

const fieldOf = ({ headers }: Exchange['head'], name: string): string =>
  headers.find(([key]) => key === name)?.[1] ?? 'none'

test('a new version comes at its moment, with other bytes and another tag, and the running answer stays the old one', async () => {
  const twin = new OneServer({ versions: [{ atMs: 100 }, { atMs: 5000, size: 10 }] })
  const exchange = await twin.settle(open(twin.transport, url))
  assert.equal(fieldOf(exchange.head, 'etag'), '"v0"')
  const pieces: Uint8Array[] = []
  const received = exchange.receive((bytes) => void pieces.push(bytes.slice()))
  await twin.settle(received)
  assert.ok(twin.timeline.now > 200, 'the body took its time')
  assert.equal(twin.internet.describe(url, Buffer.concat(pieces)), 'the whole of version 0')
  assert.equal(twin.internet.describe(url, await twin.body()), 'the whole of version 1')
  assert.equal(twin.internet.versions(url).length, 2)
  twin.timeline.skipTo(5000)
  assert.equal((await twin.body()).length, 10)
})

test('a server that knows dates only takes two versions of one second for one', async () => {
  const twin = new OneServer({ nature: dated, versions: [{ atMs: 1000 }, { atMs: 30_100 }, { atMs: 30_900 }] })
  const first = fieldOf(await head(twin), 'last-modified')
  const resumed = async (ifRange: string): Promise<number> =>
    (
      await head(twin, [
        ['range', 'bytes=5-'],
        ['if-range', ifRange],
      ])
    ).status
  assert.equal(await resumed(first), 206)
  twin.timeline.skipTo(3000)
  assert.equal(await resumed(first), 200)
  twin.timeline.skipTo(30_150)
  const second = fieldOf(await head(twin), 'last-modified')
  assert.equal((await head(twin, [['if-modified-since', second]])).status, 304)
  twin.timeline.skipTo(31_000)
  assert.equal(await resumed(second), 206)
})

test('a server that ignores If-Range gives the range of what it has, truly labelled', async () => {
  const weather: ServerPlan['weather'] = [{ kind: 'honest' }, { kind: 'range of another version' }]
  const twin = new OneServer({ weather, versions: [{ atMs: 900_000 }] })
  await head(twin)
  const answer = await head(twin, [
    ['range', 'bytes=5-'],
    ['if-range', '"v0"'],
  ])
  assert.deepEqual([answer.status, fieldOf(answer, 'etag')], [206, '"v1"'])
})

test('redirects lead to the file over other paths and hosts, and the weather is for its end', async () => {
  const nature = { ...honest.nature, redirects: 3 }
  const twin = new OneServer({ nature, weather: [{ kind: 'status', status: 503 }] })
  const seen: number[] = []
  const hosts = new Set<string>()
  for (let at = url; ;) {
    const { head: found } = await twin.settle(open(twin.transport, at))
    seen.push(found.status)
    if (fieldOf(found, 'location') === 'none') break
    at = fieldOf(found, 'location')
    hosts.add(new URL(at).host)
  }
  assert.equal(seen.length, 4)
  assert.ok(seen.slice(0, 3).every((status) => status >= 301 && status <= 308))
  assert.equal(seen[3], 503)
  assert.equal(hosts.size, 2)
})

const elsewhere: Partial<ServerPlan> = {
  places: [
    { bytes: 'other', validators: 'alike' },
    { bytes: 'same', validators: 'own' },
    { bytes: 'other', validators: 'own', goodForMs: 1000 },
  ],
  leads: [0, 1, 2, 3],
}

/** Where a request for the address is led; undefined: it is answered there. */
async function led(twin: OneServer): Promise<string | undefined> {
  const found = await head(twin)
  return found.status === 200 ? undefined : fieldOf(found, 'location')
}

test('an address leads to its places in turn, under the same name, and to none of them once it is calm', async () => {
  const twin = new OneServer({ ...elsewhere, nature: { ...honest.nature, redirects: 1 } })
  const at = `${url}/to-1`
  const leads: string[] = []
  for (let i = 0; i < 5; i++) {
    const { head: found } = await twin.settle(open(twin.transport, at))
    leads.push(found.status === 200 ? 'here' : new URL(fieldOf(found, 'location')).host)
    if (found.status !== 200) assert.equal(new URL(fieldOf(found, 'location')).pathname, new URL(at).pathname)
  }
  assert.deepEqual(leads, ['here', 'place-1.files.test', 'place-2.files.test', 'place-3.files.test', 'here'])
  twin.internet.calm()
  assert.equal((await twin.settle(open(twin.transport, at))).head.status, 200)
})

test('a place may have the same bytes with another tag, or other bytes that nothing else tells from the first ones', async () => {
  const twin = new OneServer(elsewhere)
  const asked = async (at: string): Promise<readonly [string, string, string]> => {
    const exchange = await twin.settle(open(twin.transport, at))
    const pieces: Buffer[] = []
    await twin.settle(exchange.receive((bytes) => void pieces.push(Buffer.from(bytes))))
    const body = Buffer.concat(pieces)
    return [fieldOf(exchange.head, 'etag'), fieldOf(exchange.head, 'content-length'), twin.internet.describe(url, body)]
  }
  assert.deepEqual(await asked(url), ['"v0"', '1000', 'the whole of version 0'])
  assert.equal(twin.internet.versions(url).length, 1)
  assert.deepEqual(await asked((await led(twin))!), ['"v0"', '1000', 'the whole of version 0 at place 1'])
  assert.equal(twin.internet.versions(url).length, 2)
  assert.deepEqual(await asked((await led(twin))!), ['"p2-v0"', '1000', 'the whole of version 0'])
  assert.deepEqual(await asked((await led(twin))!), ['"p3-v0"', '1000', 'the whole of version 0 at place 3'])
  assert.equal(twin.internet.versions(url).length, 3)
})

test('a signed address is refused once its time is over, and without its signature', async () => {
  const twin = new OneServer({ ...elsewhere, leads: [3] })
  const signed = (await led(twin))!
  const status = async (at: string): Promise<number> => (await twin.settle(open(twin.transport, at))).head.status
  assert.equal(await status(signed), 200)
  assert.equal(await status(signed.replace(/\?.*/, '')), 403)
  twin.timeline.skipTo(twin.timeline.now + 1000)
  assert.equal(await status(signed), 403)
  assert.equal(await status((await led(twin))!), 200)
})

test('once it is calm the newest version is served well and at once', async () => {
  const twin = new OneServer({
    size: 100_000,
    versions: [{ atMs: 1e9 }],
    weather: [{ kind: 'refuses connection' }],
    afterwards: 'weather again',
  })
  await assert.rejects(twin.settle(open(twin.transport, url)), { reason: 'cannot connect' })
  twin.internet.calm()
  const before = twin.timeline.now
  const body = await twin.body()
  assert.equal(twin.internet.describe(url, body), 'the whole of version 1')
  assert.equal(createHash('sha256').update(body).digest('hex'), twin.internet.digestOf(url))
  assert.ok(twin.timeline.now - before < 2000)
})

test('mixed, shifted and doubled bytes are told from whole ones', () => {
  const [old, young] = [contentOf(url, 0, 1000), contentOf(url, 1, 1000)]
  assert.equal(describeContent(old, [old, young]), 'the whole of version 0')
  const mixed = Buffer.concat([old.subarray(0, 300), young.subarray(300)])
  assert.match(describeContent(mixed, [old, young]), /^1000 bytes: 0-299 of version 0, 300-999 of version 1;/)
  const doubled = Buffer.concat([old.subarray(0, 300), old.subarray(299)])
  assert.match(describeContent(doubled, [old, young]), /^1001 bytes: 0-299 of version 0, 300-/)
  assert.notEqual(contentOf(url, 0, 1)[0], contentOf(url, 1, 1)[0])
})

test('a request takes what its number in the weather says, whatever other servers were asked', async () => {
  const told = async (others: number): Promise<readonly string[]> => {
    const twin = new OneServer({ weather: [{ kind: 'cut', after: 0.5 }, { kind: 'excess' }] })
    twin.internet.serve('https://files.test/other', honest)
    for (let i = 0; i < others; i++) await twin.settle(open(twin.transport, 'https://files.test/other'))
    await twin.body()
    await twin.body()
    return twin.internet.log.filter((request) => request.url === url).map(({ answer }) => answer)
  }
  assert.deepEqual(await told(0), [
    '200 v0 500 bytes then connection lost (cut)',
    '200 v0 1000 bytes then body too long (excess)',
  ])
  assert.deepEqual(await told(3), await told(0))
})

test('a plan is plain data and follows from its seed', () => {
  for (let seed = 0; seed < 200; seed++) {
    const plan = makeServerPlan(new Seeded(seed))
    assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan)
    assert.deepEqual(makeServerPlan(new Seeded(seed)), plan)
  }
})

test('what a careful client ends with is always one whole version, over many servers', async () => {
  const ends = { whole: 0, joined: 0, never: 0 }
  for (let seed = 0; seed < 400; seed++) {
    const plan = makeServerPlan(new Seeded(seed))
    if (plan.needsDigest === true) continue
    const twin = new OneServer(plan, seed)
    const { body, joined } = await carefully(twin)
    if (body === undefined) {
      ends.never++
      continue
    }
    ends[joined ? 'joined' : 'whole']++
    const isWhole = twin.internet.versions(url).some((version) => Buffer.compare(version, body) === 0)
    assert.ok(isWhole, `seed ${seed}: ${twin.internet.describe(url, body)}\n${JSON.stringify(plan)}\n${trace(twin)}`)
  }
  // Else the servers were too kind, or too hard.
  assert.ok(ends.joined > 30 && ends.never < 20, JSON.stringify(ends))
})

test('the lies of servers that need a digest are really told', async () => {
  let lied = 0
  for (let seed = 0; seed < 400; seed++) {
    const plan = makeServerPlan(new Seeded(seed))
    if (plan.needsDigest !== true) continue
    const twin = new OneServer(plan, seed)
    const { body } = await carefully(twin)
    if (body !== undefined && !twin.internet.versions(url).some((version) => Buffer.compare(version, body) === 0))
      lied++
  }
  assert.ok(lied > 5, `${lied} lies`)
})

test('a careless client, who joins whatever a server sends, often ends with a mixture', async () => {
  let mixed = 0
  for (let seed = 0; seed < 400; seed++) {
    const plan = makeServerPlan(new Seeded(seed))
    if (plan.needsDigest === true) continue
    const twin = new OneServer(plan, seed)
    const body = await carelessly(twin)
    if (!twin.internet.versions(url).some((version) => Buffer.compare(version, body) === 0)) mixed++
  }
  assert.ok(mixed > 20, `${mixed} mixtures`)
})

function trace(twin: OneServer): string {
  return twin.internet.log.map((request) => JSON.stringify(request)).join('\n')
}

/** Downloads in memory, by the product's own rules for proof; asks at most 20 times, the last ones when it is calm. */
async function carefully(twin: OneServer): Promise<{ readonly body: Buffer | undefined; readonly joined: boolean }> {
  let kept: { bytes: Buffer; representation: Representation } | undefined
  let joined = false
  for (let attempt = 0; attempt < 20; attempt++) {
    if (attempt === 14) twin.internet.calm()
    const got: Buffer[] = []
    let representation: Representation | undefined
    try {
      const opening = await twin.settle(
        openBytes({
          request: { url, method: 'GET', headers: [] },
          kept:
            kept === undefined || kept.bytes.length === 0 ? undefined : { ...kept, ranges: [[0, kept.bytes.length]] },
          revalidate: [],
          delivered: undefined,
          digest: 'no digest',
          acceptable: [{ from: 200, to: 299 }],
          ask: (request) => askOf(twin, request),
          refuseOther: () => {},
          restart: async () => {
            kept = undefined
          },
          waitsForFirstPlace: () => false,
          clock: twin.life.clock,
        }),
      )
      assert.ok(opening.kind !== 'not modified')
      representation = opening.representation
      if (opening.kind === 'continued') got.push(kept!.bytes.subarray(0, opening.offset))
      joined = opening.kind === 'continued'
      const end: BodyEnd = await twin.settle(opening.answer.receive((bytes) => void got.push(Buffer.from(bytes))))
      const body = Buffer.concat(got)
      if (representation.total === undefined || body.length === representation.total) {
        assert.ok(body.length >= end.bytes)
        return { body, joined }
      }
    } catch (error) {
      if (!(error instanceof NetworkFailure || error instanceof AttemptFailed)) throw error
    }
    if (representation !== undefined) kept = { bytes: Buffer.concat(got), representation }
    // What was changed just now is settled later.
    twin.timeline.skipTo(twin.timeline.now + 30_000)
  }
  return { body: undefined, joined }
}

/** Asks for the rest with a plain Range, and believes that it is the rest. */
async function carelessly(twin: OneServer): Promise<Buffer> {
  let kept = Buffer.alloc(0)
  for (let attempt = 0; attempt < 20; attempt++) {
    if (attempt === 14) twin.internet.calm()
    try {
      const headers: HeaderPairs = kept.length === 0 ? [] : [['range', `bytes=${kept.length}-`]]
      const answer = await twin.settle(askOf(twin, { url, method: 'GET', headers }))
      if (answer.status === 416) return kept
      if (answer.status !== 206 && answer.status !== 200) continue
      if (answer.status === 200) kept = Buffer.alloc(0)
      await twin.settle(
        answer.receive((bytes) => {
          kept = Buffer.concat([kept, bytes])
          return undefined
        }),
      )
      return kept
    } catch (error) {
      if (!(error instanceof NetworkFailure || error instanceof AttemptFailed)) throw error
    }
    twin.timeline.skipTo(twin.timeline.now + 30_000)
  }
  return kept
}

function askOf(twin: OneServer, request: Parameters<typeof ask>[0]): Promise<Answer> {
  const policy = {
    stallMs: 60_000,
    tls: {},
    proxy: 'none',
    cookies: 'none',
    keepHeadersAcrossOrigins: [],
    allowPrivateRedirects: false,
  } as const
  const world = { transport: twin.transport, clock: twin.life.clock, measures: new Measures() }
  return ask(request, policy, world, new AbortController().signal)
}

const rest: HeaderList = [
  ['Range', 'bytes=400-'],
  ['If-Range', '"v0"'],
]

const rangeLies: readonly (readonly [kind: 'longer range' | 'later range' | 'several parts', said: RegExp])[] = [
  ['longer range', /^206 bytes 400-999\/1000, 900 bytes$/],
  ['later range', /^206 bytes 700-999\/1000, 300 bytes$/],
  ['several parts', /^206 undefined, 7\d\d bytes$/],
]

for (const [kind, said] of rangeLies)
  test(`a range that is a lie: ${kind}`, async () => {
    assert.match(await toldOf({ kind }, rest), said)
  })

test('a range says nothing of itself, counts something else, or leaves open how long the whole is', async () => {
  assert.equal(await toldOf({ kind: 'unstated range' }, rest), '206 undefined, 600 bytes')
  assert.equal(await toldOf({ kind: 'range in another unit' }, rest), '206 octets 400-999/1000, 600 bytes')
  assert.equal(await toldOf({ kind: 'range without a total' }, rest), '206 bytes 400-999/*, 600 bytes')
  assert.equal(await toldOf({ kind: '416 of a wrong total' }, rest), '416 bytes */400, 0 bytes')
})

test('a coded range bears the numbers of the plain one, and has none of its bytes', async () => {
  const twin = new OneServer({ weather: [{ kind: 'coded' }, { kind: 'coded' }] })
  assert.equal(gunzipSync(await twin.body()).length, 1000)
  const range = await twin.body(rest)
  assert.equal(range.length, 600)
  assert.notDeepEqual(range, Buffer.from(contentOf(url, 0, 1000)).subarray(400))
})

test('digests come behind the last chunk where the server says them there, the false ones too', async () => {
  const nature = { ...honest.nature, length: 'chunked' as const, digestHeader: true, digestTrailer: true }
  const twin = new OneServer({ nature, weather: [{ kind: 'honest' }, { kind: 'false digest', field: 'repr-digest' }] })
  const digest = async (): Promise<readonly [head: number, trailer: string | undefined]> => {
    const exchange = await twin.settle(open(twin.transport, url))
    const { trailers } = await twin.settle(exchange.receive(() => undefined))
    return [exchange.head.headers.filter(([name]) => name === 'repr-digest').length, trailers[0]?.[1]]
  }
  const hash = createHash('sha256')
    .update(contentOf(url, 0, 1000))
    .digest('base64')
  assert.deepEqual(await digest(), [0, `sha-256=:${hash}:`])
  const [head, trailer] = await digest()
  assert.equal(head, 0)
  assert.match(trailer ?? '', /^sha-256=:/)
  assert.notEqual(trailer, `sha-256=:${hash}:`)
})

/** Status, Content-Range and bytes of one answer. */
async function toldOf(behaviour: Behaviour, headers: HeaderList): Promise<string> {
  const twin = new OneServer({ weather: [behaviour] })
  const exchange = await twin.settle(open(twin.transport, url, { headers }))
  const { bytes } = await twin.settle(exchange.receive(() => undefined))
  const range = exchange.head.headers.find(([name]) => name === 'content-range')?.[1]
  return `${exchange.head.status} ${range}, ${bytes} bytes`
}
