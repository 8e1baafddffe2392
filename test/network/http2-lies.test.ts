/** Over HTTP/2 a body is whole when its server said so by END_STREAM, and never otherwise. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTransport } from '../../src/network/transport.ts'
import type { BodyEnd, NetworkFailureCause } from '../../src/world/transport.ts'
import { open } from '../support/ask.ts'
import { needs } from '../support/needs.ts'
import { codes, rawHttp2, type Wire } from './raw-http2.ts'

const skip = needs('openssl')

interface Ended {
  readonly end?: BodyEnd
  readonly failure?: unknown
  readonly bytes: number
}

/** Asks a server that answers as `answer` says. */
async function asked(
  answer: (wire: Wire) => void,
  how: { readonly method?: string; readonly slow?: boolean } = {},
): Promise<Ended> {
  await using server = await rawHttp2(answer)
  const transport = createTransport()
  let bytes = 0
  try {
    const exchange = await open(transport, server.url, { tls: { ca: [server.authority] }, method: how.method ?? 'GET' })
    assert.equal(exchange.facts.protocol, 'h2')
    const end = await exchange.receive((chunk) => {
      bytes += chunk.length
      // As slow as a turn of the event loop for each piece: the end is there long before the last piece is taken.
      return how.slow === true ? new Promise((resolve) => setImmediate(resolve)) : undefined
    })
    return { end, bytes }
  } catch (failure) {
    return { failure, bytes }
  } finally {
    await transport.close()
  }
}

const body = Buffer.alloc(16_000, 'a')

function halfABody(wire: Wire): void {
  wire.head(200)
  for (let i = 0; i < 10; i++) wire.data(body)
}

const lies: Readonly<Record<string, readonly [NetworkFailureCause, (wire: Wire) => void]>> = {
  'RST_STREAM with NO_ERROR': ['connection lost', (wire) => wire.reset(codes.NO_ERROR)],
  'RST_STREAM with CANCEL': ['connection lost', (wire) => wire.reset(codes.CANCEL)],
  'RST_STREAM with INTERNAL_ERROR': ['connection lost', (wire) => wire.reset(codes.INTERNAL_ERROR)],
  'RST_STREAM with REFUSED_STREAM': ['connection lost', (wire) => wire.reset(codes.REFUSED_STREAM)],
  'RST_STREAM with PROTOCOL_ERROR': ['malformed answer', (wire) => wire.reset(codes.PROTOCOL_ERROR)],
  'GOAWAY with an error': ['connection lost', (wire) => wire.goaway(wire.stream, codes.INTERNAL_ERROR)],
  'GOAWAY that leaves its stream out': ['connection lost', (wire) => wire.goaway(0, codes.NO_ERROR)],
  'a polite GOAWAY and the close behind it': [
    'connection lost',
    (wire) => {
      wire.goaway(wire.stream, codes.NO_ERROR)
      wire.close()
    },
  ],
  'close_notify and FIN': ['connection lost', (wire) => wire.close()],
  'FIN without close_notify': ['connection lost', (wire) => wire.cut()],
  'a reset of TCP': ['connection lost', (wire) => wire.breakOff()],
  'fields that are not the last': ['malformed answer', (wire) => wire.trailers([['x-late', '1']], { end: false })],
  'bytes that are no frame': ['malformed answer', (wire) => wire.raw('HTTP/1.1 200 OK\r\n\r\n')],
}

for (const [what, [reason, lie]] of Object.entries(lies)) {
  for (const slow of [false, true]) {
    test(
      `over HTTP/2 a body that ends by ${what} is not whole${slow ? ', also for a slow reader' : ''}`,
      { skip },
      async () => {
        const { failure, end, bytes } = await asked(
          (wire) => {
            halfABody(wire)
            lie(wire)
          },
          { slow },
        )
        assert.equal(end, undefined)
        assert.deepEqual(failureOf(failure), { reason, phase: 'body' })
        // A reset takes with it what the system has not handed over yet; all else reaches the sink.
        if (what !== 'a reset of TCP') assert.equal(bytes, 160_000)
      },
    )
  }
}

const heads: Readonly<Record<string, readonly [NetworkFailureCause, (wire: Wire) => void]>> = {
  'RST_STREAM with NO_ERROR': ['connection lost', (wire) => wire.reset(codes.NO_ERROR)],
  'RST_STREAM with INTERNAL_ERROR': ['connection lost', (wire) => wire.reset(codes.INTERNAL_ERROR)],
  'GOAWAY that leaves its stream out': ['connection lost', (wire) => wire.goaway(0, codes.NO_ERROR)],
  'GOAWAY that wants calm': ['connection lost', (wire) => wire.goaway(0, codes.ENHANCE_YOUR_CALM)],
  'GOAWAY that wants calm behind its stream': [
    'connection lost',
    (wire) => wire.goaway(wire.stream, codes.ENHANCE_YOUR_CALM),
  ],
  'close_notify and FIN': ['connection lost', (wire) => wire.close()],
  'FIN without close_notify': ['connection lost', (wire) => wire.cut()],
  'a reset of TCP': ['connection lost', (wire) => wire.breakOff()],
  'a body without a head': ['malformed answer', (wire) => wire.data('hello', { end: true })],
  'an interim answer that is the last': ['malformed answer', (wire) => wire.head(103, [], { end: true })],
  '101, which HTTP/2 does not have': ['malformed answer', (wire) => wire.head(101)],
  'two lengths': [
    'malformed answer',
    (wire) =>
      wire.head(200, [
        ['content-length', '5'],
        ['content-length', '5'],
      ]),
  ],
  'a length that is none': ['malformed answer', (wire) => wire.head(200, [['content-length', 'five']])],
  'Transfer-Encoding': ['malformed answer', (wire) => wire.head(200, [['transfer-encoding', 'chunked']])],
  'a name in upper case': ['malformed answer', (wire) => wire.head(200, [['X-Shout', '1']])],
  'more than 64 KiB of fields': [
    'malformed answer',
    (wire) =>
      wire.head(
        200,
        Array.from({ length: 70 }, (_, i) => [`x-${i}`, 'v'.repeat(1000)] as const),
      ),
  ],
  'a field that fills many frames': ['malformed answer', (wire) => wire.head(200, [['x-long', 'v'.repeat(300_000)]])],
  'interim answers without end': [
    'malformed answer',
    (wire) => {
      for (let i = 0; i < 60; i++) wire.head(103, [['link', '</a>']])
    },
  ],
  'bytes that are no frame': ['malformed answer', (wire) => wire.raw('HTTP/1.1 200 OK\r\n\r\n')],
}

for (const [what, [reason, lie]] of Object.entries(heads)) {
  test(`over HTTP/2 ${what} in the place of a head fails as ${reason}`, { skip }, async () => {
    const { failure, end } = await asked(lie)
    assert.equal(end, undefined)
    assert.equal(failureOf(failure).reason, reason)
  })
}

test('over HTTP/2 a body that is shorter or longer than its content-length is not whole', { skip }, async () => {
  for (const length of ['4', '6', '0', '99999']) {
    for (const frames of [['hello'], ['he', 'llo'], ['hello', '']]) {
      const { failure, end } = await asked((wire) => {
        wire.head(200, [['content-length', length]])
        frames.forEach((text, i) => wire.data(text, { end: i === frames.length - 1 }))
      })
      assert.equal(end, undefined, `${frames.length} frames for ${length}`)
      assert.match(String(failureOf(failure).reason), /^(?:malformed answer|connection lost)$/)
    }
  }
})

test('over HTTP/2 END_STREAM proves the end, with a length, without one, and behind trailers', { skip }, async () => {
  const trailers = [['repr-digest', 'sha-256=:AAAA:']] as const
  const answers: readonly (readonly [(wire: Wire) => void, BodyEnd])[] = [
    [
      (wire) => {
        wire.head(200)
        wire.data('hello', { end: true })
      },
      { proof: 'last chunk', bytes: 5, trailers: [] },
    ],
    [
      (wire) => {
        wire.head(200, [['content-length', '5']])
        wire.data('hello')
        wire.data('', { end: true })
      },
      { proof: 'length', bytes: 5, trailers: [] },
    ],
    [
      (wire) => {
        wire.head(103, [['link', '</a>']])
        wire.head(200)
        wire.data('hello')
        wire.trailers(trailers)
      },
      { proof: 'last chunk', bytes: 5, trailers: [['repr-digest', 'sha-256=:AAAA:']] },
    ],
    [(wire) => wire.head(200, [], { end: true }), { proof: 'last chunk', bytes: 0, trailers: [] }],
    [(wire) => wire.head(204, [], { end: true }), { proof: 'length', bytes: 0, trailers: [] }],
    // What comes behind the end cannot take it back.
    [
      (wire) => {
        wire.head(200)
        wire.data('hello', { end: true })
        wire.reset(codes.NO_ERROR)
        wire.close()
      },
      { proof: 'last chunk', bytes: 5, trailers: [] },
    ],
    [
      (wire) => {
        wire.goaway(wire.stream, codes.NO_ERROR)
        wire.head(200)
        wire.data('hello', { end: true })
        wire.close()
      },
      { proof: 'last chunk', bytes: 5, trailers: [] },
    ],
  ]
  for (const [answer, expected] of answers) {
    for (const slow of [false, true]) {
      const { end, failure } = await asked(answer, { slow })
      assert.equal(failure, undefined, `${answer.toString()}, ${slow ? 'slow' : 'quick'}`)
      assert.deepEqual(end, expected)
    }
  }
  const toHead = await asked((wire) => wire.head(200, [['content-length', '5']], { end: true }), { method: 'HEAD' })
  assert.deepEqual(toHead.end, { proof: 'length', bytes: 0, trailers: [] })
})

test('over HTTP/2 what a server pushes is not taken, and never for the answer', { skip }, async () => {
  const { end, bytes, failure } = await asked((wire) => {
    wire.promise()
    wire.head(200)
    wire.data('hello', { end: true })
  })
  // Either the promise is refused and the answer stands, or it breaks the rule that we set.
  if (failure === undefined) assert.deepEqual([end?.bytes, bytes], [5, 5])
  else assert.equal(failureOf(failure).reason, 'malformed answer')
})

function failureOf(error: unknown): { readonly reason: unknown; readonly phase: unknown } {
  assert.ok(error instanceof Error && error.name === 'NetworkFailure', String(error))
  return { reason: Reflect.get(error, 'reason'), phase: Reflect.get(error, 'phase') }
}

test('frames of one byte that come while the sink waits are no more to hold than their bytes', { skip }, async () => {
  const taken = Promise.withResolvers<void>()
  const sent = Promise.withResolvers<void>()
  const text = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251))
  await using server = await rawHttp2((wire) => {
    wire.head(200)
    wire.data(text.subarray(0, 1))
    // The sink has the first byte, and waits, before the others come; a large frame stands among them.
    void taken.promise.then(async () => {
      for (let at = 1; at < 50_000; at++) wire.data(text.subarray(at, at + 1))
      wire.data(text.subarray(50_000, 60_000))
      for (let at = 60_000; at < text.length; at++) wire.data(text.subarray(at, at + 1))
      await wire.read()
      sent.resolve()
      wire.data('', { end: true })
    })
  })
  const transport = createTransport()
  const exchange = await open(transport, server.url, { tls: { ca: [server.authority] } })
  const pieces: Buffer[] = []
  const end = await exchange.receive((bytes) => {
    pieces.push(Buffer.from(bytes))
    taken.resolve()
    return pieces.length === 1 ? sent.promise : undefined
  })
  assert.deepEqual(end, { proof: 'last chunk', bytes: text.length, trailers: [] })
  assert.ok(Buffer.concat(pieces).equals(text))
  assert.ok(pieces.length < 10, `${pieces.length} pieces were held`)
  await transport.close()
})
