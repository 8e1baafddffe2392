/** How the server of a request is reached: by which way, under which TLS wishes, and who may share a connection to it. */
import { type LookupFunction } from 'node:net'
import { type Outgoing } from '../world/transport.ts'
import { dial, type DialTarget, type Line, type Protocol } from './dial.ts'
import { type Identities, type Identity, introduced } from './proxy/identity.ts'
import { nameOf } from './proxy/through.ts'
import { type ProxySettings, routeKey, routeOf } from './route.ts'
import { ofProxy, type Trust, trustKey } from './trust.ts'

export interface Reaching {
  readonly trust: Trust
  /** What the environment says about proxies. */
  readonly proxies: ProxySettings
  readonly identities: Identities
  readonly lookup: LookupFunction | undefined
  readonly connectTimeoutMs: number
}

export interface Reach {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  /** Equal for requests that may share connections. */
  readonly key: string
  /** To an http address there is no tunnel: the proxy itself is asked, with the whole address. */
  readonly forwarding: { readonly name: string; readonly identity: Identity } | undefined
  /** @throws NetworkFailure, or LonghaulError where the wishes cannot be met */
  readonly dial: (protocol: Protocol, signal: AbortSignal, end?: DialTarget['end']) => Promise<Line>
}

/** @throws NetworkFailure for a proxy that cannot be understood */
export function reachOf(reaching: Reaching, request: Outgoing, url: URL): Reach {
  const secure = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port === '' ? (secure ? 443 : 80) : url.port)
  const proxy = routeOf(url, request.proxy ?? 'system', reaching.proxies)
  const asked =
    proxy === undefined || proxy.kind === 'socks5'
      ? undefined
      : { name: nameOf(proxy), identity: reaching.identities.of(proxy) }
  const forwarding = secure ? undefined : asked
  const trusting = secure || proxy?.kind === 'https' ? trustKey(request.tls) : ''
  return {
    host,
    key: `${url.origin} ${trusting} ${routeKey(proxy)}`,
    forwarding,
    dial: async (protocol, signal, end) => {
      const { trust, lookup, connectTimeoutMs } = reaching
      const trusted = secure ? await trust(request.tls) : undefined
      const ofTheWay = proxy?.kind === 'https' ? await trust(ofProxy(request.tls)) : undefined
      const once = (authorization?: string): Promise<Line> => {
        const way = proxy && { proxy, trust: ofTheWay, tunnel: forwarding === undefined, authorization }
        return dial(
          { host, port, protocol, trust: trusted, way, lookup, end, checkAddress: request.checkAddress },
          connectTimeoutMs,
          signal,
        )
      }
      if (asked === undefined || forwarding !== undefined) return once()
      const uri = `${url.hostname}:${port}`
      return introduced(asked, { method: 'CONNECT', uri }, (shown) => once(shown?.value))
    },
  }
}
