/**
 * Makes one connection: looks the name up, connects to whichever address answers first (RFC 8305), shakes hands.
 * Everything that can be learned about it is written down on the way.
 */
import { once } from 'node:events'
import { type Socket, connect as connectTcp, isIP } from 'node:net'
import { type SecureContext, type TLSSocket, connect as connectTls } from 'node:tls'
import { type ConnectionFacts, NetworkFailure, type NetworkPhase } from '../world/transport.ts'
import { CipherStream } from './cipher-stream.ts'
import { failureOf } from './failures.ts'

export interface DialTarget {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** `undefined`: no TLS. */
  readonly trust: SecureContext | undefined
}

export type DialFacts = Pick<
  ConnectionFacts,
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
  /** True once the peer has ended its side in good order: by FIN without TLS, by close_notify with it. */
  endedInGoodOrder(): boolean
}

/** How long one address may keep the others waiting. */
const addressAttemptMs = 500

/** After so much silence the system begins to ask whether the peer is still there. */
const keepAliveProbeMs = 60_000

/** @throws NetworkFailure; its reason is `aborted` when `signal` fired */
export async function dial(target: DialTarget, timeoutMs: number, signal: AbortSignal): Promise<Line> {
  const { host, port, trust } = target
  const peer = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  if (signal.aborted) throw abortedAt('connect', peer)
  const tooLate = AbortSignal.timeout(timeoutMs)
  const stop = AbortSignal.any([signal, tooLate])
  const facts: { -readonly [F in keyof DialFacts]: DialFacts[F] } = {}
  const named = isIP(host) === 0
  let phase: NetworkPhase = named ? 'lookup' : 'connect'
  facts[named ? 'domainLookupStartMs' : 'connectStartMs'] = Date.now()
  let ended = false
  let secure: TLSSocket | undefined

  const tcp = connectTcp({
    host,
    port,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: addressAttemptMs,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveProbeMs,
  })
  // Stays for life: a reset while nobody listens (idle, or given up) would otherwise end the process.
  tcp.on('error', ignored)
  tcp.on('lookup', () => {
    facts.domainLookupEndMs ??= Date.now()
  })
  tcp.on('connectionAttempt', () => {
    phase = 'connect'
    facts.connectStartMs ??= Date.now()
  })

  try {
    await once(tcp, 'connect', { signal: stop })
    if (tcp.localAddress !== undefined) facts.localAddress = tcp.localAddress
    if (tcp.remoteAddress !== undefined) facts.remoteAddress = tcp.remoteAddress
    if (trust === undefined) {
      tcp.on('end', () => {
        ended = true
      })
    } else {
      phase = 'tls'
      facts.secureConnectionStartMs = Date.now()
      const cipherText = new CipherStream(tcp)
      secure = connectTls({
        socket: cipherText,
        host,
        // An address must not be sent as a server name (RFC 6066 §3); the certificate is still checked against `host`.
        ...(named ? { servername: host } : {}),
        secureContext: trust,
        rejectUnauthorized: true,
        ALPNProtocols: ['http/1.1'],
      })
      secure.on('error', ignored)
      cipherText.watch(secure, () => {
        ended = true
      })
      await once(secure, 'secureConnect', { signal: stop })
      facts.secureConnectionEndMs = Date.now()
      facts.tlsVersion = secure.getProtocol() ?? 'unknown'
      facts.tlsCipher = secure.getCipher().standardName
    }
    facts.connectEndMs = Date.now()
    return { socket: secure ?? tcp, tcp, peer, facts, endedInGoodOrder: () => ended }
  } catch (error) {
    secure?.destroy()
    tcp.destroy()
    if (signal.aborted) throw abortedAt(phase, peer)
    if (tooLate.aborted) {
      const message = `${peer}: cannot connect (no answer within ${timeoutMs / 1000} s)`
      throw new NetworkFailure('cannot connect', phase, message, { cause: error })
    }
    throw failureOf(error, phase, peer)
  }
}

export function abortedAt(phase: NetworkPhase, peer: string): NetworkFailure {
  return new NetworkFailure('aborted', phase, `${peer}: the request was given up`)
}

function ignored(): void {}
