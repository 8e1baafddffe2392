/** A cut body must never pass for a whole one, whatever its framing and wherever the cut falls. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTransport } from '../../src/network/transport.ts'
import { NetworkFailure } from '../../src/world/transport.ts'
import { ask } from '../support/ask.ts'
import {
  type Behaviour,
  type Breakage,
  breakWireAfter,
  cutAfter,
  framed,
  raw,
  resetAfter,
} from '../../src/testing/index.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'

const lost = { name: 'NetworkFailure', reason: 'connection lost' }

async function failsAtEveryByte(answer: string, how: Breakage, certificate?: 'good'): Promise<void> {
  await using server = await CertifiedServer.start(certificate === undefined ? {} : { certificate })
  const transport = createTransport()
  const tls = { ca: certificate === undefined ? [] : [server.authority] }
  for (let at = 0; at < answer.length; at++) {
    const url = server.answers(`/${at}`, { ...raw(answer), ...breakWireAfter(at, how) })
    await assert.rejects(
      ask(transport, url, { tls }),
      lost,
      `${how} after ${at} bytes: ${JSON.stringify(answer.slice(0, at))}`,
    )
  }
  await transport.close()
}

const answers = {
  chunked:
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10;x=y\r\n, wide new world\r\n0\r\nA: b\r\n\r\n',
  'chunked, closing':
    'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'of a known length': 'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world',
  'of a known length, closing': 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 12\r\n\r\nhello, world',
}
for (const [kind, answer] of Object.entries(answers)) {
  for (const how of ['fin', 'reset'] as const) {
    test(`a body that is ${kind} fails when cut by ${how === 'fin' ? 'FIN' : 'RST'} after any byte`, async () => {
      await failsAtEveryByte(answer, how)
    })
  }
  test(`a body that is ${kind} fails over TLS when cut after any byte`, { skip: needs('openssl') }, async () => {
    await failsAtEveryByte(answer, 'cut', 'good')
  })
  test(`a body that is ${kind} is whole when it is not cut`, async () => {
    await using server = await CertifiedServer.start()
    const transport = createTransport()
    const { end } = await ask(transport, server.answers('/', raw(answer)))
    assert.equal(end.proof, kind.startsWith('chunked') ? 'last chunk' : 'length')
    await transport.close()
  })
}

const lengthless = 'HTTP/1.1 200 OK\r\n\r\nhello'
const headBytes = lengthless.indexOf('hello')

test('a body without a length fails when it ends by RST after any byte', async () => {
  await failsAtEveryByte(lengthless, 'reset')
})

test('a body without a length fails over TLS when it ends by RST', { skip: needs('openssl') }, async () => {
  await failsAtEveryByte(lengthless, 'reset', 'good')
})

test(
  'a body without a length fails over TLS when it ends without close_notify',
  { skip: needs('openssl') },
  async () => {
    await failsAtEveryByte(lengthless, 'cut', 'good')
  },
)

for (const certificate of [undefined, 'good'] as const) {
  const over = certificate === undefined ? 'TCP' : 'TLS'
  const skip = certificate === undefined ? false : needs('openssl')

  test(
    `a body without a length that is closed in good order over ${over} ends with proof close`,
    { skip },
    async () => {
      await using server = await CertifiedServer.start(certificate === undefined ? {} : { certificate })
      const transport = createTransport()
      const tls = { ca: certificate === undefined ? [] : [server.authority] }
      for (let at = headBytes; at <= lengthless.length; at++) {
        const url = server.answers(`/${at}`, { ...raw(lengthless), ...breakWireAfter(at, 'fin') })
        const { end } = await ask(transport, url, { tls })
        assert.deepEqual(end, { proof: 'close', bytes: at - headBytes, trailers: [] })
      }
      await transport.close()
    },
  )

  // While the reader is slow, undici is paused and the end of the connection is already waiting behind the bytes.
  for (const how of ['reset', 'cut', 'fin'] as const) {
    if (how === 'cut' && certificate === undefined) continue
    test(
      `a slow reader of a body without a length over ${over} is told how it ended: by ${how}`,
      { skip },
      async () => {
        await using server = await CertifiedServer.start(certificate === undefined ? {} : { certificate })
        const transport = createTransport()
        // Over TLS it is asked twice: see below.
        const step = { breaks: { how, after: 200_000, of: 'body' } } as const
        const script = certificate === undefined ? [step] : [step, step]
        const url = server.file('/a', { size: 300_000, framing: 'close', script })
        let released = false
        const request = ask(transport, url, {
          tls: { ca: certificate === undefined ? [] : [server.authority] },
          sink: async () => {
            if (released) return
            released = true
            await server.until(() => server.requests.at(-1)!.bytesSent >= 200_000, 'all of it sent')
          },
        })
        if (how === 'fin') {
          const { end } = await request
          assert.deepEqual(end, { proof: 'close', bytes: 200_000, trailers: [] })
        } else {
          await assert.rejects(request, lost)
        }
        await transport.close()
      },
    )
  }
}

test('the bytes before a cut all reach the sink before the failure does', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const url = server.file('/a', { size: 1_000_000, script: [cutAfter(400_000)] })
  let bytes = 0
  await assert.rejects(ask(transport, url, { sink: async (chunk) => void (bytes += chunk.length) }), lost)
  assert.equal(bytes, 400_000)
  await transport.close()
})

test('a cut far inside a large body fails in the phase body and names no path', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  const steps: readonly Behaviour[] = [
    cutAfter(1),
    resetAfter(1),
    cutAfter(65_536),
    resetAfter(65_537),
    cutAfter(4_999_999),
    resetAfter(4_999_999),
  ]
  for (const framing of ['length', 'chunked'] as const) {
    const url = server.file('/secret', {
      size: 5_000_000,
      script: steps.map((step) => ({ ...step, ...framed(framing) })),
    })
    for (const _ of steps) {
      const error = await ask(transport, url).then(
        () => assert.fail('was taken for whole'),
        (reason: unknown) => reason,
      )
      assert.ok(error instanceof NetworkFailure)
      assert.equal(error.reason, 'connection lost')
      assert.equal(error.phase, 'body')
      assert.doesNotMatch(error.message, /secret/)
    }
  }
  await transport.close()
})

test(
  'over TLS a body without a length is asked for again on a connection that tells its end, once for an origin',
  { skip: needs('openssl') },
  async () => {
    await using server = await CertifiedServer.start({ certificate: 'good' })
    const transport = createTransport()
    const tls = { ca: [server.authority] }
    const url = server.file('/a', { size: 1000, framing: 'close' })
    for (const asked of [2, 3, 4]) {
      const { digest } = await ask(transport, url, { tls })
      assert.equal(digest, server.digest('/a'))
      assert.equal(server.requests.length, asked)
    }
    const known = server.file('/b', { size: 1000 })
    await ask(transport, known, { tls })
    assert.equal(server.requests.length, 5)
    await transport.close()
  },
)

test(
  'over TLS a page without a length that comes with an error is asked for again only if it is wanted',
  { skip: needs('openssl') },
  async () => {
    await using server = await CertifiedServer.start({ certificate: 'good' })
    const tls = { ca: [server.authority] }
    const url = server.answers('/a', { status: 404, body: 'not here, sorry', framing: 'close' })
    for (const [wants, asked] of [
      [undefined, 1],
      [(status: number) => status === 200, 1],
      [(status: number) => status === 404, 2],
    ] as const) {
      const transport = createTransport()
      const before = server.requests.length
      const received = ask(transport, url, { tls, ...(wants !== undefined && { wants }) })
      if (asked === 2) assert.deepEqual((await received).end, { proof: 'close', bytes: 15, trailers: [] })
      else await assert.rejects(received, lost)
      assert.equal(server.requests.length - before, asked)
      await transport.close()
    }
  },
)
