/**
 * What a user gives as a request, turned into the plain facts that the daemon keeps. Everything that can be told to be
 * wrong without asking the network is told here, before anything is enqueued. Pure.
 */
import { LonghaulError } from '../contract/errors.ts'
import { maskUrl, type HeaderPairs, type RequestFacts, type RequestLike } from '../contract/task.ts'
import { headerPairs } from './header-pairs.ts'
import { checkNames, invalid, isFields, isPlain, shown } from './known-names.ts'

const nothingAdded = 'Nothing was added.'
/** Characters of an address that the daemon takes. */
const lengthLimit = 64 * 1024

/**
 * Whether it can be a request at all: asked before the options, so that who called with the wrong thing, or with nothing, is
 * not told of options.
 * @throws BAD_URL
 */
export function requireRequest(request: unknown): void {
  if (typeof request === 'string' || isFields(request)) return
  throw new LonghaulError(
    'BAD_URL',
    `The request is ${shown(request)}; it must be an address (a string or a URL), a Request, or { url, method, headers }. ${nothingAdded}`,
  )
}

/**
 * @throws BAD_URL, UNSUPPORTED_URL (only http and https), INVALID_ARGUMENT (method, headers, a body)
 */
export function requestFacts(request: RequestLike): RequestFacts {
  if (typeof request === 'string' || request instanceof URL) return factsOf(request, undefined, undefined)
  if (!isPlain(request) && request instanceof Request) {
    if (request.body !== null) throw invalid('request', 'a download takes no body', nothingAdded)
    return factsOf(request.url, request.method, request.headers)
  }
  requireRequest(request)
  checkNames(request, 'fields of a request', { known: ['url', 'method', 'headers'] }, nothingAdded)
  return factsOf(request.url, request.method, request.headers)
}

/** A fresh address and fresh headers for a task that exists; each may be absent. @throws as {@link requestFacts} */
export function changedRequest(
  url: unknown,
  headers: unknown,
): Partial<Pick<RequestFacts, 'url' | 'headers' | 'authorization'>> {
  const nothingChanged = 'Nothing was changed.'
  const pairs = headers === undefined ? undefined : headerPairs(headers, 'headers', 'request', nothingChanged)
  if (url === undefined) return pairs === undefined ? {} : { headers: pairs }
  const address = addressOf(url, nothingChanged)
  if (address.authorization === undefined) return { url: address.url, ...(pairs !== undefined && { headers: pairs }) }
  return { url: address.url, ...withAuthorization(pairs ?? [], address.authorization) }
}

function factsOf(url: unknown, method: unknown, headers: unknown): RequestFacts {
  const address = addressOf(url, nothingAdded)
  const pairs = headerPairs(headers, 'headers', 'request', nothingAdded)
  return {
    url: address.url,
    method: methodOf(method),
    ...withAuthorization(pairs, address.authorization),
  }
}

function methodOf(method: unknown): string {
  if (method === undefined) return 'GET'
  if (typeof method !== 'string' || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(method)) {
    throw invalid('method', `${shown(method)} is not a method`, nothingAdded)
  }
  // As fetch does: the well-known ones are written in capitals, others stand as they are (RFC 9110 §9.1: case matters).
  const upper = method.toUpperCase()
  const known = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'CONNECT', 'TRACE'].includes(upper) ? upper : method
  if (['HEAD', 'CONNECT', 'TRACE'].includes(known)) {
    throw invalid('method', `the answer to ${known} has no body to download`, nothingAdded)
  }
  return known
}

/** The address without fragment and credentials, and the header that the credentials make. */
function addressOf(url: unknown, consequence: string): { readonly url: string; readonly authorization?: string } {
  const parsed = parseUrl(url, consequence)
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    // 'localhost:8080/file' is, for a parser, an address of the scheme 'localhost'.
    const meant = /^[\w.-]+:\d+(\/|$)/.test(String(url)) ? ` If a host is meant, write http://${String(url)}.` : ''
    throw new LonghaulError(
      'UNSUPPORTED_URL',
      `The scheme '${parsed.protocol}' of ${shown(String(url))} is not supported.${meant} ${consequence}`,
    )
  }
  const authorization = basicOf(parsed, consequence)
  parsed.hash = ''
  parsed.username = ''
  parsed.password = ''
  if (parsed.href.length > lengthLimit)
    throw new LonghaulError(
      'BAD_URL',
      `${shown(maskUrl(parsed.href))} has more than ${lengthLimit} characters. ${consequence}`,
    )
  return { url: parsed.href, ...(authorization !== undefined && { authorization }) }
}

function parseUrl(url: unknown, consequence: string): URL {
  if (typeof url !== 'string' && !(url instanceof URL)) {
    throw new LonghaulError('BAD_URL', `url: ${shown(url)} is not an address. ${consequence}`)
  }
  const parsed = URL.parse(String(url))
  if (parsed === null) {
    const text = String(url)
    const scheme = /^[a-z][a-z0-9+.-]*:/i.test(text)
    const meant =
      !scheme && URL.canParse(`https://${text}`) && text.includes('.')
        ? ` If a host is meant, write https://${text}.`
        : ''
    // Nothing that parses is shown in full: an address may carry secrets.
    throw new LonghaulError(
      'BAD_URL',
      `${shown(scheme ? maskBroken(text) : text)} is not a valid URL.${meant} ${consequence}`,
    )
  }
  return parsed
}

/** An address that cannot be parsed, without what may be a secret in it. */
function maskBroken(text: string): string {
  return URL.canParse(text) ? maskUrl(text) : text.replace(/\/\/[^/@]*@/, '//***@').replace(/\?.*$/s, '?…')
}

/**
 * `https://user:pass@host/` is written for curl and browsers alike; a header keeps the secret out of addresses, which
 * are shown. Percent-decoded to UTF-8 (RFC 7617 §2.1).
 */
function basicOf(url: URL, consequence: string): string | undefined {
  if (url.username === '' && url.password === '') return undefined
  try {
    const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    return `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`
  } catch (cause) {
    throw new LonghaulError('BAD_URL', `The user or password in the address is not well encoded. ${consequence}`, {
      cause,
    })
  }
}

/** A header that was written out says more than the address. */
function withAuthorization(
  pairs: HeaderPairs,
  made: string | undefined,
): Pick<RequestFacts, 'headers' | 'authorization'> {
  const has = pairs.some(([name]) => name.toLowerCase() === 'authorization')
  if (made === undefined || has) return { headers: pairs }
  return { headers: [...pairs, ['Authorization', made]], authorization: 'from address' }
}
