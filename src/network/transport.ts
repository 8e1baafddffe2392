/**
 * The real {@link Transport}: looks at the address and picks the lane: the general one (HTTP/1.1), or that of HTTP/2 for
 * servers that speak nothing else.
 */
import { randomBytes } from 'node:crypto'
import { type LookupFunction } from 'node:net'
import { LonghaulError } from '../contract/errors.ts'
import { type Exchange, NetworkFailure, type Outgoing, type Transport } from '../world/transport.ts'
import { Connections } from './connections.ts'
import { abortedAt } from './dial.ts'
import { type GeneralLane, openGeneral } from './general.ts'
import { Choice } from './h2/choice.ts'
import { openHttp2 } from './h2/lane.ts'
import { type Session } from './h2/session.ts'
import { reachOf } from './reach.ts'
import { Identities } from './proxy/identity.ts'
import { proxySettings } from './route.ts'
import { createTrust } from './trust.ts'

export interface TransportOptions {
  /** Name look-up, connecting and the TLS handshake together, in ms. @default 30_000 */
  readonly connectTimeoutMs?: number
  /** Of names and values in the head of an answer. @default 65_536 */
  readonly maximumHeadBytes?: number
  /** How long an unused connection is kept, in ms; less if the server says so. @default 4_000 */
  readonly idleMs?: number
  /** Where `proxy: 'system'` looks: the variables `https_proxy` and its kin. @default none of them is set */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Looks names up. @default the system's */
  readonly lookup?: LookupFunction
}

/**
 * Makes a transport. How many requests run at once is for the caller to decide: each gets a connection of its own, an
 * idle one to the same origin under the same TLS options if there is one.
 */
export function createTransport(options: TransportOptions = {}): Transport {
  const closing = new AbortController()
  const lane: GeneralLane & { readonly sessions: Connections<Session> } = {
    connections: new Connections(),
    sessions: new Connections(),
    trust: createTrust(),
    proxies: proxySettings(options.environment ?? {}),
    identities: new Identities(randomBytes),
    lookup: options.lookup,
    connectTimeoutMs: options.connectTimeoutMs ?? 30_000,
    maximumHeadBytes: options.maximumHeadBytes ?? 64 * 1024,
    idleMs: options.idleMs ?? 4_000,
    endsByClose: new Set(),
  }
  const choice = new Choice()
  const http1 = (request: Outgoing, url: URL, stop: AbortSignal): Promise<Exchange> =>
    openGeneral(lane, request, url, stop)
  const http2 = (request: Outgoing, url: URL, stop: AbortSignal): Promise<Exchange> => {
    const { key, dial } = reachOf(lane, request, url)
    return openHttp2(lane, request, { url, key, dial: () => dial('h2', stop) }, stop)
  }
  return {
    async open(request: Outgoing, signal: AbortSignal): Promise<Exchange> {
      const url = addressOf(request)
      const stop = AbortSignal.any([signal, closing.signal])
      if (stop.aborted) throw abortedAt('connect', url.host)
      try {
        if (url.protocol === 'https:')
          return await choice.open(url.origin, {
            http1: () => http1(request, url, stop),
            http2: () => http2(request, url, stop),
          })
        if (request.tls?.pins !== undefined) throw nothingToPin(url)
        return await http1(request, url, stop)
      } catch (error) {
        throw request.tls?.clientCertificate === undefined ? missing(error) : error
      }
    },
    async close(): Promise<void> {
      closing.abort()
      await Promise.all([lane.connections.close(), lane.sessions.close()])
    },
  }
}

/** @throws UNSUPPORTED_URL, BAD_URL */
function addressOf(request: Outgoing): URL {
  if (!URL.canParse(request.url)) throw new LonghaulError('BAD_URL', 'The address of the request is not a valid URL.')
  const url = new URL(request.url)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new LonghaulError('UNSUPPORTED_URL', `The scheme ${url.protocol} is not supported; http: and https: are.`)
  }
  return url
}

/** Whoever pins a key will not have it that a link without TLS leads round it. */
function nothingToPin(url: URL): NetworkFailure {
  const message = `${url.host}: certificate untrusted (the address is not https, so there is no key to compare with tls.pins)`
  return new NetworkFailure('certificate untrusted', 'connect', message)
}

/** The same alerts of servers mean that a certificate was refused, or that there was none. */
function missing(error: unknown): unknown {
  if (!(error instanceof NetworkFailure) || error.reason !== 'client certificate rejected') return error
  const message = error.message.replace(error.reason, 'client certificate required')
  return new NetworkFailure('client certificate required', error.phase, message, { cause: error.cause })
}
