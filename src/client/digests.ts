/** `expectedDigest` in its three spellings, as the one form that is kept. Pure. */
import { type DigestAlgorithm, digestAlgorithms, digestBytes, type ExpectedDigest } from '../contract/digests.ts'
import { invalid, shown } from './known-names.ts'

const nothingAdded = 'Nothing was added.'
const forms = "Write 'sha-256:HEX', SRI 'sha256-BASE64', or 'sha-256=:BASE64:' (RFC 9530)"

/** Each algorithm by all of its names: sha-256, sha256; sha-1 is `sha` in RFC 9530. */
const algorithms: ReadonlyMap<string, DigestAlgorithm> = new Map([
  ...digestAlgorithms.flatMap((name) => [[name, name] as const, [name.replace('-', ''), name] as const]),
  ['sha', 'sha-1'],
])

/**
 * @param value one or several, in an array or separated by spaces or commas; all have to hold
 * @throws INVALID_ARGUMENT for another form, another algorithm, or a digest of the wrong length
 */
export function expectedDigests(value: unknown): readonly ExpectedDigest[] {
  const found = new Map<DigestAlgorithm, ExpectedDigest>()
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  for (const digest of list.flatMap(separated).map(digestOf)) {
    const { algorithm, hex } = digest
    if ((found.get(algorithm)?.hex ?? hex) !== hex)
      throw invalid('expectedDigest', `two different ${algorithm} digests can never both hold`, nothingAdded)
    found.set(algorithm, digest)
  }
  return [...found.values()]
}

function separated(value: unknown): readonly unknown[] {
  const parts = typeof value === 'string' ? value.split(/[\s,]+/).filter((part) => part !== '') : []
  return parts.length > 1 ? parts : [value]
}

function digestOf(value: unknown): ExpectedDigest {
  if (typeof value !== 'string')
    throw invalid('expectedDigest', `${shown(value)} is not a digest. ${forms}`, nothingAdded)
  const text = value.trim()
  const field = /^([a-z0-9-]+)=:([A-Za-z0-9+/]*={0,2}):$/i.exec(text)
  const integrity = algorithms.has(text.toLowerCase()) ? null : /^([a-z0-9]+)-([A-Za-z0-9+/]+={0,2})$/i.exec(text)
  const hex = /^([a-z0-9-]+):([0-9a-f]*)$/i.exec(text)
  const match = field ?? hex ?? integrity
  if (match === null) throw invalid('expectedDigest', `${shown(value)} is not a digest. ${forms}`, nothingAdded)
  const algorithm = algorithms.get(match[1]!.toLowerCase())
  if (algorithm === undefined) {
    const known = `Known are ${digestAlgorithms.join(', ')}`
    throw invalid('expectedDigest', `'${match[1]}' is not a digest algorithm. ${known}. ${forms}`, nothingAdded)
  }
  const written = match[2]!
  const bytes = Buffer.from(written, match === hex ? 'hex' : 'base64')
  const isWhole = match === hex ? bytes.length * 2 === written.length : true
  const expected = digestBytes[algorithm]
  if (bytes.length !== expected || !isWhole) {
    const has = match === hex ? `${written.length} hexadecimal digits` : `${bytes.length} bytes`
    const wants = match === hex ? `${expected * 2}` : `${expected}`
    throw invalid('expectedDigest', `${shown(value)} has ${has}, and ${algorithm} has ${wants}`, nothingAdded)
  }
  return { algorithm, hex: bytes.toString('hex') }
}
