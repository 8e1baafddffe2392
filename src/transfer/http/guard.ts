/**
 * What can end a question early: its stall timer and the stop of its attempt; and how bytes pass it on their way to the sink.
 *
 * The stall timer ends a question when no byte came for `stallMs`, before the head as well as in the body. While the reader
 * of the body is busy with what came (a slow disk, a bandwidth limit), nothing can come, so that time does not count. A head that
 * drips, or one interim answer after another, would put it off without end: all heads of a question together have their time.
 */
import { LonghaulError } from '../../contract/errors.ts'
import type { Clock, Timer } from '../../world/clock.ts'
import { type BodySink, NetworkFailure } from '../../world/transport.ts'
import { AttemptFailed, AttemptStopped } from '../endings.ts'
import type { OpenTransaction } from '../measures.ts'
import type { Throttle } from '../rates/throttle.ts'

/** So many times the stall timer a server has until its head is whole. */
const patienceForHead = 10

/** The stall timer and the stop signal of one exchange, as one thing that can break it. */
export class Guard {
  readonly #clock: Clock
  readonly #stallMs: number
  readonly #what: string
  readonly #outer: AbortSignal
  readonly #controller = new AbortController()
  readonly #broken: Promise<never>
  #break!: (why: Error) => void
  #closeExchange: (() => void) | undefined
  #timer: Timer
  #lastHeard: number
  /** Steady ms; Infinity once the head is whole. */
  #headUntil: number
  #busy = false
  #over = false
  readonly #stopped = (): void => this.#breakWith(new AttemptStopped())

  constructor(clock: Clock, stallMs: number, what: string, outer: AbortSignal) {
    this.#clock = clock
    this.#stallMs = stallMs
    this.#what = what
    this.#outer = outer
    this.#broken = new Promise<never>((_, reject) => {
      this.#break = reject
    })
    // It may break while nobody waits, between the head and the body; the next `race` hears of it.
    this.#broken.catch(() => {})
    this.#lastHeard = clock.steady()
    this.#headUntil = this.#lastHeard + patienceForHead * stallMs
    this.#timer = clock.timer(this.#lastHeard + stallMs, () => this.#look())
    if (outer.aborted) this.#stopped()
    else outer.addEventListener('abort', this.#stopped, { once: true })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get over(): boolean {
    return this.#over
  }

  heard(): void {
    this.#busy = false
    this.#lastHeard = this.#clock.steady()
  }

  busy(): void {
    this.#busy = true
  }

  onBreak(close: () => void): void {
    this.#closeExchange = close
    this.#headUntil = Infinity
    if (this.#controller.signal.aborted) close()
    // Until somebody reads the body, it is we who keep the server waiting, or it has sent all of it.
    else this.busy()
  }

  /** What `work` gives, unless the exchange breaks first. */
  async race<T>(work: Promise<T>): Promise<T> {
    try {
      return await Promise.race([this.#broken, work])
    } catch (error) {
      // The transport tells of an abort in its own words; ours say why.
      if (this.#controller.signal.aborted && error instanceof NetworkFailure) return this.#broken
      throw error
    }
  }

  end(): void {
    this.#over = true
    this.#timer.cancel()
    this.#outer.removeEventListener('abort', this.#stopped)
  }

  /** One timer an exchange, not one a chunk: it looks how long ago the last byte came and waits for the rest. */
  #look(): void {
    if (this.#over) return
    const now = this.#clock.steady()
    const due = Math.min((this.#busy ? now : this.#lastHeard) + this.#stallMs, this.#headUntil)
    if (due > now) {
      this.#timer = this.#clock.timer(due, () => this.#look())
      return
    }
    const seconds = this.#stallMs / 1000
    const why =
      now >= this.#headUntil
        ? `The answer of ${this.#what} did not come to the end of its head in ${seconds * patienceForHead} s.`
        : `No byte came from ${this.#what} for ${seconds} s.`
    this.#breakWith(new AttemptFailed(new LonghaulError('STALLED', why), { kind: 'network' }))
  }

  #breakWith(why: Error): void {
    if (this.#over) return
    this.end()
    this.#break(why)
    this.#controller.abort(why)
    this.#closeExchange?.()
  }
}

export function guarded(sink: BodySink, guard: Guard, transaction: OpenTransaction): BodySink {
  return lending(sink, guard, (bytes) => {
    // The exchange may still hand out what it had when we let go of it; nobody is there to take it.
    if (guard.over) return undefined
    transaction.received(bytes.byteLength)
    const taken = sink(bytes)
    if (taken === undefined) {
      guard.heard()
      return undefined
    }
    guard.busy()
    return taken.then(() => guard.heard())
  })
}

/** `take` with the room of `sink`, as long as somebody is there. */
function lending(sink: BodySink, guard: Guard, take: (bytes: Uint8Array) => Promise<void> | undefined): BodySink {
  const { room } = sink
  return room === undefined ? take : Object.assign(take, { room: () => (guard.over ? undefined : room()) })
}

/**
 * Bytes that came are taken only as fast as the bandwidth limits allow, in pieces of what they give in a moment: so progress
 * is smooth, and a limit that changes is felt at once. Meanwhile the sender waits.
 */
export function throttled(sink: BodySink, guard: Guard, throttle: Throttle | undefined): BodySink {
  if (throttle === undefined) return sink
  return lending(sink, guard, (bytes) => {
    const { step } = throttle
    if (step === undefined) return sink(bytes)
    if (bytes.byteLength > step) return inPieces(bytes, sink, guard, throttle)
    const paid = throttle.take(bytes.byteLength)
    return paid === undefined ? sink(bytes) : paid.then(() => (guard.over ? undefined : sink(bytes)))
  })
}

async function inPieces(bytes: Uint8Array, sink: BodySink, guard: Guard, throttle: Throttle): Promise<void> {
  for (let from = 0; from < bytes.byteLength;) {
    const piece = bytes.subarray(from, from + (throttle.step ?? bytes.byteLength))
    const paid = throttle.take(piece.byteLength)
    if (paid !== undefined) await paid
    // Somebody let go of the exchange while this waited: nobody is there to take the rest.
    if (guard.over) return
    const taken = sink(piece)
    if (taken !== undefined) await taken
    from += piece.byteLength
  }
}
