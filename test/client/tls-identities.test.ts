/** Client certificates and pins, as a user writes them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tlsOptions } from '../../src/client/policies.ts'
import { isLonghaulError } from '../../src/contract/errors.ts'
import type { TlsOptions } from '../../src/contract/session.ts'
import { checkParams } from '../../src/daemon/checks.ts'

const pin = `sha256/${'A'.repeat(43)}=`
const checked = (tls: unknown): TlsOptions => tlsOptions(tls as TlsOptions, 'tls', 'Nothing was added.')

test('a client certificate and pins become the record that the daemon takes', () => {
  const clientCertificate = {
    from: 'file',
    name: '/c.pem',
    key: { from: 'file', name: '/k.pem' },
    passphrase: { from: 'file', name: '/p' },
  }
  const tls = checked({ clientCertificate, pins: [pin, pin.replace('/', '//')] })
  assert.deepEqual(tls, { clientCertificate, pins: [pin, pin] })
  const open = { identifier: 'a', configuration: { tls }, strictConfiguration: false }
  assert.deepEqual(checkParams('session.open', open), open)
})

test('what is not a reference, or not a pin, is refused by its name and never shown where it may be a secret', () => {
  const secret = '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----'
  const bad: readonly (readonly [unknown, RegExp])[] = [
    [{ clientCertificate: secret }, /tls\.clientCertificate: .*from: 'file'/],
    [{ clientCertificate: { from: 'file', name: secret } }, /tls\.clientCertificate\.name/],
    [{ clientCertificate: { from: 'file', name: 'client.pem' } }, /absolute path/],
    [{ clientCertificate: { from: 'file' } }, /tls\.clientCertificate\.name/],
    [{ clientCertificate: { from: 'disk', name: '/c.pem' } }, /"disk" is not 'file'/],
    [{ clientCertificate: { from: 'keyring', name: 'client' } }, /'keyring' is not in this version/],
    [{ clientCertificate: { from: 'file', name: '/c.pem', key: secret } }, /tls\.clientCertificate\.key/],
    [{ clientCertificate: { from: 'file', name: '/c.pem', pass: 'x' } }, /'pass' is not among.*passphrase/],
    [
      { clientCertificate: { from: 'file', name: '/c.pem', passphrase: 'sesame' } },
      /tls\.clientCertificate\.passphrase/,
    ],
    [{ pins: [] }, /tls\.pins/],
    [{ pins: pin }, /tls\.pins/],
    [{ pins: ['sha1/AAAA'] }, /"sha1\/AAAA" is not 'sha256\/'/],
    [{ pins: [`sha256/${'a'.repeat(64)}`] }, /44 characters/],
  ]
  for (const [tls, words] of bad) {
    assert.throws(
      () => checked(tls),
      (error) => {
        assert.ok(isLonghaulError(error, 'INVALID_ARGUMENT'))
        assert.match(error.message, words)
        assert.doesNotMatch(error.message, /PRIVATE|MIIB|sesame/)
        return true
      },
    )
    const open = { identifier: 'a', configuration: { tls }, strictConfiguration: false }
    if (!JSON.stringify(tls).includes('pass"'))
      assert.throws(() => checkParams('session.open', open), JSON.stringify(tls))
  }
})
