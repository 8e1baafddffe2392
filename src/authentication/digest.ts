/**
 * Digest access authentication (RFC 7616, and RFC 2069 where a server names no qop). Pure: who uses it brings the cnonce and
 * counts, `DigestSession` for instance.
 *
 * SHA-512-256 is left out: implementations, the RFC's own example among them, do not agree which hash that is. So is auth-int,
 * which protects a body, and a download has none.
 */
import { createHash } from 'node:crypto'
import { type Challenge, quoted } from './challenges.ts'

/** No object: servers may ask for `constructor`. */
const hashes: ReadonlyMap<string, 'md5' | 'sha256'> = new Map([
  ['md5', 'md5'],
  ['md5-sess', 'md5'],
  ['sha-256', 'sha256'],
  ['sha-256-sess', 'sha256'],
])

export interface DigestChallenge {
  readonly realm: string
  readonly nonce: string
  readonly opaque: string | undefined
  /** As the server wrote it; undefined: it wrote none, which means MD5. */
  readonly algorithm: string | undefined
  readonly hash: 'md5' | 'sha256'
  /** The key is made once for a session (RFC 7616 §3.4.2). */
  readonly sess: boolean
  /** Undefined: as in RFC 2069, without cnonce and count. */
  readonly qop: 'auth' | undefined
  readonly userhash: boolean
  readonly charset: 'UTF-8' | undefined
  /** Addresses and absolute paths, as the server wrote them; empty: the whole origin. */
  readonly domain: readonly string[]
  /** Only the nonce was refused, not the user or the password. */
  readonly stale: boolean
}

/** Undefined: it is no Digest challenge, or one that we cannot answer. */
export function digestChallenge({ scheme, parameters }: Challenge): DigestChallenge | undefined {
  const realm = parameters.get('realm')
  const nonce = parameters.get('nonce')
  const algorithm = parameters.get('algorithm')
  const hash = hashes.get((algorithm ?? 'md5').toLowerCase())
  if (scheme !== 'digest' || realm === undefined || nonce === undefined || hash === undefined) return undefined
  const offered = parameters.get('qop')
  const qop = offered?.split(',').some((each) => each.trim().toLowerCase() === 'auth')
  if (qop === false) return undefined
  return {
    realm,
    nonce,
    opaque: parameters.get('opaque'),
    algorithm,
    hash,
    sess: algorithm?.toLowerCase().endsWith('-sess') === true,
    qop: qop === true ? 'auth' : undefined,
    userhash: parameters.get('userhash')?.toLowerCase() === 'true',
    charset: parameters.get('charset')?.toLowerCase() === 'utf-8' ? 'UTF-8' : undefined,
    domain: (parameters.get('domain') ?? '').split(' ').filter((each) => each !== ''),
    stale: parameters.get('stale')?.toLowerCase() === 'true',
  }
}

export interface DigestUse {
  readonly challenge: DigestChallenge
  /** The challenge's, or one that came after it (`nextnonce`). */
  readonly nonce: string
  readonly user: string
  readonly password: string
  readonly method: string
  /** The request target as it is sent: path and query, or for CONNECT host and port. */
  readonly uri: string
  /** How many requests were sent with this nonce, this one included. */
  readonly count: number
  readonly cnonce: string
  /** Of the first request of the session, for the algorithms that end in -sess. */
  readonly first: { readonly nonce: string; readonly cnonce: string }
}

/** The value of Authorization, or of Proxy-Authorization. */
export function digestAuthorization(use: DigestUse): string {
  const { challenge, nonce, method, uri, cnonce, first } = use
  const { realm, opaque, algorithm, qop } = challenge
  const digest = (...parts: readonly (string | Uint8Array)[]): string => {
    const hash = createHash(challenge.hash)
    for (const [i, part] of parts.entries()) hash.update(i === 0 ? '' : ':').update(part)
    return hash.digest('hex')
  }
  // RFC 7616 §4: where the server says UTF-8, one way of writing each character.
  const normal = (text: string): string => (challenge.charset === undefined ? text : text.normalize('NFC'))
  const user = normal(use.user)
  const secret = digest(user, octets(realm), normal(use.password))
  const key = challenge.sess ? digest(secret, octets(first.nonce), first.cnonce) : secret
  const asked = digest(method, uri)
  const count = use.count.toString(16).padStart(8, '0')
  const proven = qop === undefined ? [] : [count, cnonce, qop]
  const fields = [
    ...nameFields(user, challenge.userhash ? digest(user, octets(realm)) : undefined),
    `realm=${quoted(realm)}`,
    `uri=${quoted(uri)}`,
    ...(algorithm === undefined ? [] : [`algorithm=${algorithm}`]),
    `nonce=${quoted(nonce)}`,
    // RFC 2069 knows neither, but the -sess algorithms cannot be verified without the cnonce.
    ...(qop === undefined ? [] : [`nc=${count}`]),
    ...(qop === undefined && !challenge.sess ? [] : [`cnonce=${quoted(cnonce)}`]),
    ...(qop === undefined ? [] : [`qop=${qop}`]),
    `response=${quoted(digest(key, octets(nonce), ...proven, asked))}`,
    ...(opaque === undefined ? [] : [`opaque=${quoted(opaque)}`]),
  ]
  return `Digest ${fields.join(', ')}`
}

/** What a server sent, as it came: each character of a field stands for one octet, whatever the server means by them. */
function octets(sent: string): Uint8Array {
  return Buffer.from(sent, 'latin1')
}

/** RFC 7616 §3.4: a hash, or `username*` for what a quoted-string cannot carry. */
function nameFields(user: string, hashed: string | undefined): readonly string[] {
  if (hashed !== undefined) return [`username=${quoted(hashed)}`, 'userhash=true']
  if (/^[\x20-\x7e]*$/.test(user)) return [`username=${quoted(user)}`]
  const coded = encodeURIComponent(user).replaceAll(
    /['()*]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return [`username*=UTF-8''${coded}`]
}
