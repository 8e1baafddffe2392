/**
 * The client's own certificate and key, read where their references lead, at each connection that is made: a certificate
 * that was renewed is used from then on, and no key stays with us longer than the connections that it made.
 *
 * What OpenSSL says of a key never holds any of it; the messages here name the file and nothing that is in it.
 */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { type ErrorCode, LonghaulError } from '../contract/errors.ts'
import type { ClientCertificate, SecretReference } from '../contract/secret-reference.ts'

/** PEM, and the passphrase of the key if it has one. */
export interface Identity {
  readonly cert: string
  readonly key: string
  readonly passphrase: string | undefined
}

/** Certificates and keys have a few KiB. */
const limitBytes = 1024 * 1024
const what = 'tls.clientCertificate'

/** @throws LonghaulError that names the file: missing, not to be read, open to others, or no use as what it should be */
export async function readIdentity(reference: ClientCertificate): Promise<Identity> {
  const keyPlace = reference.key ?? reference
  const cert = await read(reference, { secret: reference.key === undefined })
  const key = reference.key === undefined ? cert : await read(reference.key, { secret: true })
  const passphrase = reference.passphrase && (await read(reference.passphrase, { secret: true })).split(/\r?\n/, 1)[0]!
  const identity = { cert, key, passphrase }
  if (!cert.includes('-----BEGIN CERTIFICATE-----'))
    throw unusable(
      reference,
      'holds no certificate in PEM form (-----BEGIN CERTIFICATE-----); openssl pkcs12 makes it of a .p12 or .pfx file',
    )
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key))
    throw unusable(keyPlace, 'holds no private key in PEM form (-----BEGIN … PRIVATE KEY-----)')
  checkPair(identity, reference, keyPlace)
  return identity
}

function checkPair({ cert, key, passphrase }: Identity, certPlace: SecretReference, keyPlace: SecretReference): void {
  let fits: boolean
  try {
    fits = new X509Certificate(cert).checkPrivateKey(
      createPrivateKey({ key, ...(passphrase !== undefined && { passphrase }) }),
    )
  } catch (error) {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'not valid'
    // So OpenSSL says that it asked for one and got none.
    if (code === 'ERR_MISSING_PASSPHRASE' || (passphrase === undefined && code.includes('INTERRUPTED_OR_CANCELLED')))
      throw unusable(keyPlace, `holds an encrypted key; name the file of its passphrase in ${what}.passphrase`)
    if (code.includes('BAD_DECRYPT')) throw unusable(keyPlace, 'holds a key that the passphrase does not open')
    throw unusable(keyPlace, `or the certificate, cannot be used (${code})`)
  }
  if (!fits) throw unusable(keyPlace, `holds a key that does not belong to the certificate in ${certPlace.name}`)
}

async function read(place: SecretReference, how: { readonly secret: boolean }): Promise<string> {
  let file
  try {
    // Not blocking: a named pipe in this place must not hold us up.
    file = await open(place.name, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    const reason: ErrorCode =
      code === 'EACCES' || code === 'EPERM' ? 'NO_PERMISSIONS_TO_READ_FILE' : 'FILE_DOES_NOT_EXIST'
    throw new LonghaulError(reason, `${what}: ${place.name} cannot be read (${String(code)}).`, { cause })
  }
  try {
    const { mode, uid, size } = await file.stat()
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > limitBytes)
      throw unusable(place, 'is not a file of at most 1 MiB')
    if (how.secret && openToOthers({ mode, uid }))
      throw new LonghaulError(
        'NO_PERMISSIONS_TO_READ_FILE',
        `${what}: ${place.name} is not used, because others may read or change it.`,
        { hint: `chmod 600 ${place.name}; if others could read the key until now, a new one is better.` },
      )
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/** Windows has no such modes. A key of the system's may be open to the group that the administrator made for it. */
function openToOthers({ mode, uid }: { readonly mode: number; readonly uid: number }): boolean {
  if (process.platform === 'win32') return false
  return (mode & (uid === 0 && process.getuid?.() !== 0 ? 0o037 : 0o077)) !== 0
}

function unusable(place: SecretReference, why: string): LonghaulError {
  return new LonghaulError('INVALID_ARGUMENT', `${what}: ${place.name} ${why}.`)
}
