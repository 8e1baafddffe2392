/** The simulated internet does what the real network does with a real server: one table, run against both. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTransport } from '../../src/network/transport.ts'
import { type HeaderList, NetworkFailure, type Transport } from '../../src/world/transport.ts'
import { open } from '../support/ask.ts'
import {
  type FileOptions,
  FaultServer,
  badChunk,
  breakWireAfter,
  cutAfter,
  excess,
  ignoreRange,
  raw,
  resetAfter,
  status,
  wrongContentRange,
} from '../../src/testing/index.ts'
import { OneServer, honest, size, url } from './one-server.ts'
import { type Behaviour, type ServerNature } from './server-plan.ts'

interface Row {
  readonly nature?: Partial<ServerNature>
  readonly behaviour?: Behaviour
  readonly real?: Omit<FileOptions, 'size'>
  readonly method?: string
  readonly headers?: HeaderList
  /** Status, Content-Range, bytes and how they ended; or why there was no answer. */
  readonly outcome: string
}

const range = (from: number, ifRange?: string): HeaderList => [
  ['Range', `bytes=${from}-`],
  ...(ifRange === undefined ? [] : [['If-Range', ifRange] as const]),
]

const rows: Readonly<Record<string, Row>> = {
  'a body of known length': { outcome: '200, 1000 bytes, length' },
  'a body in chunks': { nature: { length: 'chunked' }, outcome: '200, 1000 bytes, last chunk' },
  'a body until the close': { nature: { length: 'close' }, outcome: '200, 1000 bytes, close' },
  'an answer to HEAD': { method: 'HEAD', outcome: '200, 0 bytes, length' },
  'a file that was not modified': { headers: [['If-None-Match', '"v0"']], outcome: '304, 0 bytes, length' },
  'a range': { headers: range(400), outcome: '206 bytes 400-999/1000, 600 bytes, length' },
  'a range whose condition holds': {
    headers: range(400, '"v0"'),
    outcome: '206 bytes 400-999/1000, 600 bytes, length',
  },
  'a range whose condition fails': { headers: range(400, '"v1"'), outcome: '200, 1000 bytes, length' },
  'a range under a weak tag': {
    nature: { validators: 'weak etag' },
    headers: range(400, 'W/"v0"'),
    outcome: '200, 1000 bytes, length',
  },
  'a range behind the end': { headers: range(1000), outcome: '416 bytes */1000, 0 bytes, length' },
  'a range from a server without ranges': {
    nature: { ranges: false },
    headers: range(400),
    outcome: '200, 1000 bytes, length',
  },
  'a range that is ignored': {
    behaviour: { kind: 'ignores range' },
    real: { script: [ignoreRange()] },
    headers: range(400),
    outcome: '200, 1000 bytes, length',
  },
  'a range of a wrong total': {
    behaviour: { kind: 'wrong range total' },
    real: { script: [wrongContentRange({ total: 1001 })] },
    headers: range(400),
    outcome: '206 bytes 400-999/1001, 600 bytes, length',
  },
  'a refusal': {
    behaviour: { kind: 'status', status: 503, retryAfterSeconds: 7 },
    real: { script: [status(503, { 'Retry-After': '7' }, 'not now, or not at all')] },
    outcome: '503, 22 bytes, length',
  },
  'a body cut by a reset': {
    behaviour: { kind: 'cut', after: 0.5 },
    real: { script: [resetAfter(500)] },
    outcome: '200, connection lost in body',
  },
  'a body without a length cut by a reset': {
    nature: { length: 'close' },
    behaviour: { kind: 'cut', after: 0.5 },
    real: { script: [resetAfter(500)] },
    outcome: '200, connection lost in body',
  },
  'a body closed too early': {
    behaviour: { kind: 'short', after: 0.5 },
    real: { script: [cutAfter(500)] },
    outcome: '200, 500 bytes, connection lost in body',
  },
  'a body in chunks closed before the last one': {
    nature: { length: 'chunked' },
    behaviour: { kind: 'short', after: 0.5 },
    real: { script: [cutAfter(500)] },
    outcome: '200, 500 bytes, connection lost in body',
  },
  'a body without a length closed too early': {
    nature: { length: 'close' },
    behaviour: { kind: 'short', after: 0.5 },
    real: { script: [cutAfter(500)] },
    outcome: '200, 500 bytes, close',
  },
  'a body with more than was announced': {
    behaviour: { kind: 'excess' },
    real: { script: [excess(5)] },
    outcome: '200, 1000 bytes, body too long in body',
  },
  'a body in chunks with more after the last one': {
    nature: { length: 'chunked' },
    behaviour: { kind: 'excess' },
    real: { script: [excess(5)] },
    outcome: '200, 1000 bytes, body too long in body',
  },
  'a chunk that is none': {
    nature: { length: 'chunked' },
    behaviour: { kind: 'malformed', after: 0.5 },
    real: { script: [{ ...badChunk(500), chunkBytes: 500 }] },
    outcome: '200, 500 bytes, malformed answer in body',
  },
  'a head that is none': {
    behaviour: { kind: 'malformed' },
    real: { script: [raw('nonsense\r\n\r\n')] },
    outcome: 'malformed answer in head',
  },
  'a cut before the head': {
    behaviour: { kind: 'cut before head' },
    real: { script: [breakWireAfter(0, 'reset')] },
    outcome: 'connection lost in head',
  },
}

for (const [name, row] of Object.entries(rows)) {
  test(`simulated as real: ${name}`, async () => {
    const twin = new OneServer({
      nature: { ...honest.nature, ...row.nature },
      weather: row.behaviour ? [row.behaviour] : [],
    })
    assert.equal(await twin.settle(outcomeOf(twin.transport, url, row)), row.outcome)

    await using server = await FaultServer.start()
    const etag = row.nature?.validators === 'weak etag' ? 'W/"v0"' : '"v0"'
    const framing = ({ 'content-length': 'length', chunked: 'chunked', close: 'close' } as const)[
      row.nature?.length ?? 'content-length'
    ]
    const options = { size, etag, framing, ranges: row.nature?.ranges ?? true, ...row.real }
    const transport = createTransport()
    assert.equal(await outcomeOf(transport, server.file('/a', options), row), row.outcome)
    await transport.close()
  })
}

/** Where the connection is reset nobody can say how many bytes arrive. */
async function outcomeOf(
  transport: Transport,
  address: string,
  { method = 'GET', headers = [], outcome }: Row,
): Promise<string> {
  const counted = /\d+ bytes, /.test(outcome)
  let parts = ''
  let bytes = 0
  const count = (): string => (counted ? `${bytes} bytes, ` : '')
  try {
    const exchange = await open(transport, address, { method, headers })
    const said = exchange.head.headers.find(([key]) => key === 'content-range')?.[1]
    parts = [exchange.head.status, ...(said === undefined ? [] : [said])].join(' ') + ', '
    const end = await exchange.receive((chunk) => {
      bytes += chunk.length
      return undefined
    })
    assert.equal(end.bytes, bytes)
    return `${parts}${count()}${end.proof}`
  } catch (error) {
    assert.ok(error instanceof NetworkFailure)
    return parts === '' ? `${error.reason} in ${error.phase}` : `${parts}${count()}${error.reason} in ${error.phase}`
  }
}

test('a simulated server with one connection for each refuses the second, and takes it when the first has ended', async () => {
  const twin = new OneServer({ nature: { ...honest.nature, mostConnections: 1 } })
  const first = await twin.settle(open(twin.transport, url))
  const refused = await twin.settle(open(twin.transport, url))
  assert.equal(first.head.status, 200)
  assert.ok([429, 503].includes(refused.head.status), String(refused.head.status))
  refused.close()
  first.close()
  assert.equal((await twin.settle(open(twin.transport, url))).head.status, 200)
})

test('a simulated range that is shorter than it says has the length of what comes', async () => {
  const twin = new OneServer({ weather: [{ kind: 'wrong range length' }] })
  const row: Row = { headers: range(400), outcome: '206 bytes 400-999/1000, 300 bytes, length' }
  assert.equal(await twin.settle(outcomeOf(twin.transport, url, row)), row.outcome)
})

test('a simulated range of the next version can bear the label of the one before', async () => {
  const twin = new OneServer({
    versions: [{ atMs: 1_000_000 }],
    weather: [{ kind: 'honest' }, { kind: 'mislabelled range' }],
  })
  const etagOf = async (headers: HeaderList): Promise<string | undefined> => {
    const exchange = await twin.settle(open(twin.transport, url, { headers }))
    exchange.close()
    return exchange.head.headers.find(([name]) => name === 'etag')?.[1]
  }
  assert.equal(await etagOf([]), '"v0"')
  assert.equal(await etagOf(range(400, '"v0"')), '"v0"')
  assert.match(twin.internet.log.at(-1)!.answer, /^206 v1 /)
})
