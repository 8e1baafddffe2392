/** Public keys that were named beforehand. */
import assert from 'node:assert/strict'
import { X509Certificate, createHash } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { createServer } from 'node:tls'
import { createTransport } from '../../src/network/transport.ts'
import { ask } from '../support/ask.ts'
import { type CertificateKind, testAuthority, testCertificate } from '../support/certificates.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'
import { ProxyServer } from '../support/proxy-server.ts'

const skip = needs('openssl')

function pinOf(certificate: string): string {
  const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' })
  return `sha256/${createHash('sha256').update(key).digest('base64')}`
}

const nobodys = `sha256/${'A'.repeat(43)}=`

test('a pin of the server, or of the root above it that it does not send, lets it through', { skip }, async () => {
  await using server = await CertifiedServer.start({ certificate: 'good' })
  const transport = createTransport()
  const url = server.file('/a', { size: 1000 })
  for (const pins of [[pinOf(testCertificate().cert)], [nobodys, pinOf(testAuthority())]]) {
    const { digest } = await ask(transport, url, { tls: { ca: [server.authority], pins } })
    assert.equal(digest, server.digest('/a'))
  }
  await transport.close()
})

test(
  'a server with none of the pins is not trusted, gets no request, and its own pins are told',
  { skip },
  async () => {
    await using server = await CertifiedServer.start({ certificate: 'good' })
    const transport = createTransport()
    const tls = { ca: [server.authority], pins: [nobodys] }
    const found = `${pinOf(testCertificate().cert)}, ${pinOf(testAuthority())}`
    await assert.rejects(ask(transport, server.file('/a', { size: 1 }), { tls }), {
      reason: 'certificate untrusted',
      phase: 'tls',
      message: new RegExp(found.replaceAll('+', '\\+')),
    })
    assert.equal(server.requests.length, 0)
    await transport.close()
    await server.deserted()
  },
)

test(
  'a pinned certificate that a server sends along, but that did not sign its own, is no proof',
  { skip },
  async () => {
    const [own, alien] = [testCertificate(), testCertificate('self-signed')]
    // Both have the same name, so by names alone one could be the issuer of the other.
    const server = createServer({ cert: own.cert + alien.cert, key: own.key }, (socket) => socket.on('error', () => {}))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    const transport = createTransport()
    const tls = { ca: [testAuthority()], pins: [pinOf(alien.cert)] }
    await assert.rejects(ask(transport, `https://127.0.0.1:${address.port}/`, { tls }), {
      reason: 'certificate untrusted',
    })
    await transport.close()
    server.close()
  },
)

test('a pin does not make up for a certificate that is not trusted otherwise', { skip }, async () => {
  await using server = await CertifiedServer.start({ certificate: 'self-signed' })
  const transport = createTransport()
  const tls = { pins: [pinOf(testCertificate('self-signed').cert)] }
  await assert.rejects(ask(transport, server.file('/a', { size: 1 }), { tls }), {
    reason: 'certificate has unknown root',
  })
  await transport.close()
})

test('with pins an address without TLS is refused, for nothing there could be compared', async () => {
  await using server = await CertifiedServer.start()
  const transport = createTransport()
  await assert.rejects(ask(transport, server.file('/a', { size: 1 }), { tls: { pins: [nobodys] } }), {
    reason: 'certificate untrusted',
  })
  assert.equal(server.requests.length, 0)
  await transport.close()
})

test('a connection that was made without pins is not used for requests with pins', { skip }, async () => {
  await using server = await CertifiedServer.start({ certificate: 'good' })
  const transport = createTransport()
  const url = server.file('/a', { size: 1 })
  const ca = [server.authority]
  assert.equal((await ask(transport, url, { tls: { ca } })).end.bytes, 1)
  await assert.rejects(ask(transport, url, { tls: { ca, pins: [nobodys] } }), { reason: 'certificate untrusted' })
  await transport.close()
})

test('pins are asked of the server behind an https proxy, and not of the proxy', { skip }, async () => {
  await using server = await CertifiedServer.start({ name: 'elsewhere.example', certificate: 'other name' })
  await using proxy = await ProxyServer.start({ certificate: testCertificate() })
  const transport = createTransport()
  const url = server.file('/a', { size: 1000 })
  const way = { url: proxy.url, bypass: [] }
  const pinned = (kind: CertificateKind): { readonly tls: object } => ({
    tls: { ca: [testAuthority()], pins: [pinOf(testCertificate(kind).cert)] },
  })
  const { digest } = await ask(transport, url, { ...pinned('other name'), proxy: way })
  assert.equal(digest, server.digest('/a'))
  await assert.rejects(ask(transport, url, { ...pinned('good'), proxy: way }), { reason: 'certificate untrusted' })
  await transport.close()
})
