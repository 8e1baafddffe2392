/**
 * One connection and the undici client that speaks HTTP/1.1 over it: one client a connection, so that a request, its
 * socket and that socket's fate are known together. (undici's pools tell a handler neither which socket it got nor how
 * that socket ended, and both are needed to tell a whole body from a cut one.)
 */
import { Client, type Dispatcher } from 'undici'
import { type DialFacts, type Line } from './dial.ts'
import { isOfTheParser } from './failures.ts'

export class Connection {
  readonly peer: string
  readonly facts: DialFacts
  /** Resolves when the connection is closed on our side. */
  readonly gone: Promise<void>
  readonly #line: Line
  readonly #client: Client
  #requests = 0
  #leftover = 0

  constructor(origin: string, line: Line, options: { readonly maximumHeadBytes: number; readonly idleMs: number }) {
    this.#line = line
    this.peer = line.peer
    this.facts = line.facts
    this.gone = new Promise((resolve) => {
      if (line.tcp.closed) resolve()
      else line.tcp.once('close', () => resolve())
    })
    let handedOver = false
    this.#client = new Client(origin, {
      allowH2: false,
      pipelining: 1,
      // The stall timer stands above, on the steady clock.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: options.maximumHeadBytes,
      keepAliveTimeout: options.idleMs,
      keepAliveMaxTimeout: options.idleMs,
      connect: (_options, callback) => {
        // Never in the same tick: the client would miss it and the request would wait for ever.
        if (!handedOver) queueMicrotask(() => callback(null, line.socket))
        // It asks again when the socket died before the request was written. To dial is not its business.
        else queueMicrotask(() => callback(new Error('the connection was closed'), null))
        handedOver = true
      },
    })
    // After an answer that does not keep the connection, undici puts what it did not parse back into the socket that it
    // has just destroyed, where nobody sees it. It is the only sign that more came than was announced.
    const { socket } = line
    const unshift = socket.unshift.bind(socket)
    socket.unshift = (chunk: unknown, encoding?: BufferEncoding) => {
      this.#leftover = chunk instanceof Uint8Array ? chunk.length : 0
      unshift(chunk, encoding)
    }
  }

  /** Requests sent on it, the running one included. */
  get requests(): number {
    return this.#requests
  }

  /** True while another request may be sent. */
  get usable(): boolean {
    const { socket } = this.#line
    return !socket.destroyed && socket.errored === null && socket.readable && socket.writable
  }

  /** What ended it, if that was an error. */
  get error(): Error | undefined {
    return this.#line.failure() ?? this.#line.socket.errored ?? this.#line.tcp.errored ?? undefined
  }

  /** An error after the farewell may have taken bytes with it that nobody had read yet. */
  get endedInGoodOrder(): boolean {
    return this.#line.endedInGoodOrder() && this.error === undefined
  }

  get bytesWritten(): number {
    return this.#line.socket.bytesWritten
  }

  /** Forgets what was left over before; call it where an answer ends. */
  markEnd(): void {
    this.#leftover = 0
  }

  /** True if bytes came after the end of the last answer. They are an answer to nothing: see `markEnd`. */
  get hasExcess(): boolean {
    // Or the parser met the first byte of an answer that nobody had asked for.
    return this.#leftover > 0 || isOfTheParser(this.error)
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#requests++
    this.#client.dispatch(options, handler)
  }

  /** While idle it must not keep the process alive. */
  ref(): void {
    this.#line.tcp.ref()
  }

  unref(): void {
    this.#line.tcp.unref()
  }

  /** Idempotent. Whatever runs on it fails. */
  destroy(): void {
    this.#line.socket.destroy()
    this.#line.tcp.destroy()
    void this.#client.destroy(null)
  }
}
