// The twin of a conversation (src/network/conversation.ts) once its head is there: hands out the body chunk by chunk, at most
// one beyond what the sink has taken, and breaks where the server said. A short body comes at once and waits, and its connection is
// free before anybody receives it. Lent bytes become rubbish once they are taken back.
import { LonghaulError } from '../../src/contract/errors.ts'
import {
  type BodyEnd,
  type BodySink,
  type ConnectionFacts,
  type Exchange,
  NetworkFailure,
  type NetworkFailureCause,
  type ResponseHead,
} from '../../src/world/transport.ts'
import { type Life } from './life.ts'
import { type Answer } from './server.ts'

const largestChunk = 16 * 1024
/** Bodies of known length up to this come at once; not all in one read, as these files are small. */
const shortBody = 4 * 1024
/** However small its chunks are, a body costs no more steps than this. */
const mostChunks = 150
/** However slow a server is, it is not taken for a silent one. */
const longestPauseSeconds = 2
const rubbish = 0xa5

type Outcome = { readonly end: BodyEnd } | { readonly error: unknown }

export interface ExchangeOptions {
  readonly life: Life
  readonly answer: Answer
  readonly facts: ConnectionFacts
  /** `host:port`, for messages. */
  readonly peer: string
  /** Called once, when nothing more comes; with whether the connection may serve another request. */
  readonly over: (connection: 'usable' | 'gone') => void
}

export class SimulatedExchange implements Exchange {
  readonly head: ResponseHead
  readonly facts: ConnectionFacts
  readonly #options: ExchangeOptions
  readonly #ended = Promise.withResolvers<BodyEnd>()
  #sent = 0
  #sink: BodySink | undefined
  #sinkIsBusy = false
  #fetching = false
  /** One at most, but for a short body. */
  readonly #waiting: Uint8Array[] = []
  readonly #isShort: boolean
  #isHere = false
  #told: (() => void) | undefined
  /** As some connections do, it puts bytes where the sink wants them, and lends nothing of its own. */
  readonly #usesRoom: boolean
  #isInRoom = false
  #outcome: Outcome | undefined
  #settled = false
  #stopped = false
  #isOver = false

  constructor(options: ExchangeOptions) {
    this.#options = options
    this.head = { status: options.answer.status, headers: options.answer.headers }
    this.facts = options.facts
    this.#usesRoom = options.answer.random.fork('room').chance(0.5)
    // It may fail when nobody looks yet, or ever.
    this.#ended.promise.catch(() => {})
    const { proof, body } = options.answer
    this.#isShort = proof === 'length' && body.length <= shortBody
    if (this.#isShort) this.#fetch()
  }

  arrived(told: () => void): void {
    if (this.#isHere) told()
    else this.#told = told
  }

  async receive(sink: BodySink): Promise<BodyEnd> {
    if (this.#sink !== undefined) {
      throw new LonghaulError('INVALID_ARGUMENT', 'receive() was called twice; the bytes of a body are given once.')
    }
    this.#sink = sink
    this.#advance()
    return this.#ended.promise
  }

  close(): void {
    this.stop('aborted', 'the request was given up')
  }

  /** Ends at once, and what has not been handed out is dropped; nothing after the end. */
  stop(reason: NetworkFailureCause, what: string): void {
    this.#stop(this.#failure(reason, what))
  }

  /** Hands out what there is; then either all is over, or more may come. */
  #advance(): void {
    if (this.#options.life.dead) return
    while (this.#sink !== undefined && !this.#sinkIsBusy && this.#waiting.length > 0)
      this.#deliver(this.#sink, this.#waiting.shift()!)
    if (this.#waiting.length > 0 && !this.#isShort) return
    if (this.#outcome === undefined) this.#fetch()
    else if (!this.#sinkIsBusy && this.#waiting.length === 0 && this.#isAwaited) this.#settle(this.#outcome)
  }

  /** The next chunk, or how it ends. */
  #fetch(): void {
    const { life, answer } = this.#options
    if (this.#fetching || (this.#sink === undefined && !this.#isShort)) return
    const left = answer.body.length - this.#sent
    if (left === 0 && answer.ends === 'silence') return
    this.#fetching = true
    const rate = answer.bytesPerSecond()
    const drawn = Math.max(answer.random.scale(1, largestChunk), Math.ceil(answer.body.length / mostChunks))
    // Asked for before the bytes are there, as for a read of a socket: what the sink does meanwhile must not move it.
    const isNext = !this.#sinkIsBusy && this.#waiting.length === 0
    const room = this.#usesRoom && isNext && left > 0 ? this.#sink?.room?.() : undefined
    const most = Math.min(drawn, room?.byteLength ?? Infinity)
    const size = Math.min(left, most, Math.max(1, Math.floor(rate * longestPauseSeconds)))
    const ms = (size / rate) * 1000
    const arrived = life.call('transport.chunk', () => undefined, { effect: [ms, ms] })
    void arrived.then(() => {
      this.#fetching = false
      if (this.#outcome !== undefined) return
      if (left === 0) this.#conclude()
      else {
        const bytes = answer.body.subarray(this.#sent, this.#sent + size)
        room?.set(bytes)
        this.#isInRoom = room !== undefined
        this.#waiting.push(room?.subarray(0, size) ?? Uint8Array.from(bytes))
      }
      this.#sent += size
      this.#advance()
    })
  }

  #conclude(): void {
    const { answer } = this.#options
    if (answer.ends === 'well')
      this.#outcome = { end: { proof: answer.proof, bytes: answer.body.length, trailers: answer.trailers ?? [] } }
    else this.#outcome = { error: this.#failure(answer.ends as NetworkFailureCause, 'inside the body') }
    if (answer.ends !== 'well' || answer.proof === 'close') return
    this.#over('usable')
    this.#isHere = true
    this.#told?.()
  }

  /** A body that failed says so to whoever receives it, after the bytes before the break. */
  get #isAwaited(): boolean {
    return this.#sink !== undefined || !this.#isShort || this.#stopped
  }

  #deliver(sink: BodySink, bytes: Uint8Array): void {
    const takeBack = this.#isInRoom ? (): void => {} : (): void => void bytes.fill(rubbish)
    let taken: Promise<void> | undefined
    try {
      taken = sink(bytes)
    } catch (error) {
      this.#stop(error)
      return
    }
    if (taken === undefined) {
      takeBack()
      return
    }
    this.#sinkIsBusy = true
    taken.then(
      () => {
        this.#sinkIsBusy = false
        takeBack()
        this.#advance()
      },
      (error: unknown) => {
        this.#sinkIsBusy = false
        this.#stop(error)
      },
    )
  }

  #stop(error: unknown): void {
    if (this.#settled || this.#options.life.dead) return
    this.#waiting.length = 0
    this.#stopped = true
    if (this.#outcome === undefined || 'end' in this.#outcome) this.#outcome = { error }
    // The connection is cut at once, also where what the sink has is not back yet.
    this.#over('gone')
    this.#advance()
  }

  #settle(outcome: Outcome): void {
    if (this.#settled) return
    this.#settled = true
    this.#over('end' in outcome && outcome.end.proof !== 'close' ? 'usable' : 'gone')
    if ('end' in outcome) this.#ended.resolve(outcome.end)
    else this.#ended.reject(outcome.error)
  }

  #over(connection: 'usable' | 'gone'): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#options.over(connection)
  }

  #failure(reason: NetworkFailureCause, what: string): NetworkFailure {
    return new NetworkFailure(reason, 'body', `${this.#options.peer}: ${reason} (${what})`)
  }
}
