/**
 * The cipher-text side of a TLS connection: a TCP socket that lets one see who ended first.
 *
 * A body without a length ends when the connection does, and over TLS anyone on the way can end a TCP connection. Only
 * close_notify, which is authenticated, says that the server meant it (RFC 8446 §6.1, RFC 9112 §9.8). Node reports both
 * as a plain 'end'. The difference shows only in time: TLS ends its stream in the moment when it decrypts close_notify,
 * else in the moment when it is told of the end of TCP. So that end passes through here, where it can be noticed.
 */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

export class CipherStream extends Duplex {
  readonly #tcp: Socket
  #tcpEnded = false

  constructor(tcp: Socket) {
    super({ allowHalfOpen: true })
    this.#tcp = tcp
    tcp.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) tcp.pause()
    })
    // The 'close' that follows must not destroy us: TLS may still have to read what we hold.
    tcp.on('end', () => this.push(null))
    tcp.on('error', (error) => this.destroy(error))
    // We listen before TLS does: this is set before TLS hears of it, and after TLS has decrypted everything before it.
    this.on('end', () => {
      this.#tcpEnded = true
    })
  }

  /** Calls `goodbye` when `secure`, the TLS stream on top of this one, ends by close_notify. */
  watch(secure: TLSSocket, goodbye: () => void): void {
    const push = secure.push.bind(secure)
    // The 'end' event comes too late to tell: it waits for the reader, and TCP may have ended meanwhile.
    secure.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null && !this.#tcpEnded) goodbye()
      return push(chunk, encoding)
    }
    // TLS over a stream does not hear of all that befalls the stream.
    this.on('error', (error) => secure.destroy(error))
    secure.on('close', () => this.destroy())
  }

  override _read(): void {
    this.#tcp.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // Once the peer is gone only TLS's own farewell is written; to fail there would throw away what was received.
    if (this.#tcp.writable) this.#tcp.write(chunk, done)
    else done()
  }

  override _final(done: () => void): void {
    this.#tcp.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#tcp.destroy()
    done(error)
  }
}
