/**
 * One HTTP question and its answer, as a seam: above it redirects, retry, proof and files; below it lanes, head
 * parsing, TLS, proxies and pools.
 */
import type { ProxyJson } from '../contract/proxy.ts'
import type { ClientCertificate } from '../contract/secret-reference.ts'

export type HeaderList = readonly (readonly [name: string, value: string])[]

/** One request on one connection. No redirect is followed and no status is judged below. */
export interface Outgoing {
  readonly url: string
  readonly method: string
  readonly headers: HeaderList
  readonly tls?: {
    readonly ca?: readonly string[]
    readonly minimumVersion?: 'TLSv1.2' | 'TLSv1.3'
    readonly maximumVersion?: 'TLSv1.2' | 'TLSv1.3'
    /** Read at each connection that is made; the same reference may lead to another key by then. */
    readonly clientCertificate?: ClientCertificate
    /** `sha256/BASE64`; none: every chain that is trusted will do. */
    readonly pins?: readonly string[]
  }
  /**
   * Told each address of the server before it is connected to, and that of a connection that is used again before a byte is sent
   * there. Those for which it throws are left out; where none is left, what it threw ends the request. Not asked where a proxy
   * connects.
   */
  readonly checkAddress?: (address: string) => void
  /** @default 'system' */
  readonly proxy?: ProxyJson
  /**
   * Whether a body that comes with a status of 300 or more may be received for good. What is wanted is asked for once more where
   * its end could not be told; a page that nobody keeps is not worth it. @default none is
   */
  readonly wants?: (status: number) => boolean
  /** Told that bytes came, of an interim answer for instance, for as long as the head is not whole. */
  readonly heard?: () => void
}

export interface ResponseHead {
  readonly status: number
  /** In the order received, names in lower case, values with surrounding white space removed. */
  readonly headers: HeaderList
}

/**
 * What is known about the connection; every time is wall ms, absent where that phase did not happen. Of a connection by way
 * of a proxy the addresses, and the times of look-up and connecting, are the proxy's.
 */
export interface ConnectionFacts {
  readonly protocol: 'http/1.1' | 'h2'
  readonly reused: boolean
  readonly proxied: boolean
  readonly fetchStartMs: number
  readonly domainLookupStartMs?: number
  readonly domainLookupEndMs?: number
  readonly connectStartMs?: number
  readonly secureConnectionStartMs?: number
  readonly secureConnectionEndMs?: number
  readonly connectEndMs?: number
  readonly requestStartMs?: number
  readonly requestEndMs?: number
  readonly responseStartMs?: number
  readonly headerBytesSent: number
  readonly headerBytesReceived: number
  readonly localAddress?: string
  readonly remoteAddress?: string
  readonly tlsVersion?: string
  readonly tlsCipher?: string
}

export type NetworkPhase = 'lookup' | 'connect' | 'proxy' | 'tls' | 'request' | 'head' | 'body'

/** `cause` sorted into what retry and the error table distinguish. */
export type NetworkFailureCause =
  | 'cannot find host'
  | 'cannot connect'
  | 'no network'
  | 'connection lost'
  | 'tls failed'
  | 'certificate has bad date'
  | 'certificate not yet valid'
  | 'certificate untrusted'
  | 'certificate has unknown root'
  | 'client certificate required'
  | 'client certificate rejected'
  /** It may go better the next time. */
  | 'proxy failed'
  /** It would not. */
  | 'proxy refused'
  | 'malformed answer'
  | 'body too short'
  | 'body too long'
  | 'aborted'

export class NetworkFailure extends Error {
  override readonly name = 'NetworkFailure'
  readonly reason: NetworkFailureCause
  readonly phase: NetworkPhase
  constructor(
    reason: NetworkFailureCause,
    phase: NetworkPhase,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options)
    this.reason = reason
    this.phase = phase
  }
}

/**
 * How the end of a body is known. `length`: exactly Content-Length bytes came. `last chunk`: the framing said that this is
 * the end: the last chunk of HTTP/1.1, END_STREAM of HTTP/2.
 * `close`: the connection was closed in good order, which proves nothing (RFC 9112 §8): never "complete" alone.
 */
export interface BodyEnd {
  readonly proof: 'length' | 'last chunk' | 'close'
  readonly bytes: number
  readonly trailers: HeaderList
}

/** Where the bytes of a body go. */
export interface BodySink {
  /** `bytes` are lent until the promise settles: that is all the back-pressure there is. `undefined` = taken at once. */
  (bytes: Uint8Array): Promise<void> | undefined
  /**
   * Memory that the next bytes may be put into before they are handed over as a view of it, which then costs no copy. It is
   * lent until the sink is given other bytes, or `receive` has settled. Undefined: there is none now.
   */
  readonly room?: () => Uint8Array | undefined
}

export interface Exchange {
  readonly head: ResponseHead
  readonly facts: ConnectionFacts
  /** Once only. Rejects with {@link NetworkFailure}, or with what the sink threw. */
  receive(sink: BodySink): Promise<BodyEnd>
  /**
   * `told` is called once, when all of the body is here: also before anybody receives it, where it is short. The connection may serve
   * somebody else then. Never called where the body fails, or where it is not known.
   */
  arrived?(told: () => void): void
  /** Lets go of the connection; harmless after the end. */
  close(): void
}

export interface Transport {
  /** Resolves with the head. Rejects with {@link NetworkFailure}; with reason `aborted` when `signal` fires. */
  open(request: Outgoing, signal: AbortSignal): Promise<Exchange>
  close(): Promise<void>
}
