/** The real {@link Transport}: looks at the address and picks the lane. There is one lane so far, the general one. */
import { type LookupFunction } from 'node:net'
import { LonghaulError } from '../contract/errors.ts'
import { type Exchange, type Outgoing, type Transport } from '../world/transport.ts'
import { Connections } from './connections.ts'
import { abortedAt } from './dial.ts'
import { type GeneralLane, openGeneral } from './general.ts'
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
  const lane: GeneralLane = {
    connections: new Connections(),
    trust: createTrust(),
    proxies: proxySettings(options.environment ?? {}),
    lookup: options.lookup,
    connectTimeoutMs: options.connectTimeoutMs ?? 30_000,
    maximumHeadBytes: options.maximumHeadBytes ?? 64 * 1024,
    idleMs: options.idleMs ?? 4_000,
  }
  return {
    async open(request: Outgoing, signal: AbortSignal): Promise<Exchange> {
      const url = addressOf(request)
      const stop = AbortSignal.any([signal, closing.signal])
      if (stop.aborted) throw abortedAt('connect', url.host)
      return openGeneral(lane, request, url, stop)
    },
    async close(): Promise<void> {
      closing.abort()
      await lane.connections.close()
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
