/**
 * What an app gives to `setCredential`, checked before it leaves the process. No message shows a value: it may be the secret,
 * in the wrong place. Pure.
 */
import { isAbsolute } from 'node:path'
import type { Credential, CredentialReference } from '../contract/credential.ts'
import { laterPlaces } from '../contract/secret-reference.ts'
import { checkNames, invalid, isFields, notYet } from './known-names.ts'

const nothingChanged = 'Nothing was changed.'
const later: readonly string[] = ['trustFingerprint', 'certificate']
const shapes = '{ user, password } or { bearer }'

/** @throws INVALID_ARGUMENT */
export function credentialOf(value: unknown): Credential | null {
  if (value === null) return null
  if (!isFields(value)) throw invalid('credential', `it is neither null nor ${shapes}`, nothingChanged)
  checkNames(value, 'fields of a credential', { known: ['user', 'password', 'bearer'], later }, nothingChanged)
  const { user, password, bearer } = value
  if (bearer !== undefined) {
    if (user !== undefined || password !== undefined)
      throw invalid('credential', `it is one or the other: ${shapes}`, nothingChanged)
    const token = secretOf(bearer, 'bearer')
    if (typeof token === 'string' && !/^[\x21-\x7e]+$/.test(token))
      throw invalid('bearer', 'it has blanks or other characters that a header cannot carry', nothingChanged)
    return { bearer: token }
  }
  if (typeof user !== 'string' || password === undefined)
    throw invalid('credential', `it is not ${shapes}`, nothingChanged)
  return { user: words(user, 'user'), password: secretOf(password, 'password') }
}

/** Scheme, host and port. @throws INVALID_ARGUMENT */
export function originOf(value: unknown): string {
  const parsed = typeof value === 'string' || value instanceof URL ? URL.parse(String(value)) : null
  if (parsed === null || (parsed.protocol !== 'https:' && parsed.protocol !== 'http:'))
    throw invalid('origin', "it is not an origin such as 'https://example.com'", nothingChanged)
  if (
    parsed.pathname !== '/' ||
    parsed.search !== '' ||
    parsed.hash !== '' ||
    parsed.username !== '' ||
    parsed.password !== ''
  )
    throw invalid('origin', `a credential serves all of an origin; write '${parsed.origin}'`, nothingChanged)
  return parsed.origin
}

function secretOf(value: unknown, name: string): string | CredentialReference {
  if (typeof value === 'string') return words(value, name)
  if (!isFields(value)) throw invalid(name, 'it is neither a string nor a reference', nothingChanged)
  checkNames(value, `fields of ${name}`, { known: ['from', 'name'] }, nothingChanged)
  const { from, name: place } = value
  if (from !== 'env' && typeof from === 'string' && laterPlaces.includes(from))
    throw notYet(`${name}.from: '${from}'`, nothingChanged)
  if (from === 'file' && typeof place === 'string' && isAbsolute(place)) return { from, name: place }
  if (from === 'env' && typeof place === 'string' && /^[^=\0]+$/.test(place)) return { from, name: place }
  throw invalid(
    name,
    "it is not { from: 'file', name: '/path/of/the/file' } or { from: 'env', name: 'VARIABLE' }",
    nothingChanged,
  )
}

function words(text: string, name: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  if (/[\x00-\x1f\x7f]/.test(text))
    throw invalid(name, 'it has line breaks or other control characters', nothingChanged)
  return text
}
