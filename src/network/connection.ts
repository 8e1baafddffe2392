/**
 * One connection and the undici client that speaks HTTP/1.1 over it: one client a connection, so that a request, its
 * socket and that socket's fate are known together. (undici's pools tell a handler neither which socket it got nor how
 * that socket ended, and both are needed to tell a whole body from a cut one.)
 */
import type { Client, Dispatcher } from 'undici'
import { type DialFacts, type Line } from './dial.ts'
import { isOfTheParser } from './failures.ts'
import type { Taker } from './inlet.ts'

interface ConnectionOptions {
  readonly maximumHeadBytes: number
  readonly idleMs: number
}

/** Those of its socket that undici listens to. */
const events = ['error', 'readable', 'end', 'close'] as const
const oldVersion = 'HTTP/1.0'

export class Connection {
  readonly peer: string
  readonly facts: DialFacts
  /** Resolves when the connection is closed on our side. */
  readonly gone: Promise<void>
  readonly #origin: string
  readonly #line: Line
  readonly #options: ConnectionOptions
  /** Listeners that are not undici's. */
  readonly #own = new Map<string, ReadonlySet<unknown>>()
  readonly #Client: typeof Client
  /** Undefined after a body that went past it, until the next request. */
  #client: Client | undefined
  #broken: (() => void) | undefined
  #requests = 0
  #leftover = 0
  /** What undici was given last. */
  #lastRead: Uint8Array | undefined
  #isBehindEnd = false
  /** The first characters of what came since the last request. */
  #beginning = ''
  /** How long it may be unused. */
  #keptMs: number

  /** @param client undici's class */
  constructor(origin: string, line: Line, client: typeof Client, options: ConnectionOptions) {
    this.#origin = origin
    this.#Client = client
    this.#line = line
    this.#options = options
    this.#keptMs = options.idleMs
    this.peer = line.peer
    this.facts = line.facts
    this.gone = new Promise((resolve) => {
      if (line.tcp.closed) resolve()
      else line.tcp.once('close', () => resolve())
    })
    // After an answer that does not keep the connection, undici puts what it did not parse back into the socket that it
    // has just destroyed, where nobody sees it. It is the only sign that more came than was announced.
    const { socket } = line
    socket.on('timeout', () => this.destroy())
    const unshift = socket.unshift.bind(socket)
    socket.unshift = (chunk: unknown, encoding?: BufferEncoding) => {
      this.#leftover = chunk instanceof Uint8Array ? chunk.length : 0
      unshift(chunk, encoding)
    }
    // Its parser passes over line breaks between two answers; they are excess as well.
    const read = socket.read.bind(socket)
    socket.read = (size?: number) => {
      const chunk: unknown = read(size)
      if (chunk instanceof Uint8Array) {
        this.#lastRead = chunk
        if (this.#beginning.length < oldVersion.length) this.#begins(chunk)
        if (this.#isBehindEnd) this.#leftover += chunk.byteLength
      }
      return chunk
    }
  }

  /** True if `takeOver` can be asked for. */
  get canTakeOver(): boolean {
    return this.#line.inlet !== undefined && this.usable && this.#client !== undefined
  }

  /**
   * Takes the running answer, whose head undici has parsed and which it has paused, out of its hands: the rest of the body
   * comes to `taker`, and `broken` is called if the socket ends before `bodyTaken`. undici is told that its socket was closed;
   * the next request gets a new client.
   */
  takeOver(taker: Taker, broken: () => void): void {
    const { socket, inlet } = this.#line
    const held: Buffer[] = []
    const read = (): Buffer | null => socket.read() as Buffer | null
    for (let chunk = read(); chunk !== null; chunk = read()) held.push(chunk)
    const closing: ((this: unknown) => void)[] = []
    for (const event of events)
      for (const listener of socket.rawListeners(event) as ((this: unknown) => void)[]) {
        if (this.#own.get(event)?.has(listener)) continue
        socket.removeListener(event, listener)
        if (event === 'close') closing.push(listener)
      }
    for (const listener of closing) listener.call(socket)
    this.#client = undefined
    this.markEnd()
    this.#broken = broken
    socket.on('end', broken)
    socket.on('close', broken)
    inlet?.give(taker)
    let wantsMore = true
    for (const chunk of held) wantsMore = taker.bytes(chunk)
    if (wantsMore) this.flow()
  }

  /** After a taker answered that it wanted no more. */
  flow(): void {
    this.#line.inlet?.flow()
  }

  /** The body that went past undici is whole. */
  bodyTaken(): void {
    const { socket, inlet } = this.#line
    inlet?.close()
    if (this.#broken === undefined) return
    socket.off('end', this.#broken)
    socket.off('close', this.#broken)
    this.#broken = undefined
  }

  /** Requests sent on it, the running one included. */
  get requests(): number {
    return this.#requests
  }

  /** How long the server keeps it unused, after a body that went past undici; undefined: it does not say. */
  keepFor(ms: number | undefined): void {
    this.#keptMs = Math.min(ms ?? Infinity, this.#options.idleMs)
  }

  /** True while another request may be sent. */
  get usable(): boolean {
    const { socket, inlet } = this.#line
    return (
      this.#keptMs > 0 &&
      inlet?.hasExcess !== true &&
      !socket.destroyed &&
      socket.errored === null &&
      socket.readable &&
      socket.writable
    )
  }

  /** What ended it, if that was an error. */
  get error(): Error | undefined {
    return this.#line.failure() ?? this.#line.socket.errored ?? this.#line.tcp.errored ?? undefined
  }

  /** False: `endedInGoodOrder` cannot be asked. */
  get tellsEnd(): boolean {
    return this.#line.tellsEnd
  }

  /** An error after the farewell may have taken bytes with it that nobody had read yet. */
  get endedInGoodOrder(): boolean {
    return this.#line.endedInGoodOrder() && this.error === undefined
  }

  get bytesWritten(): number {
    return this.#line.socket.bytesWritten
  }

  /** Forgets what was left over before; call it where an answer ends. @param last the end of its body, if undici gave it */
  markEnd(last?: Uint8Array): void {
    const read = this.#lastRead
    const isOfIt = last !== undefined && read?.buffer === last.buffer
    const behind = isOfIt ? read.byteOffset + read.byteLength - last.byteOffset - last.byteLength : 0
    this.#leftover = Math.max(0, behind)
    this.#isBehindEnd = true
  }

  /** True if bytes came after the end of the last answer. They are an answer to nothing: see `markEnd`. */
  get hasExcess(): boolean {
    // Or the parser met the first byte of an answer that nobody had asked for.
    return this.#leftover > 0 || this.#line.inlet?.hasExcess === true || isOfTheParser(this.error)
  }

  /** The running answer is of HTTP/1.0, where a connection ends with it unless it says otherwise (RFC 9112 §9.3). */
  get isOfOldVersion(): boolean {
    return this.#beginning === oldVersion
  }

  /** Tells `heard` of bytes that come, until it is called with another one. */
  hear(heard: (() => void) | undefined): void {
    this.#line.outerInlet.heard = heard
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#requests++
    this.#isBehindEnd = false
    this.#beginning = ''
    this.#client ??= this.#makeClient()
    this.#client.dispatch(options, handler)
  }

  /** While idle it must not keep the process alive. */
  ref(): void {
    this.#line.socket.setTimeout(0)
    this.#line.tcp.ref()
  }

  unref(): void {
    if (this.#client === undefined) {
      // No undici looks after it: neither how long it is idle, nor whether the peer goes.
      this.#line.socket.setTimeout(this.#keptMs)
      this.flow()
    }
    this.#line.tcp.unref()
  }

  /** Idempotent. Whatever runs on it fails. */
  destroy(): void {
    this.#line.socket.destroy()
    this.#line.tcp.destroy()
    void this.#client?.destroy(null)
  }

  #begins(chunk: Uint8Array): void {
    // undici's parser passes over line breaks before an answer.
    const more =
      this.#beginning + Buffer.from(chunk.buffer, chunk.byteOffset, Math.min(64, chunk.byteLength)).toString('latin1')
    this.#beginning = more.trimStart().slice(0, oldVersion.length)
  }

  #makeClient(): Client {
    const { socket } = this.#line
    for (const event of events) this.#own.set(event, new Set(socket.rawListeners(event)))
    let handedOver = false
    return new this.#Client(this.#origin, {
      allowH2: false,
      pipelining: 1,
      // The stall timer stands above, on the steady clock.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: this.#options.maximumHeadBytes,
      keepAliveTimeout: this.#options.idleMs,
      keepAliveMaxTimeout: this.#options.idleMs,
      connect: (_options, callback) => {
        // Never in the same tick: the client would miss it and the request would wait for ever.
        if (!handedOver)
          queueMicrotask(() => {
            this.#line.inlet?.open()
            callback(null, socket)
          })
        // It asks again when the socket died before the request was written. To dial is not its business.
        else queueMicrotask(() => callback(new Error('the connection was closed'), null))
        handedOver = true
      },
    })
  }
}
