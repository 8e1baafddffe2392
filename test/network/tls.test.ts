/** Whom TLS trusts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTransport } from '../../src/network/transport.ts'
import { ask } from '../support/ask.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'

const skip = needs('openssl')

for (const name of ['localhost', '127.0.0.1']) {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`an authority in tls.ca is trusted for ${name} over ${version}, and the facts say so`, { skip }, async () => {
      await using server = await CertifiedServer.start({ certificate: 'good', name, tls: { maxVersion: version } })
      const transport = createTransport()
      const url = server.file('/a', { size: 1_000_000 })
      const { exchange, digest } = await ask(transport, url, { tls: { ca: [server.authority] } })
      assert.equal(digest, server.digest('/a'))
      assert.equal(exchange.facts.tlsVersion, version)
      assert.match(exchange.facts.tlsCipher ?? '', /^TLS_/)
      const { connectStartMs, secureConnectionStartMs, secureConnectionEndMs, connectEndMs } = exchange.facts
      const times = [connectStartMs, secureConnectionStartMs, secureConnectionEndMs, connectEndMs]
      assert.deepEqual(
        times,
        times.toSorted((a, b) => Number(a) - Number(b)),
      )
      await transport.close()
    })
  }
}

const refusals = [
  ['good', 'certificate has unknown root', false],
  ['expired', 'certificate has bad date', true],
  ['not yet valid', 'certificate not yet valid', true],
  ['other name', 'certificate untrusted', true],
  ['self-signed', 'certificate has unknown root', true],
] as const
for (const [certificate, reason, trusted] of refusals) {
  test(
    `a certificate that is ${certificate}, its authority ${trusted ? '' : 'not '}trusted, is refused: ${reason}`,
    { skip },
    async () => {
      await using server = await CertifiedServer.start({ certificate })
      const transport = createTransport()
      const tls = { ca: trusted ? [server.authority] : [] }
      await assert.rejects(ask(transport, server.file('/a', { size: 1 }), { tls }), { reason, phase: 'tls' })
      assert.equal(server.requests.length, 0)
      await transport.close()
      await server.deserted()
    },
  )
}

test('a server that is too old for minimumVersion is refused', { skip }, async () => {
  await using server = await CertifiedServer.start({ certificate: 'good', tls: { maxVersion: 'TLSv1.2' } })
  const transport = createTransport()
  const tls = { ca: [server.authority], minimumVersion: 'TLSv1.3' } as const
  await assert.rejects(ask(transport, server.file('/a', { size: 1 }), { tls }), { reason: 'tls failed' })
  await transport.close()
})

test('an entry of tls.ca that is not PEM is an invalid argument', async () => {
  const transport = createTransport()
  await assert.rejects(ask(transport, 'https://127.0.0.1:1/', { tls: { ca: ['nonsense'] } }), {
    code: 'INVALID_ARGUMENT',
  })
  await transport.close()
})

test('many requests at once over TLS each get their own bytes', { skip }, async () => {
  await using server = await CertifiedServer.start({ certificate: 'good' })
  const transport = createTransport()
  const paths = Array.from({ length: 24 }, (_, i) => `/${i}`)
  const tls = { ca: [server.authority] }
  const all = await Promise.all(
    paths.map((path, i) => ask(transport, server.file(path, { size: 100_000 + i }), { tls })),
  )
  assert.deepEqual(
    all.map(({ digest }) => digest),
    paths.map((path) => server.digest(path)),
  )
  await transport.close()
  await server.deserted()
})
