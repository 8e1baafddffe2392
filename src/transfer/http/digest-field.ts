/**
 * Repr-Digest and Content-Digest (RFC 9530): dictionaries of structured fields (RFC 9651), in a head or a trailer. One that is
 * malformed anywhere is as if it had not been sent. Our own, for it is one expression; the library for structured fields
 * throws where we ignore, and knows no algorithms.
 */
import { type DigestAlgorithm, digestBytes, type ExpectedDigest, strongestDigest } from '../../contract/digests.ts'
import type { HeaderList } from '../../world/transport.ts'

/** What we ask every server for: it may know one of them at no cost. */
export const wantedDigests = 'sha-256=9, sha-512=8'

/** Of the registry of RFC 9530 §7.2, those that can be computed here. The weak ones find accidents, if no attack. */
const registered: Readonly<Record<string, DigestAlgorithm>> = {
  'sha-512': 'sha-512',
  'sha-256': 'sha-256',
  sha: 'sha-1',
  md5: 'md5',
}

const key = '[a-z*][a-z0-9_.*-]*'
const bytes = ':(?<bytes>[A-Za-z0-9+/]*={0,2}):'
const otherItems = [
  '-?\\d{1,12}\\.\\d{1,3}', // decimal
  '@?-?\\d{1,15}', // integer, date
  '%?"(?:[ !#-[\\]-~]|\\\\["\\\\])*"', // string, display string
  "[A-Za-z*][\\w!#$%&'*+.^`|~:/-]*", // token
  '\\?[01]', // boolean
]
const anyItem = [...otherItems, ':[A-Za-z0-9+/]*={0,2}:'].join('|')
const parameters = `(?:; *${key}(?:=(?:${anyItem}))?)*`
const innerList = `\\((?: *(?:${anyItem})${parameters}(?= |\\)))* *\\)`
const member = new RegExp(`(?<key>${key})(?:=(?:${bytes}|${anyItem}|${innerList}))?${parameters}`, 'y')
const comma = /[ \t]*,[ \t]*/y

/**
 * The strongest digest of a field that is known here, out of all its lines. A server may send weak ones beside it for others;
 * they are not looked at. A value of another length than the algorithm has says nothing.
 */
export function digestField(headers: HeaderList, name: 'repr-digest' | 'content-digest'): ExpectedDigest | undefined {
  const lines = headers.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value)
  if (lines.length === 0) return undefined
  const members = dictionary(withoutSpaces(lines.join(', ')))
  const digests: ExpectedDigest[] = []
  for (const [name, base64] of members ?? []) {
    const algorithm = Object.hasOwn(registered, name) ? registered[name] : undefined
    const value = Buffer.from(base64 ?? '', 'base64')
    if (algorithm !== undefined && value.byteLength === digestBytes[algorithm])
      digests.push({ algorithm, hex: value.toString('hex') })
  }
  return strongestDigest(digests)
}

/** RFC 9651 §4.2: spaces alone are left out at both ends. */
function withoutSpaces(text: string): string {
  let [from, to] = [0, text.length]
  while (text[from] === ' ') from++
  while (to > from && text[to - 1] === ' ') to--
  return text.slice(from, to)
}

/** Each key with its bytes, if they are some; the last of equal keys counts. `undefined`: malformed. */
function dictionary(text: string): ReadonlyMap<string, string | undefined> | undefined {
  const members = new Map<string, string | undefined>()
  for (let at = 0; at < text.length;) {
    if (at > 0) {
      comma.lastIndex = at
      if (!comma.test(text)) return undefined
      at = comma.lastIndex
    }
    member.lastIndex = at
    const found = member.exec(text)
    if (found === null) return undefined
    members.set(found.groups!['key']!, found.groups!['bytes'])
    at = member.lastIndex
  }
  return members
}
