/** `expectedDigest` in its three spellings, as the one form that is kept. Pure. */
import { type ExpectedDigest } from '../contract/task.ts'
import { invalid, notYet, shown } from './known-names.ts'

const nothingAdded = 'Nothing was added.'
const forms = "Write 'sha-256:HEX', SRI 'sha256-BASE64', or 'sha-256=:BASE64:' (RFC 9530)"
/** Algorithms that people may mean; only the first is computed so far. */
const algorithms: Readonly<Record<string, { readonly name: string; readonly bytes: number }>> = {
  'sha-256': { name: 'sha-256', bytes: 32 },
  sha256: { name: 'sha-256', bytes: 32 },
  'sha-384': { name: 'sha-384', bytes: 48 },
  sha384: { name: 'sha-384', bytes: 48 },
  'sha-512': { name: 'sha-512', bytes: 64 },
  sha512: { name: 'sha-512', bytes: 64 },
  'sha-1': { name: 'sha-1', bytes: 20 },
  sha1: { name: 'sha-1', bytes: 20 },
  md5: { name: 'md5', bytes: 16 },
}

/**
 * @param value one or several; all have to hold
 * @throws INVALID_ARGUMENT for another form, another algorithm, or a digest of the wrong length
 */
export function expectedDigests(value: unknown): readonly ExpectedDigest[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  const found = new Set(list.map(hexOf))
  if (found.size > 1) throw invalid('expectedDigest', 'two different sha-256 digests can never both hold', nothingAdded)
  return [...found].map((hex) => ({ algorithm: 'sha-256', hex }))
}

function hexOf(value: unknown): string {
  if (typeof value !== 'string')
    throw invalid('expectedDigest', `${shown(value)} is not a digest. ${forms}`, nothingAdded)
  const text = value.trim()
  const field = /^([a-z0-9-]+)=:([A-Za-z0-9+/]*={0,2}):$/i.exec(text)
  const integrity = /^([a-z0-9]+)-([A-Za-z0-9+/]+={0,2})$/i.exec(text)
  const hex = /^([a-z0-9-]+):([0-9a-f]*)$/i.exec(text)
  const match = field ?? hex ?? integrity
  if (match === null) throw invalid('expectedDigest', `${shown(value)} is not a digest. ${forms}`, nothingAdded)
  const algorithm = algorithms[match[1]!.toLowerCase()]
  if (algorithm === undefined)
    throw invalid('expectedDigest', `'${match[1]}' is not a digest algorithm. ${forms}`, nothingAdded)
  const written = match[2]!
  const bytes = Buffer.from(written, match === hex ? 'hex' : 'base64')
  const isWhole = match === hex ? bytes.length * 2 === written.length : true
  if (bytes.length !== algorithm.bytes || !isWhole) {
    const has = match === hex ? `${written.length} hexadecimal digits` : `${bytes.length} bytes`
    const wants = match === hex ? `${algorithm.bytes * 2}` : `${algorithm.bytes}`
    throw invalid('expectedDigest', `${shown(value)} has ${has}, and ${algorithm.name} has ${wants}`, nothingAdded)
  }
  if (algorithm.name !== 'sha-256') throw notYet(`expectedDigest: ${algorithm.name}`, `${nothingAdded} Use sha-256.`)
  return bytes.toString('hex')
}
