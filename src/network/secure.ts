/** TLS over a socket, which may be a connection or a way through a proxy. */
import { once } from 'node:events'
import { isIP, type Socket } from 'node:net'
import { type ConnectionOptions, type TLSSocket, connect as connectTls } from 'node:tls'
import { CipherStream } from './cipher-stream.ts'
import { type Trusted } from './trust.ts'

/** What is spoken inside of TLS. It alone is offered: of a choice, servers take what is slower. */
export type Protocol = 'http/1.1' | 'h2'

/** Clear text over something, and what is known about its end. */
export interface Layer<S extends Socket = Socket> {
  readonly socket: S
  /** True once the peer has ended its side in good order: by FIN without TLS, by close_notify with it. */
  endedInGoodOrder(): boolean
  /** What TLS said when it broke. An alert after the handshake is told by an event only, and `socket.errored` knows nothing. */
  failure(): Error | undefined
}

/** The layer of a socket without TLS. */
export function plain(socket: Socket): Layer {
  let ended = false
  socket.on('end', () => {
    ended = true
  })
  return { socket, endedInGoodOrder: () => ended, failure: () => undefined }
}

interface Peer {
  readonly host: string
  readonly trust: Trusted
  readonly protocol: Protocol
}

/** What TLS is told, whatever it runs over. */
export function tlsOptions({ host, trust, protocol }: Peer): ConnectionOptions {
  return {
    host,
    // An address must not be sent as a server name (RFC 6066 §3); the certificate is still checked against `host`.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: trust.context,
    rejectUnauthorized: true,
    ALPNProtocols: [protocol],
  }
}

/** @throws what TLS says; an AbortError when `stop` fires. Then TLS is destroyed, and the socket beneath is not */
export async function secured(socket: Socket, peer: Peer, stop: AbortSignal): Promise<Layer<TLSSocket>> {
  let ended = false
  // HTTP/2 says itself where a body ends, so nobody asks how TLS ended; and over a stream that is not the system's, node:http2
  // loses what came in the moment of the end.
  const cipherText = peer.protocol === 'h2' ? undefined : new CipherStream(socket)
  const secure = connectTls({ ...tlsOptions(peer), socket: cipherText ?? socket })
  const shaken = shaking(secure, stop)
  cipherText?.watch(secure, () => {
    ended = true
  })
  return { ...(await shaken), endedInGoodOrder: () => ended }
}

/** To be called as soon as `secure` was made. Nobody can tell how its peer ended. @throws as {@link secured} */
export async function shaking(secure: TLSSocket, stop: AbortSignal): Promise<Layer<TLSSocket>> {
  let certified = false
  let failure: Error | undefined
  // Stays for life: an error while nobody listens would otherwise end the process.
  secure.on('error', (error) => {
    failure ??= error
    // Known now and no longer later: whether the server had shown its certificate before.
    // Null, whatever the types say, once TLS has been taken down.
    const shown: object | null = secure.getPeerCertificate()
    certified = shown !== null && Object.keys(shown).length > 0
  })
  try {
    await once(secure, 'secureConnect', { signal: stop })
  } catch (error) {
    secure.destroy()
    throw certified && isHandshakeFailure(error) ? new RefusedAfterCertificate(error) : error
  }
  return { socket: secure, endedInGoodOrder: () => false, failure: () => failure }
}

/**
 * TLS 1.2 has no word for "a client certificate is required": OpenSSL says handshake_failure, as it does where nothing fits
 * together. But then it says so at once; after its own certificate only ours is left to be missed.
 */
class RefusedAfterCertificate extends Error {
  readonly code = 'HANDSHAKE_FAILURE_AFTER_CERTIFICATE'
  constructor(cause: unknown) {
    super('The server ended the handshake after it had shown its certificate.', { cause })
  }
}

/** OpenSSL 3.5 names it otherwise than those before. */
function isHandshakeFailure(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    (error.code === 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE' || error.code === 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE')
  )
}
