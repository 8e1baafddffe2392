/**
 * One request and its answer on one connection: the {@link Exchange} that stands above, the undici handler below.
 *
 * undici is used by its lowest call, and what it does not do is done here. Its traps, found by trying, and the defence
 * against each:
 *
 * - A body without a length that ends by a TCP reset is delivered as whole (deliberately, for macOS), and so is one that
 *   ends by any other close. Such a body counts only if the peer ended in good order, which the connection watches.
 * - HTTP/2 does the same for RST_STREAM with CANCEL or NO_ERROR. The client is told `allowH2: false`.
 * - Bytes beyond Content-Length are dropped in silence. The end is announced one turn of the event loop late, when it is
 *   known whether the parser met something behind it.
 * - `Transfer-Encoding: gzip, chunked` is delivered coded but looks plain. Anything but `chunked` is refused.
 * - `pause()` is advice: when the peer ends or resets, undici hands over all it holds. So bytes queue (`body-queue.ts`).
 * - `resume()` with nothing to read hands over an empty chunk. To pause for that one, and resume in a microtask, and so on,
 *   never lets the event loop read again: the process hangs. Empty chunks are passed over.
 * - Interim answers (1xx) are unlimited. They are counted.
 * - An unsolicited `100 Continue` fails the request. That stays so: it fails cleanly, as a malformed answer.
 * - The parser keeps no bytes for us once it runs on: it is paused with the head and waits for `receive`, but for a short body: that
 *   one comes at once and waits here, so that its connection may serve somebody else.
 * - A handler must have `onRequestStart`, and must not throw.
 *
 * A large body of known length for a sink that lends memory goes past undici, once the head is parsed (`past-undici.ts`).
 */
import type { Dispatcher } from 'undici'
import { LonghaulError } from '../contract/errors.ts'
import {
  type BodyEnd,
  type BodySink,
  type ConnectionFacts,
  type Exchange,
  type HeaderList,
  NetworkFailure,
  type NetworkFailureCause,
  type NetworkPhase,
  type ResponseHead,
} from '../world/transport.ts'
import { BodyQueue, type BodySource } from './body-queue.ts'
import { type Connection } from './connection.ts'
import { failureOf } from './failures.ts'
import { type Framing, framingOf, headSize, headerList } from './framing.ts'
import { PastUndici } from './past-undici.ts'

/** Far more than any honest server sends. */
const maximumInterimAnswers = 50

/** Bytes of a body that comes at once: what one read of a socket gives. */
const shortBody = 64 * 1024

/** Only the end of TLS could say where the body ends, and this connection does not tell: it is for the lane to ask on one that does. */
export class EndUntold extends NetworkFailure {}

export interface ConversationOptions {
  readonly connection: Connection
  readonly method: string
  readonly fetchStartMs: number
  /** As `Outgoing.wants`. */
  readonly wants: ((status: number) => boolean) | undefined
  /** As `Outgoing.heard`. */
  readonly heard: (() => void) | undefined
  /** The connection may serve someone else. Called at most once; without it the connection was destroyed. */
  readonly release: () => void
  /** Called once, when nothing more will be asked of the network. */
  readonly over: () => void
}

export class Conversation implements Dispatcher.DispatchHandler, Exchange, BodySource {
  readonly #options: ConversationOptions
  readonly #connection: Connection
  readonly #queue: BodyQueue
  readonly #writtenBefore: number
  #controller: Dispatcher.DispatchController | undefined
  #requestStartMs = 0
  #requestEndMs: number | undefined
  #responseStartMs: number | undefined
  #headerBytesSent = 0
  #interim = 0
  #head: ResponseHead | undefined
  #facts: ConnectionFacts | undefined
  #framing: Framing | undefined
  /** undici has ended the answer; whether it was a good end is not said yet. */
  #ending = false
  /** The body goes past undici. */
  #isPast = false
  #isHere = false
  /** What came last of the body. */
  #last: Uint8Array | undefined
  #told: (() => void) | undefined

  constructor(options: ConversationOptions) {
    this.#options = options
    this.#connection = options.connection
    this.#queue = new BodyQueue(this)
    this.#writtenBefore = options.connection.bytesWritten
    this.#requestStartMs = Date.now()
    options.connection.hear(options.heard)
  }

  // -------------------------------------------------------------------------------------------------- for those above

  /** Resolves when the head is there. */
  get opened(): Promise<void> {
    return this.#queue.opened
  }

  get head(): ResponseHead {
    return this.#head!
  }

  get facts(): ConnectionFacts {
    return this.#facts!
  }

  /** True if the server has not begun to answer. */
  get unanswered(): boolean {
    return this.#responseStartMs === undefined
  }

  receive(sink: BodySink): Promise<BodyEnd> {
    if (!this.#queue.isReceived && this.#canGoPast(sink)) this.#goPast()
    return this.#queue.receive(sink)
  }

  arrived(told: () => void): void {
    if (this.#isHere) told()
    else this.#told = told
  }

  close(): void {
    this.abort()
  }

  /** Fails whatever is not complete yet with reason `aborted`. */
  abort(): void {
    if (!this.#queue.isSettled) this.#queue.stop(this.#failure('aborted', 'the request was given up'))
  }

  // --------------------------------------------------------------------------------------------------------- for undici

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#queue.isOver) controller.abort(new Error('given up'))
  }

  onRequestSent(): void {
    this.#requestEndMs = Date.now()
    this.#headerBytesSent = this.#connection.bytesWritten - this.#writtenBefore
  }

  onResponseStarted(): void {
    this.#responseStartMs ??= Date.now()
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _parsed: unknown, reason = ''): void {
    if (this.#queue.isOver) return
    if (status < 200) {
      this.#interim++
      if (this.#interim > maximumInterimAnswers) {
        this.#queue.stop(this.#failure('malformed answer', `more than ${maximumInterimAnswers} interim answers`))
      }
      return
    }
    this.#connection.hear(undefined)
    const headers = headerList(controller.rawHeaders)
    const framing = framingOf(this.#options.method, status, headers)
    if (typeof framing === 'string') {
      this.#queue.stop(this.#failure('malformed answer', framing))
      return
    }
    if (framing.proof === 'close' && !this.#connection.tellsEnd && this.#isWanted(status)) {
      this.#queue.stop(
        new EndUntold('connection lost', 'head', `${this.#connection.peer}: the end of the body cannot be told`),
      )
      return
    }
    this.#framing = framing
    this.#head = { status, headers }
    this.#facts = this.#gatherFacts(headSize(reason, controller.rawHeaders))
    if (!this.#isShort) controller.pause()
    this.#queue.open()
  }

  #isWanted(status: number): boolean {
    return status < 300 || this.#options.wants?.(status) === true
  }

  get #isShort(): boolean {
    const length = this.#framing?.length
    return length !== undefined && length <= shortBody
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#queue.isOver || this.#isPast || chunk.length === 0) return
    // `chunk` is a piece of what the socket read, not of the parser's memory: it stays ours.
    this.#last = chunk
    if (!this.#queue.add(chunk) && !this.#isShort) controller.pause()
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#queue.isOver || this.#isPast || this.#framing === undefined) return
    // Said now, and not a turn later, as the connection may be reset in between; that would not matter any more.
    const wrong = this.#whatIsWrongWithTheEnd(this.#framing)
    if (wrong !== undefined) {
      this.#queue.fail(this.#failure('connection lost', wrong, this.#connection.error))
      return
    }
    const end: BodyEnd = {
      proof: this.#framing.proof,
      bytes: this.#queue.bytes,
      trailers: headerList(controller.rawTrailers),
    }
    this.#ending = true
    this.#connection.markEnd(this.#framing.proof === 'length' ? this.#last : undefined)
    this.#last = undefined
    setImmediate(() => this.#concludeWith(end))
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#queue.isOver || this.#ending || this.#isPast) return
    const code = 'code' in error ? error.code : undefined
    if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') {
      this.#queue.stop(
        new LonghaulError('INVALID_ARGUMENT', `The request cannot be sent: ${error.message}.`, { cause: error }),
      )
      return
    }
    // undici often says only "closed"; the socket knows why.
    const told = code === 'UND_ERR_SOCKET' ? (this.#connection.error ?? error) : error
    this.#queue.fail(failureOf(told, this.#phase(), this.#connection.peer))
  }

  // ------------------------------------------------------------------------------------------------------ for the queue

  flow(): void {
    if (this.#isPast) this.#connection.flow()
    else this.#controller?.resume()
  }

  cut(): void {
    this.#connection.destroy()
  }

  over(): void {
    this.#options.over()
  }

  // ------------------------------------------------------------------------------------------------------------- inside

  #canGoPast(sink: BodySink): boolean {
    const isWorthIt = PastUndici.isWorthIt(sink, this.#framing?.length)
    return isWorthIt && !this.#queue.isOver && this.#connection.canTakeOver
  }

  #goPast(): void {
    const length = this.#framing?.length ?? 0
    this.#isPast = true
    new PastUndici({
      connection: this.#connection,
      queue: this.#queue,
      length,
      whole: (andThen) => {
        if (andThen === 'excess') this.#tooLong()
        else this.#concludeWith({ proof: 'length', bytes: length, trailers: [] })
      },
      broken: () => {
        const { error, peer } = this.#connection
        const came = `${this.#queue.bytes} of ${length} bytes came`
        this.#queue.fail(error === undefined ? this.#failure('connection lost', came) : failureOf(error, 'body', peer))
      },
    }).takeOver()
  }

  #whatIsWrongWithTheEnd(framing: Framing): string | undefined {
    if (framing.proof === 'length' && framing.length !== this.#queue.bytes) {
      return `${this.#queue.bytes} of ${framing.length} bytes came`
    }
    if (framing.proof === 'close' && !this.#connection.endedInGoodOrder) {
      return this.#connection.tellsEnd
        ? 'the body has no length, and the connection was cut instead of closed'
        : 'the body has no length, and how the connection ended was not asked'
    }
    return undefined
  }

  #concludeWith(end: BodyEnd): void {
    if (this.#queue.isOver) return
    if (this.#connection.hasExcess) {
      this.#tooLong()
      return
    }
    this.#queue.end(end)
    if (this.#isPast) this.#connection.keepFor(keptForMs(this.head.headers))
    if (this.#connection.usable && !this.#saysClose()) this.#options.release()
    else this.#connection.destroy()
    this.#isHere = true
    this.#told?.()
  }

  /** RFC 9112 §9.3. undici heeds it itself; a body that went past it is not followed by it. */
  #saysClose(): boolean {
    const said = this.head.headers.flatMap(([name, value]) =>
      name === 'connection' ? value.toLowerCase().split(',') : [],
    )
    const options = new Set(said.map((option) => option.trim()))
    return options.has('close') || (this.#connection.isOfOldVersion && !options.has('keep-alive'))
  }

  #tooLong(): void {
    this.#queue.fail(this.#failure('body too long', 'more bytes came than the answer announced'))
  }

  #phase(): NetworkPhase {
    if (this.#head !== undefined) return 'body'
    return this.#requestEndMs === undefined ? 'request' : 'head'
  }

  #failure(reason: NetworkFailureCause, what: string, cause?: unknown): NetworkFailure {
    return new NetworkFailure(reason, this.#phase(), `${this.#connection.peer}: ${reason} (${what})`, { cause })
  }

  #gatherFacts(headerBytesReceived: number): ConnectionFacts {
    const reused = this.#connection.requests > 1
    const { localAddress, remoteAddress, tlsVersion, tlsCipher } = this.#connection.facts
    return {
      protocol: 'http/1.1',
      reused,
      proxied: this.#connection.facts.proxied,
      fetchStartMs: this.#options.fetchStartMs,
      // The times of making the connection belong to the request that had it made.
      ...(reused ? undefinedless({ localAddress, remoteAddress, tlsVersion, tlsCipher }) : this.#connection.facts),
      requestStartMs: this.#requestStartMs,
      ...undefinedless({ requestEndMs: this.#requestEndMs, responseStartMs: this.#responseStartMs }),
      headerBytesSent: this.#headerBytesSent,
      headerBytesReceived,
    }
  }
}

/** `Keep-Alive: timeout=SECONDS`, less one for what is on its way; undefined: the server does not say. undici heeds it itself. */
function keptForMs(headers: HeaderList): number | undefined {
  const hint = headers.find(([name]) => name === 'keep-alive')?.[1]
  const seconds = hint && /(?:^|[,;\s])timeout\s*=\s*(\d+)/i.exec(hint)?.[1]
  return seconds === undefined || seconds === '' ? undefined : Math.max(0, Number(seconds) - 1) * 1000
}

function undefinedless<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
