/** Who is at the two ends of TLS, as a user writes it: the client's own certificate, and the pins of the server's. Pure. */
import { isAbsolute } from 'node:path'
import { type ClientCertificate, laterPlaces, type SecretReference } from '../contract/secret-reference.ts'
import { checkNames, invalid, isFields, notYet, shown } from './known-names.ts'

/** @throws INVALID_ARGUMENT */
export function clientCertificateOf(value: unknown, name: string, consequence: string): ClientCertificate {
  const { key, passphrase } = fieldsOf(value, name, consequence)
  return {
    ...referenceOf(value, name, consequence, ['key', 'passphrase']),
    ...(key !== undefined && { key: referenceOf(key, `${name}.key`, consequence) }),
    ...(passphrase !== undefined && { passphrase: referenceOf(passphrase, `${name}.passphrase`, consequence) }),
  }
}

/** curl's spelling with two strokes is taken too. @throws INVALID_ARGUMENT */
export function pinsOf(value: unknown, name: string, consequence: string): readonly string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > 64)
    throw invalid(name, `${shown(value)} is not an array of 1 to 64 pins`, consequence)
  return value.map((pin: unknown) => {
    const digest = typeof pin === 'string' ? /^sha256\/\/?([A-Za-z0-9+/]{43}=)$/.exec(pin)?.[1] : undefined
    if (digest === undefined)
      throw invalid(
        name,
        `${shown(pin)} is not 'sha256/' and the 44 characters of a SHA-256 in Base64, taken over the public key of a certificate (SubjectPublicKeyInfo)`,
        consequence,
      )
    return `sha256/${digest}`
  })
}

function referenceOf(value: unknown, name: string, consequence: string, more: readonly string[] = []): SecretReference {
  const fields = fieldsOf(value, name, consequence)
  checkNames(fields, `fields of ${name}`, { known: ['from', 'name', ...more] }, consequence)
  const { from, name: place } = fields
  if (typeof from === 'string' && laterPlaces.includes(from)) throw notYet(`${name}.from: '${from}'`, consequence)
  if (from !== 'file') throw invalid(`${name}.from`, `${shown(from)} is not 'file'`, consequence)
  if (typeof place !== 'string' || !isAbsolute(place) || place.includes('\0'))
    throw invalid(
      `${name}.name`,
      // What stands here by mistake may be the secret itself.
      'it must be the absolute path of a file, which the daemon reads when it needs it',
      consequence,
    )
  return { from, name: place }
}

function fieldsOf(value: unknown, name: string, consequence: string): Readonly<Record<string, unknown>> {
  if (isFields(value)) return value
  // Never shown: it may be the secret.
  throw invalid(name, "it is not a reference such as { from: 'file', name: '/path/to/client.pem' }", consequence)
}
