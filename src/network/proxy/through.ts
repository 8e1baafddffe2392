/** The part of a connection that belongs to a proxy: from its socket to the way that it opens. */
import type { Socket } from 'node:net'
import { type ProxyAddress, proxyUrl } from '../../contract/proxy.ts'
import { NetworkFailure, type NetworkPhase } from '../../world/transport.ts'
import { failureOf } from '../failures.ts'
import { type Layer, plain, secured } from '../secure.ts'
import { type Trusted } from '../trust.ts'
import { connectParley } from './connect.ts'
import { hold, type Parley } from './parley.ts'
import { socks5Parley } from './socks5.ts'

/** How a target is reached by way of a proxy. */
export interface Way {
  readonly proxy: ProxyAddress
  /** Of the proxy itself; undefined: no TLS to it. */
  readonly trust: Trusted | undefined
  /** False: requests are given to the proxy as they are, with their whole address. */
  readonly tunnel: boolean
  /** Of Proxy-Authorization, with the question for a tunnel. */
  readonly authorization: string | undefined
}

/** How a proxy is called in messages; credentials are not in it. */
export function nameOf(proxy: ProxyAddress): string {
  return `the proxy ${proxyUrl(proxy)}`
}

/**
 * Opens the way over a socket that is connected to the proxy. `entered` hears of each phase.
 * @param target IPv6 without brackets
 */
export async function open(
  socket: Socket,
  way: Way,
  target: { readonly host: string; readonly port: number; readonly peer: string },
  stop: AbortSignal,
  entered: (phase: NetworkPhase) => void,
): Promise<Layer> {
  const { proxy, trust } = way
  let layer = plain(socket)
  if (trust !== undefined) {
    entered('tls')
    layer = await secured(socket, { host: proxy.host, trust, protocol: 'http/1.1' }, stop)
  }
  const parley = parleyFor(way, target)
  if (parley === undefined) return layer
  entered('proxy')
  await hold(parley, layer.socket, stop)
  return layer
}

function parleyFor(
  { proxy, tunnel, authorization }: Way,
  target: { readonly host: string; readonly port: number; readonly peer: string },
): Parley | undefined {
  const name = nameOf(proxy)
  if (proxy.kind === 'socks5') return socks5Parley(proxy, name, target)
  return tunnel ? connectParley(name, target.peer, authorization) : undefined
}

/** What befell us between here and the proxy. It is said as such: to look at the server would lead nowhere. */
export function failureOnTheWay(error: unknown, phase: NetworkPhase, proxy: ProxyAddress): NetworkFailure {
  const failure = failureOf(error, phase, nameOf(proxy))
  switch (failure.reason) {
    case 'cannot find host':
    case 'cannot connect':
    case 'connection lost':
    case 'tls failed':
      return new NetworkFailure('proxy failed', phase, failure.message, { cause: error })
    default:
      return failure
  }
}
