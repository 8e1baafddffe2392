/**
 * A body on its way from a connection to its sink: what has come and is not taken yet, when more may come, and how it all ends.
 * Whoever brings the bytes is the same to it.
 *
 * It is in the path of every small file: one object a request, and no promise of its own where the sink takes bytes at once.
 */
import { LonghaulError } from '../contract/errors.ts'
import type { BodyEnd, BodySink } from '../world/transport.ts'

/** The connection that the body comes over. */
export interface BodySource {
  /** All that came is taken: more may come. Said again and again, as long as that is so. */
  flow(): void
  /** The body failed: the connection is of no more use. Not called after a good end, when it may serve another request already. */
  cut(): void
  /** Called once, when nothing more will be asked of the network. */
  over(): void
}

type Outcome = { readonly end: BodyEnd } | { readonly error: unknown }

export class BodyQueue {
  readonly #source: BodySource
  readonly #opened: PromiseWithResolvers<void> = Promise.withResolvers()
  readonly #ended: PromiseWithResolvers<BodyEnd> = Promise.withResolvers()
  readonly #waiting: Uint8Array[] = []
  #bytes = 0
  #sink: BodySink | undefined
  #sinkIsBusy = false
  #outcome: Outcome | undefined
  #settled = false

  constructor(source: BodySource) {
    this.#source = source
    // Either may fail when nobody looks yet, or ever: an exchange may be closed without being received.
    this.#opened.promise.catch(() => {})
    this.#ended.promise.catch(() => {})
  }

  /** Resolves when the head is there, rejects when it will never be. */
  get opened(): Promise<void> {
    return this.#opened.promise
  }

  /** So many bytes have come. */
  get bytes(): number {
    return this.#bytes
  }

  /** How it ends is known: what comes now is nobody's. */
  get isOver(): boolean {
    return this.#outcome !== undefined
  }

  /** Whoever waited for it knows, too. */
  get isSettled(): boolean {
    return this.#settled
  }

  get isReceived(): boolean {
    return this.#sink !== undefined
  }

  /** The head is there. */
  open(): void {
    this.#opened.resolve()
  }

  /** The bytes are lent until the sink's promise settles, and so this promise settles only after that one, even when aborted. */
  receive(sink: BodySink): Promise<BodyEnd> {
    if (this.#sink !== undefined)
      return Promise.reject(
        new LonghaulError('INVALID_ARGUMENT', 'receive() was called twice; the bytes of a body are given once.'),
      )
    this.#sink = sink
    this.#advance()
    return this.#ended.promise
  }

  /** The sink's memory, if what is put into it now would be the next that it takes. */
  room(): Uint8Array | undefined {
    if (this.#isFull || this.#outcome !== undefined) return undefined
    return this.#sink?.room?.()
  }

  /** `bytes` are the queue's from now on. False: no more, please, until `flow`. That is advice: what comes all the same waits here. */
  add(bytes: Uint8Array): boolean {
    this.#bytes += bytes.byteLength
    if (this.#sink === undefined || this.#isFull) this.#waiting.push(bytes)
    else this.#deliver(this.#sink, bytes)
    return !this.#isFull
  }

  /** It is whole. */
  end(end: BodyEnd): void {
    if (this.#outcome !== undefined) return
    this.#outcome = { end }
    this.#advance()
  }

  /** Ends at once: what waits is dropped. */
  stop(error: unknown): void {
    this.#waiting.length = 0
    this.fail(error)
  }

  /** Ends after what waits: the bytes before the break are good ones, and whoever resumes wants them. */
  fail(error: unknown): void {
    const running = this.#outcome === undefined
    if (!this.#settled && (running || 'end' in this.#outcome!)) this.#outcome = { error }
    if (running) this.#source.cut()
    this.#advance()
  }

  get #isFull(): boolean {
    return this.#sinkIsBusy || this.#waiting.length > 0
  }

  /** Hands out what waits; then either all is over, or more may come. */
  #advance(): void {
    while (this.#sink !== undefined && !this.#sinkIsBusy && this.#waiting.length > 0)
      this.#deliver(this.#sink, this.#waiting.shift()!)
    if (this.#isFull) return
    if (this.#outcome !== undefined) this.#settle(this.#outcome)
    else if (this.#sink !== undefined) this.#source.flow()
  }

  #deliver(sink: BodySink, bytes: Uint8Array): void {
    let taken: Promise<void> | undefined
    try {
      taken = sink(bytes)
    } catch (error) {
      this.stop(error)
      return
    }
    if (taken === undefined) return
    this.#sinkIsBusy = true
    taken.then(
      () => {
        this.#sinkIsBusy = false
        this.#advance()
      },
      (error: unknown) => {
        this.#sinkIsBusy = false
        this.stop(error)
      },
    )
  }

  #settle(outcome: Outcome): void {
    if (this.#settled) return
    this.#settled = true
    this.#source.over()
    if ('end' in outcome) {
      this.#ended.resolve(outcome.end)
    } else {
      this.#opened.reject(outcome.error)
      this.#ended.reject(outcome.error)
    }
  }
}
