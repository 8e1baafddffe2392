/** TLS over a socket, which may be a connection or a way through a proxy. */
import { once } from 'node:events'
import { isIP, type Socket } from 'node:net'
import { type SecureContext, type TLSSocket, connect as connectTls } from 'node:tls'
import { CipherStream } from './cipher-stream.ts'

/** Clear text over something, and what is known about its end. */
export interface Layer<S extends Socket = Socket> {
  readonly socket: S
  /** True once the peer has ended its side in good order: by FIN without TLS, by close_notify with it. */
  endedInGoodOrder(): boolean
}

/** The layer of a socket without TLS. */
export function plain(socket: Socket): Layer {
  let ended = false
  socket.on('end', () => {
    ended = true
  })
  return { socket, endedInGoodOrder: () => ended }
}

/** @throws what TLS says; an AbortError when `stop` fires. Then TLS is destroyed, and the socket beneath is not */
export async function secured(
  socket: Socket,
  peer: { readonly host: string; readonly trust: SecureContext },
  stop: AbortSignal,
): Promise<Layer<TLSSocket>> {
  const { host, trust } = peer
  let ended = false
  const cipherText = new CipherStream(socket)
  const secure = connectTls({
    socket: cipherText,
    host,
    // An address must not be sent as a server name (RFC 6066 §3); the certificate is still checked against `host`.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: trust,
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
  })
  // Stays for life: an error while nobody listens would otherwise end the process.
  secure.on('error', () => {})
  cipherText.watch(secure, () => {
    ended = true
  })
  try {
    await once(secure, 'secureConnect', { signal: stop })
  } catch (error) {
    secure.destroy()
    throw error
  }
  return { socket: secure, endedInGoodOrder: () => ended }
}
