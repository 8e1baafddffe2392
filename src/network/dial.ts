/**
 * Makes one connection: looks the name up, connects to whichever address answers first (RFC 8305), opens the way through a
 * proxy if there is one, shakes hands. Everything that can be learned about it is written down on the way.
 */
import { type LookupFunction, type Socket, type TcpNetConnectOpts, connect as connectTcp, isIP } from 'node:net'
import { type ConnectionOptions, type TLSSocket, connect as connectTls } from 'node:tls'
import { type ConnectionFacts, NetworkFailure, type NetworkPhase } from '../world/transport.ts'
import { AddressRefused, allowedOnly } from './allowed.ts'
import { failureOf } from './failures.ts'
import { addressesOf, firstToAnswer } from './happy-eyeballs.ts'
import { Inlet } from './inlet.ts'
import { failureOnTheWay, nameOf, open, type Way } from './proxy/through.ts'
import { type Layer, plain, type Protocol, secured, shaking, tlsOptions } from './secure.ts'
import { requirePin } from './pins.ts'
import { type Trusted } from './trust.ts'

export type { Protocol } from './secure.ts'

export interface DialTarget {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** `undefined`: no TLS. */
  readonly trust: Trusted | undefined
  /** Of TLS; without it there is HTTP/1.1 alone. */
  readonly protocol: Protocol
  /**
   * Whether it must be told how the peer ended TLS. To tell takes a stream between TLS and the socket, and every byte then goes
   * through it: who needs no telling gets the system's socket. @default 'told'
   */
  readonly end?: 'told' | 'untold' | undefined
  /** By way of a proxy; undefined: straight. */
  readonly way?: Way | undefined
  /** @default the system's */
  readonly lookup?: LookupFunction | undefined
  /** As `Outgoing.checkAddress`. */
  readonly checkAddress?: ((address: string) => void) | undefined
}

export type DialFacts = Pick<
  ConnectionFacts,
  | 'proxied'
  | 'domainLookupStartMs'
  | 'domainLookupEndMs'
  | 'connectStartMs'
  | 'secureConnectionStartMs'
  | 'secureConnectionEndMs'
  | 'connectEndMs'
  | 'localAddress'
  | 'remoteAddress'
  | 'tlsVersion'
  | 'tlsCipher'
>

/** A connection that nobody has used yet. */
export interface Line {
  /** Where clear text goes in and out. */
  readonly socket: Socket
  /** Beneath it; the same without TLS. */
  readonly tcp: Socket
  /** `host:port`, for messages. */
  readonly peer: string
  readonly facts: DialFacts
  /** False: `endedInGoodOrder` never says yes, since nobody can tell. */
  readonly tellsEnd: boolean
  /** Where the clear text comes in, if it can be led past the stream of `socket`. */
  readonly inlet: Inlet | undefined
  /** Where all bytes come in, those of TLS too; not over HTTP/2, which reads by itself. */
  readonly outerInlet: Inlet
  /** True once the peer has ended its side in good order: by FIN without TLS, by close_notify with it. */
  endedInGoodOrder(): boolean
  /** What TLS said when it broke; `socket.errored` does not know all of that. */
  failure(): Error | undefined
}

/** After so much silence the system begins to ask whether the peer is still there. */
const keepAliveProbeMs = 60_000

/** @throws NetworkFailure; its reason is `aborted` when `signal` fired; what `checkAddress` threw */
export async function dial(target: DialTarget, timeoutMs: number, signal: AbortSignal): Promise<Line> {
  const { host, port, trust, protocol, way, end = 'told' } = target
  const checkAddress = way === undefined ? target.checkAddress : undefined
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  const peer = way === undefined ? address : `${address} by way of ${nameOf(way.proxy)}`
  if (signal.aborted) throw abortedAt('connect', peer)
  const tooLate = AbortSignal.timeout(timeoutMs)
  const stop = AbortSignal.any([signal, tooLate])
  const next = way?.proxy ?? { host, port }
  const named = isIP(next.host) === 0
  if (!named) checkAddress?.(next.host)
  const lookup = checkAddress === undefined ? target.lookup : allowedOnly(checkAddress, target.lookup)
  const facts: { -readonly [F in keyof DialFacts]: DialFacts[F] } = { proxied: way !== undefined }
  let phase: NetworkPhase = named ? 'lookup' : 'connect'
  let onTheWay = way
  let tcp: Socket | undefined
  let layer: Layer | undefined

  try {
    if (named) facts.domainLookupStartMs = Date.now()
    const addresses = named ? await addressesOf(next.host, lookup, stop) : [next.host]
    if (named) facts.domainLookupEndMs = Date.now()
    phase = 'connect'
    facts.connectStartMs = Date.now()
    const atOnce = trust !== undefined && way === undefined && end === 'untold'
    const tls = atOnce ? tlsOptions({ host, trust, protocol }) : undefined
    const begun = await firstToAnswer(addresses, (to) => begin(to, next.port, tls), stop)
    const { inlet, both } = begun
    tcp = begun.socket
    layer = plain(tcp)
    if (tcp.localAddress !== undefined) facts.localAddress = tcp.localAddress
    if (tcp.remoteAddress !== undefined) facts.remoteAddress = tcp.remoteAddress
    if (way !== undefined) {
      layer = await open(tcp, way, { host, port, peer: address }, stop, (entered) => {
        phase = entered
      })
      onTheWay = undefined
    }
    if (trust !== undefined) {
      phase = 'tls'
      facts.secureConnectionStartMs = Date.now()
      const secure =
        both === undefined ? await secured(layer.socket, { host, trust, protocol }, stop) : await shaking(both, stop)
      layer = secure
      if (trust.pins.length > 0) requirePin(secure.socket, trust.pins, peer)
      facts.secureConnectionEndMs = Date.now()
      facts.tlsVersion = secure.socket.getProtocol() ?? 'unknown'
      facts.tlsCipher = secure.socket.getCipher().standardName
    }
    facts.connectEndMs = Date.now()
    const tellsEnd = both === undefined
    return { ...layer, tcp, peer, facts, tellsEnd, inlet: layer.socket === tcp ? inlet : undefined, outerInlet: inlet }
  } catch (error) {
    layer?.socket.destroy()
    tcp?.destroy()
    if (error instanceof AddressRefused) throw error.why
    if (signal.aborted) throw abortedAt(phase, peer)
    if (tooLate.aborted) {
      const silent = `no answer within ${timeoutMs / 1000} s`
      throw onTheWay === undefined
        ? new NetworkFailure('cannot connect', phase, `${peer}: cannot connect (${silent})`, { cause: error })
        : new NetworkFailure('proxy failed', phase, `${nameOf(onTheWay.proxy)} gave ${silent}`, { cause: error })
    }
    throw onTheWay === undefined ? failureOf(error, phase, peer) : failureOnTheWay(error, phase, onTheWay.proxy)
  }
}

interface Begun {
  readonly socket: Socket
  readonly inlet: Inlet
  /** TLS and its connection in one; then it is `socket` as well. */
  readonly both: TLSSocket | undefined
}

/** A connection on its way to an address. */
function begin(to: string, port: number, tls: ConnectionOptions | undefined): Begun {
  const inlet = new Inlet()
  const options: TcpNetConnectOpts = {
    onread: inlet.onread,
    host: to,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveProbeMs,
  }
  const both = tls && connectTls({ ...tls, ...options })
  const socket = both ?? connectTcp(options)
  inlet.attach(socket)
  // Stays for life: a reset while nobody listens (idle, or given up) would otherwise end the process.
  socket.on('error', ignored)
  return { socket, inlet, both }
}

export function abortedAt(phase: NetworkPhase, peer: string): NetworkFailure {
  return new NetworkFailure('aborted', phase, `${peer}: the request was given up`)
}

function ignored(): void {}
