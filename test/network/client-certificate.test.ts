/** Showing who we are to servers that ask, and what happens where that fails. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ClientCertificate, SecretReference } from '../../src/contract/secret-reference.ts'
import { createTransport } from '../../src/network/transport.ts'
import { ask } from '../support/ask.ts'
import { type CertificateKind, testCertificate } from '../support/certificates.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { demandingServer } from './openssl-server.ts'

const skip = needs('openssl')
const posix = needs('openssl', 'posix')

/** One file with certificate and key, as most people keep it. */
async function identity(folder: string, kind: CertificateKind = 'good'): Promise<ClientCertificate> {
  const { cert, key } = testCertificate(kind)
  return file(folder, `${kind}.pem`, cert + key)
}

async function file(folder: string, name: string, text: string, mode = 0o600): Promise<SecretReference> {
  const path = join(folder, name)
  await writeFile(path, text)
  await chmod(path, mode)
  return { from: 'file', name: path }
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(
    `a server that asks for a client certificate by ${version} gets it, certificate and key in one file`,
    { skip },
    async () => {
      await using server = await demandingServer(version)
      const folder = await temporaryFolder()
      const transport = createTransport()
      const tls = { ca: [server.authority], clientCertificate: await identity(folder) }
      const { exchange } = await ask(transport, server.url, { tls })
      assert.equal(exchange.head.status, 200)
      assert.equal(exchange.facts.tlsVersion, version)
      await transport.close()
    },
  )

  test(
    `without a client certificate a server that demands one by ${version} says that it is required`,
    { skip },
    async () => {
      await using server = await demandingServer(version)
      const transport = createTransport()
      await assert.rejects(ask(transport, server.url, { tls: { ca: [server.authority] } }), {
        name: 'NetworkFailure',
        reason: 'client certificate required',
      })
      await transport.close()
    },
  )

  for (const kind of ['self-signed', 'expired'] as const) {
    test(`a client certificate that is ${kind} is rejected by a server that speaks ${version}`, { skip }, async () => {
      await using server = await demandingServer(version)
      const folder = await temporaryFolder()
      const transport = createTransport()
      const tls = { ca: [server.authority], clientCertificate: await identity(folder, kind) }
      await assert.rejects(ask(transport, server.url, { tls }), {
        name: 'NetworkFailure',
        reason: 'client certificate rejected',
      })
      await transport.close()
    })
  }
}

test('the key may stand in a file of its own, encrypted, and its passphrase in a third one', { skip }, async () => {
  await using server = await demandingServer('TLSv1.3')
  const folder = await temporaryFolder()
  const { cert, key } = testCertificate()
  const cipher = { cipher: 'aes-256-cbc', passphrase: 'open, sesame' }
  const encrypted = createPrivateKey(key)
    .export({ type: 'pkcs8', format: 'pem', ...cipher })
    .toString()
  const clientCertificate = {
    ...(await file(folder, 'cert.pem', cert, 0o644)),
    key: await file(folder, 'key.pem', encrypted),
    passphrase: await file(folder, 'passphrase', 'open, sesame\n'),
  }
  const transport = createTransport()
  const { exchange } = await ask(transport, server.url, { tls: { ca: [server.authority], clientCertificate } })
  assert.equal(exchange.head.status, 200)

  const { passphrase: _none, ...closed } = clientCertificate
  const wrong = { ...clientCertificate, passphrase: await file(folder, 'wrong', 'open, rice\n') }
  for (const [reference, words] of [
    [closed, /encrypted key.*passphrase/],
    [wrong, /does not open/],
  ] as const) {
    const error = await ask(transport, server.url, {
      tls: { ca: [server.authority], clientCertificate: reference },
    }).then(
      () => assert.fail('was let in'),
      (reason: Error) => reason,
    )
    assert.match(error.message, words)
    assert.doesNotMatch(JSON.stringify(error) + error.message, /sesame|rice|PRIVATE KEY/)
  }
  await transport.close()
})

test('a key that others may read is not used, and nothing is sent', { skip: posix }, async () => {
  await using server = await CertifiedServer.start({ certificate: 'good' })
  const folder = await temporaryFolder()
  const transport = createTransport()
  const { cert, key } = testCertificate()
  const url = server.file('/a', { size: 1 })
  for (const mode of [0o644, 0o640, 0o622]) {
    const clientCertificate = await file(folder, 'open.pem', cert + key, mode)
    await assert.rejects(ask(transport, url, { tls: { ca: [server.authority], clientCertificate } }), {
      code: 'NO_PERMISSIONS_TO_READ_FILE',
    })
  }
  assert.equal(server.requests.length, 0)
  await transport.close()
})

test(
  'a client certificate that is no use is told by its file, before a connection is made',
  { skip: posix },
  async () => {
    const folder = await temporaryFolder()
    const transport = createTransport()
    const [good, other] = [testCertificate(), testCertificate('other name')]
    const cases: readonly (readonly [ClientCertificate, { readonly code: string; readonly message: RegExp }])[] = [
      [
        { from: 'file', name: join(folder, 'nothing') },
        { code: 'FILE_DOES_NOT_EXIST', message: /nothing cannot be read/ },
      ],
      [
        { from: 'file', name: folder },
        { code: 'INVALID_ARGUMENT', message: /is not a file/ },
      ],
      [await file(folder, 'text', 'hello'), { code: 'INVALID_ARGUMENT', message: /no certificate in PEM form/ }],
      [await file(folder, 'cert', good.cert), { code: 'INVALID_ARGUMENT', message: /no private key in PEM form/ }],
      [
        await file(folder, 'pair', other.cert + good.key),
        { code: 'INVALID_ARGUMENT', message: /does not belong to the certificate/ },
      ],
      [
        await file(folder, 'bad', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' + good.key),
        { code: 'INVALID_ARGUMENT', message: /cannot be used/ },
      ],
    ]
    for (const [clientCertificate, expected] of cases)
      await assert.rejects(ask(transport, 'https://127.0.0.1:9/', { tls: { clientCertificate } }), expected)
    await transport.close()
  },
)

test('a client certificate that was renewed in its place is used for the next connection', { skip }, async () => {
  await using server = await demandingServer('TLSv1.3')
  const folder = await temporaryFolder()
  const transport = createTransport()
  const clientCertificate = await identity(folder, 'expired')
  const tls = { ca: [server.authority], clientCertificate }
  await assert.rejects(ask(transport, server.url, { tls }), { reason: 'client certificate rejected' })
  const { cert, key } = testCertificate()
  await rm(clientCertificate.name)
  await writeFile(clientCertificate.name, cert + key, { mode: 0o600 })
  assert.equal((await ask(transport, server.url, { tls })).exchange.head.status, 200)
  await transport.close()
})

test(
  'a connection that was made with a client certificate is not used for requests without one',
  { skip },
  async () => {
    await using server = await CertifiedServer.start({ certificate: 'good' })
    const folder = await temporaryFolder()
    const transport = createTransport()
    const url = server.file('/a', { size: 1 })
    const ca = [server.authority]
    const named = { ca, clientCertificate: await identity(folder) }
    assert.equal((await ask(transport, url, { tls: named })).exchange.facts.reused, false)
    assert.equal((await ask(transport, url, { tls: { ca } })).exchange.facts.reused, false)
    assert.equal((await ask(transport, url, { tls: named })).exchange.facts.reused, true)
    await transport.close()
  },
)
