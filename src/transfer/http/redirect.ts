/**
 * Where a redirect leads, and what may go along. Refused: from https to http, to another scheme, and from a public address
 * to a private one, because a server must not make this machine speak to what only this machine can reach.
 */
import { LonghaulError } from '../../contract/errors.ts'
import { maskUrl, type RequestFacts } from '../../contract/task.ts'
import type { HeaderList } from '../../world/transport.ts'
import { AttemptFailed } from '../endings.ts'

export const maximumRedirects = 20

export interface RedirectRules {
  /** Names in any case. */
  readonly keepHeadersAcrossOrigins: readonly string[]
  readonly allowPrivateRedirects: boolean
}

const redirecting: readonly number[] = [301, 302, 303, 307, 308]

export function isRedirect(status: number): boolean {
  return redirecting.includes(status)
}

/** The `Location` to follow, in ASCII, or `undefined` if this answer is the final one. */
export function redirectTarget(head: { readonly status: number; readonly headers: HeaderList }): string | undefined {
  if (!isRedirect(head.status)) return undefined
  const location = head.headers.find(([name]) => name === 'location')?.[1]
  // Many servers send raw UTF-8. Each octet reads as a character here, of which the parser of addresses would make two.
  return location?.replaceAll(/[\x80-\xff]/g, (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** The next request. @throws AttemptFailed INSECURE_REDIRECT, BAD_SERVER_RESPONSE */
export function redirected(
  from: RequestFacts,
  status: number,
  location: string,
  /** Where `from` was answered, if known: a public name may lead to a private address. */
  remoteAddress: string | undefined,
  rules: RedirectRules,
): RequestFacts {
  const here = new URL(from.url)
  let there: URL
  try {
    there = new URL(location, here)
  } catch (cause) {
    throw new AttemptFailed(
      new LonghaulError('BAD_SERVER_RESPONSE', `${maskUrl(from.url)} redirected to what is not an address.`, { cause }),
      { kind: 'malformed' },
    )
  }
  const to = maskUrl(there.href)
  if (there.protocol !== 'https:' && there.protocol !== 'http:')
    throw refused(`${maskUrl(from.url)} redirected to ${there.protocol} which is not followed.`)
  if (here.protocol === 'https:' && there.protocol === 'http:')
    throw refused(
      `${maskUrl(from.url)} redirected from https to ${to}, where anybody on the way could change the file.`,
    )
  if (isPrivateAddress(there.hostname)) refusePrivate(from.url, remoteAddress, to, rules)
  // A server does not choose the credentials that we show to another.
  there.username = ''
  there.password = ''
  there.hash = ''
  const sameOrigin = there.origin === here.origin
  const headers = sameOrigin ? from.headers : travelling(from.headers, rules)
  const method = methodAfter(status, from.method)
  return {
    url: there.href,
    method,
    headers: method === from.method ? headers : headers.filter(([name]) => !/^content-/i.test(name)),
    ...(sameOrigin && from.authorization !== undefined && { authorization: from.authorization }),
  }
}

/**
 * The request for a place to which redirects led before, now in one step. Nobody remembers by way of which servers they led there,
 * so that it takes along what may go to another origin, even to its own. @throws as `redirected`
 */
export function ledBack(
  from: RequestFacts,
  place: string,
  remoteAddress: string | undefined,
  rules: RedirectRules,
): RequestFacts {
  const { authorization: _, ...next } = redirected(from, 307, place, remoteAddress, rules)
  return { ...next, headers: travelling(next.headers, rules) }
}

/** For a name whose address is known only once it was connected to. @throws AttemptFailed INSECURE_REDIRECT */
export function refusePrivate(
  fromUrl: string,
  remoteAddress: string | undefined,
  to: string,
  rules: RedirectRules,
): void {
  if (rules.allowPrivateRedirects || isPrivateAddress(new URL(fromUrl).hostname)) return
  if (remoteAddress !== undefined && isPrivateAddress(remoteAddress)) return
  throw refused(
    `${maskUrl(fromUrl)}, a public address, redirected to ${to}, which only this machine or its network can reach.`,
    'If that is meant, allow it with allowPrivateRedirects: true.',
  )
}

function refused(message: string, hint?: string): AttemptFailed {
  return new AttemptFailed(new LonghaulError('INSECURE_REDIRECT', message, { hint }), { kind: 'final' })
}

/** RFC 9110 §15.4: 303 asks for the other resource; 301 and 302 turn POST into GET, as everybody does; 307 and 308 keep it. */
function methodAfter(status: number, method: string): string {
  if (status === 303) return method === 'HEAD' ? 'HEAD' : 'GET'
  return (status === 301 || status === 302) && method === 'POST' ? 'GET' : method
}

const safe = /^(?:accept(?:-.+)?|user-agent|range|if-.+|want-(?:repr|content)-digest)$/i

/** What may go to another origin. Everything else may be a secret: X-API-Key says so no less than Authorization. */
function travelling(headers: HeaderList, rules: RedirectRules): HeaderList {
  const kept = new Set(rules.keepHeadersAcrossOrigins.map((name) => name.toLowerCase()))
  return headers.filter(([name]) => safe.test(name) || kept.has(name.toLowerCase()))
}

/** Loopback, link-local, private and unspecified addresses, and names that always mean this machine. */
export function isPrivateAddress(host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, '')
  if (name === 'localhost' || name.endsWith('.localhost')) return true
  const address = name.startsWith('[') ? name.slice(1, -1) : name
  if (address.includes(':')) return isPrivateV6(address)
  return isPrivateV4(address)
}

function isPrivateV4(address: string): boolean {
  const match = /^(\d{1,3})\.(\d{1,3})\.\d{1,3}\.\d{1,3}$/.exec(address)
  if (match === null) return false
  const [first, second] = [Number(match[1]), Number(match[2])]
  return (
    first === 0 ||
    first === 10 ||
    first === 127 ||
    (first === 100 && second >= 64 && second <= 127) ||
    (first === 169 && second === 254) ||
    (first === 172 && second >= 16 && second <= 31) ||
    (first === 192 && second === 168)
  )
}

function isPrivateV6(address: string): boolean {
  let text = address.replace(/%.*$/, '')
  // An IPv4 address inside an IPv6 one, in either way of writing it: ::ffff:127.0.0.1, 64:ff9b::7f00:1.
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text)
  if (dotted !== null) {
    const [a, b, c, d] = dotted.slice(2).map(Number) as [number, number, number, number]
    text = `${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  }
  const [head = '', tail] = text.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right].map((group) => Number.parseInt(group, 16))
  const [first = 0] = groups
  const upper = groups.slice(0, 6)
  const embedded = `${groups[6]! >> 8}.${groups[6]! & 255}.${groups[7]! >> 8}.${groups[7]! & 255}`
  if (upper.every((group) => group === 0)) return groups[6] === 0 && groups[7]! <= 1 ? true : isPrivateV4(embedded)
  if (upper.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return isPrivateV4(embedded)
  if (first === 0x64 && groups[1] === 0xff9b) return isPrivateV4(embedded)
  return (first & 0xfe00) === 0xfc00 || (first & 0xffc0) === 0xfe80
}
