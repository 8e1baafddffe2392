// Addresses as the real network reads them, and what it would know about a connection to one.
import { LonghaulError } from '../../src/contract/errors.ts'
import { type ConnectionFacts, type HeaderList, type Outgoing } from '../../src/world/transport.ts'

/** A public one: redirects from public to private ones are refused. */
const serverAddress = '203.0.113.80'

/** Times are wall ms. */
export function factsOf(
  request: Outgoing,
  answered: HeaderList,
  { reused, begunMs, nowMs }: { readonly reused: boolean; readonly begunMs: number; readonly nowMs: number },
): ConnectionFacts {
  const secure = request.url.startsWith('https:')
  const making = {
    domainLookupStartMs: begunMs,
    domainLookupEndMs: begunMs,
    connectStartMs: begunMs,
    ...(secure && { secureConnectionStartMs: begunMs, secureConnectionEndMs: begunMs }),
    connectEndMs: begunMs,
  }
  return {
    protocol: 'http/1.1',
    reused,
    proxied: false,
    fetchStartMs: begunMs,
    ...(!reused && making),
    requestStartMs: begunMs,
    requestEndMs: begunMs,
    responseStartMs: nowMs,
    headerBytesSent: sizeOf(request.headers) + request.url.length,
    headerBytesReceived: sizeOf(answered),
    localAddress: '192.168.1.2',
    remoteAddress: serverAddress,
    ...(secure && { tlsVersion: 'TLSv1.3', tlsCipher: 'TLS_AES_128_GCM_SHA256' }),
  }
}

/** As the real one: @throws UNSUPPORTED_URL, BAD_URL; given, because a promise rejects with it. */
export function addressOf(request: Outgoing): URL | LonghaulError {
  if (!URL.canParse(request.url)) return new LonghaulError('BAD_URL', 'The address of the request is not a valid URL.')
  const url = new URL(request.url)
  if (url.protocol === 'http:' || url.protocol === 'https:') return url
  return new LonghaulError('UNSUPPORTED_URL', `The scheme ${url.protocol} is not supported; http: and https: are.`)
}

/** `host:port`, for messages. */
export function peerOf(url: URL): string {
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  return `${url.hostname}:${port}`
}

function sizeOf(headers: Outgoing['headers']): number {
  return headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 20)
}
