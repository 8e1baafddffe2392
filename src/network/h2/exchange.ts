/**
 * One request and its answer over HTTP/2: the {@link Exchange} that stands above, node:http2 below.
 *
 * node:http2 has traps, found by trying, and here is the defence against each:
 *
 * - It ends a stream that the server gave up with NO_ERROR or CANCEL, or whose connection was closed, by a plain 'end', as
 *   if the body were whole (and undici hands that on). `aborted` is not told either, for our side of the stream has ended.
 *   The difference shows where the end is pushed into the stream: END_STREAM does that while the stream is open, all else
 *   closes the stream first. So the pushing is watched; an end that is not END_STREAM's is a cut.
 * - An error throws away what was not read yet, though those bytes are good. They are taken in the moment of the end.
 * - Interim answers (1xx) are unlimited. They are counted.
 * - The size of a head is advertised but not enforced: it is measured. Its number of fields is, but that looks as if the
 *   server had reset the stream (ENHANCE_YOUR_CALM). Before the head that code is taken for a broken rule; a server that
 *   wants calm says so by GOAWAY.
 * - `pause()` is advice: what the window allows comes nevertheless, and queues in the stream. The window bounds its bytes, but not
 *   the number of pieces: small ones are gathered before they get there (`crumbs.ts`).
 *
 * Its HTTP/2 library (nghttp2) refuses by itself: a body of another length than its content-length, forbidden and malformed
 * fields, a trailer without END_STREAM, frames out of place.
 */
import { constants, type ClientHttp2Stream } from 'node:http2'
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
} from '../../world/transport.ts'
import { BodyQueue, type BodySource } from '../body-queue.ts'
import { failureOf } from '../failures.ts'
import { type Framing, framingOf, headerList, headSize } from '../framing.ts'
import { Crumbs } from './crumbs.ts'
import type { Session } from './session.ts'

/** Far more than any honest server sends. */
const maximumInterimAnswers = 50

/** By them a server, or our side on its behalf, says that the other one broke a rule. */
const brokenRules: ReadonlySet<number> = new Set([
  constants.NGHTTP2_PROTOCOL_ERROR,
  constants.NGHTTP2_FLOW_CONTROL_ERROR,
  constants.NGHTTP2_FRAME_SIZE_ERROR,
  constants.NGHTTP2_COMPRESSION_ERROR,
])

/** RFC 9113 §7. */
const codeNames: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
]

export interface Http2ExchangeOptions {
  readonly session: Session
  readonly method: string
  readonly headers: readonly string[]
  readonly fetchStartMs: number
  readonly maximumHeadBytes: number
  /** As `Outgoing.heard`. */
  readonly heard: (() => void) | undefined
  /** The session may serve someone else. Called at most once; without it the session was destroyed. */
  readonly release: () => void
  /** Called once, when nothing more will be asked of the network. */
  readonly over: () => void
}

export class Http2Exchange implements Exchange, BodySource {
  readonly #options: Http2ExchangeOptions
  readonly #session: Session
  readonly #stream: ClientHttp2Stream
  /** The stream's own. */
  readonly #push: ClientHttp2Stream['push']
  readonly #queue: BodyQueue
  readonly #requestStartMs: number = Date.now()
  #requestEndMs: number | undefined
  #responseStartMs: number | undefined
  #interim = 0
  #head: ResponseHead | undefined
  #facts: ConnectionFacts | undefined
  #framing: Framing | undefined
  #trailers: HeaderList = []
  /** The stream has ended; how, is told one turn of the event loop later. */
  #ending = false
  #draining = false
  readonly #crumbs = new Crumbs()

  constructor(options: Http2ExchangeOptions) {
    this.#options = options
    this.#session = options.session
    this.#queue = new BodyQueue(this)
    this.#stream = options.session.request(options.headers)
    this.#push = this.#stream.push.bind(this.#stream)
    this.#watchPushing()
    // There is nothing but a head to send, and that is handed to the system with the stream's number.
    const sent = (): void => {
      this.#requestEndMs = Date.now()
    }
    if (this.#stream.pending) this.#stream.on('ready', sent)
    else sent()
    this.#stream.on('headers', () => this.#interimAnswer())
    this.#stream.on('response', (fields, _flags, raw) => this.#answer(Number(fields[':status']), raw))
    this.#stream.on('trailers', (_fields, _flags, raw: readonly string[]) => {
      this.#trailers = headerList([...raw])
    })
    this.#stream.on('data', (bytes: Uint8Array) => this.#draining || this.#arrived(bytes))
    this.#stream.pause()
    this.#stream.on('error', () => this.#ended({ proven: false }))
    this.#stream.on('close', () => this.#ended({ proven: false }))
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

  /** The server wants to be spoken to by HTTP/1.1. */
  get refusesHttp2(): boolean {
    return this.#stream.rstCode === constants.NGHTTP2_HTTP_1_1_REQUIRED
  }

  receive(sink: BodySink): Promise<BodyEnd> {
    return this.#queue.receive(sink)
  }

  close(): void {
    this.abort()
  }

  /** Fails whatever is not complete yet with reason `aborted`. */
  abort(): void {
    this.#queue.stop(this.#failure('aborted', 'the request was given up'))
  }

  // ------------------------------------------------------------------------------------------------- from the stream

  #watchPushing(): void {
    const stream = this.#stream
    stream.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (chunk === null) this.#ended({ proven: !stream.closed })
      if (chunk instanceof Uint8Array && stream.isPaused()) {
        if (Crumbs.isCrumb(chunk)) {
          this.#pushGathered(this.#crumbs.add(chunk))
          // No more, please: else the window would be opened again.
          return false
        }
        this.#pushGathered(this.#crumbs.take())
      }
      return this.#push(chunk, encoding)
    }
  }

  #pushGathered(gathered: Buffer | undefined): void {
    if (gathered !== undefined) this.#push(gathered)
  }

  #interimAnswer(): void {
    this.#responseStartMs ??= Date.now()
    this.#options.heard?.()
    this.#interim++
    if (this.#interim > maximumInterimAnswers)
      this.#queue.stop(this.#failure('malformed answer', `more than ${maximumInterimAnswers} interim answers`))
  }

  #answer(status: number, raw: readonly string[]): void {
    this.#responseStartMs ??= Date.now()
    if (this.#queue.isOver || this.#head !== undefined) return
    const fields = raw.slice(raw.findLastIndex((name, i) => i % 2 === 0 && name.startsWith(':')) + 2)
    const headers = headerList(fields)
    const framing = framingOf(this.#options.method, status, headers)
    if (typeof framing === 'string') {
      this.#queue.stop(this.#failure('malformed answer', framing))
      return
    }
    const bytes = headSize('', fields)
    if (bytes > this.#options.maximumHeadBytes) {
      this.#queue.stop(this.#failure('malformed answer', `a head of ${bytes} bytes`))
      return
    }
    this.#framing = framing
    this.#head = { status, headers }
    this.#facts = this.#gatherFacts(bytes)
    this.#queue.open()
  }

  #arrived(bytes: Uint8Array): void {
    if (this.#queue.isOver) return
    if (!this.#queue.add(bytes) && !this.#ending) this.#stream.pause()
  }

  /** The first one to say it is right: what comes behind END_STREAM cannot take the end back. */
  #ended(end: { readonly proven: boolean }): void {
    if (this.#ending) return
    this.#ending = true
    // What lies in the stream would be lost with it. Once there is an error, reading no longer gives it to 'data'.
    this.#draining = true
    for (let rest: unknown = this.#stream.read(); rest !== null; rest = this.#stream.read())
      this.#arrived(rest as Buffer)
    const gathered = this.#crumbs.take()
    if (gathered !== undefined) this.#arrived(gathered)
    // Trailers, and the error that ended the session, are told in this turn of the event loop, but later.
    setImmediate(() => (end.proven ? this.#conclude() : this.#queue.fail(this.#whatCutIt())))
  }

  // ------------------------------------------------------------------------------------------------------ for the queue

  flow(): void {
    if (!this.#stream.isPaused()) return
    this.#pushGathered(this.#crumbs.take())
    this.#stream.resume()
  }

  cut(): void {
    this.#session.destroy()
  }

  over(): void {
    this.#options.over()
  }

  // ------------------------------------------------------------------------------------------------------------- inside

  #conclude(): void {
    if (this.#queue.isOver) return
    if (this.#head === undefined || this.#framing === undefined) {
      this.#queue.stop(this.#failure('malformed answer', 'the stream ended without an answer'))
      return
    }
    const { proof, length } = this.#framing
    if (proof === 'length' && length !== this.#queue.bytes) {
      this.#queue.fail(this.#failure('connection lost', `${this.#queue.bytes} of ${length} bytes came`))
      return
    }
    this.#queue.end({
      proof: proof === 'length' ? 'length' : 'last chunk',
      bytes: this.#queue.bytes,
      trailers: this.#trailers,
    })
    if (this.#session.usable) this.#options.release()
    else this.#session.destroy()
  }

  #whatCutIt(): NetworkFailure {
    const error = this.#session.error ?? this.#stream.errored ?? undefined
    const code = this.#stream.rstCode
    if (error !== undefined && !('code' in error && /^ERR_HTTP2_(SESSION|STREAM)_ERROR$/.test(String(error.code)))) {
      // node:http2's own word for a peer that does not speak HTTP/2 as it must.
      if ('code' in error && error.code === 'ERR_HTTP2_ERROR')
        return this.#failure('malformed answer', error.message, error)
      return failureOf(error, this.#phase(), this.#session.peer)
    }
    const calm = constants.NGHTTP2_ENHANCE_YOUR_CALM
    const tooManyFields = this.#head === undefined && code === calm && this.#session.goodbye !== calm
    const reason = brokenRules.has(code) || tooManyFields ? 'malformed answer' : 'connection lost'
    return this.#failure(reason, `the stream was ended with ${nameOf(code)} before its end`, error)
  }

  #phase(): NetworkPhase {
    if (this.#head !== undefined) return 'body'
    return this.#requestEndMs === undefined ? 'request' : 'head'
  }

  #failure(reason: NetworkFailureCause, what: string, cause?: unknown): NetworkFailure {
    return new NetworkFailure(reason, this.#phase(), `${this.#session.peer}: ${reason} (${what})`, { cause })
  }

  /** The sizes of heads are what they would have in HTTP/1.1: how far they were compressed is not told. */
  #gatherFacts(headerBytesReceived: number): ConnectionFacts {
    const reused = this.#session.requests > 1
    const {
      connectStartMs: _a,
      domainLookupStartMs: _b,
      domainLookupEndMs: _c,
      connectEndMs: _d,
      ...later
    } = this.#session.facts
    const { secureConnectionStartMs: _e, secureConnectionEndMs: _f, ...lasting } = later
    return {
      ...(reused ? lasting : this.#session.facts),
      protocol: 'h2',
      reused,
      fetchStartMs: this.#options.fetchStartMs,
      requestStartMs: this.#requestStartMs,
      ...(this.#requestEndMs !== undefined && { requestEndMs: this.#requestEndMs }),
      ...(this.#responseStartMs !== undefined && { responseStartMs: this.#responseStartMs }),
      headerBytesSent: this.#options.headers.reduce((size, part) => size + part.length + 2, 0),
      headerBytesReceived,
    }
  }
}

function nameOf(code: number): string {
  return codeNames[code] ?? `error ${code}`
}
