/**
 * A large body of known length on its way past undici, whose every read would make a fresh buffer and costs a copy. It goes from
 * the socket into memory that the sink lends, see `inlet.ts`; what is not in that memory is copied here.
 */
import type { BodySink } from '../world/transport.ts'
import type { BodyQueue } from './body-queue.ts'
import type { Connection } from './connection.ts'
import type { Taker } from './inlet.ts'

/** Below this, a body is there before going past undici would have paid. */
const worthGoing = 256 * 1024

export interface PastUndiciOptions {
  readonly connection: Connection
  readonly queue: BodyQueue
  /** Of the whole body. */
  readonly length: number
  /** Called once, when the whole body has come, and in a later turn of the event loop, when it is known what came behind it. */
  readonly whole: (andThen: 'nothing' | 'excess') => void
  /** The socket ended before. */
  readonly broken: () => void
}

export class PastUndici implements Taker {
  readonly #options: PastUndiciOptions
  /** All of it came. */
  #isWhole = false
  /** The sink's memory that the next read goes to. */
  #lent: Uint8Array | undefined

  constructor(options: PastUndiciOptions) {
    this.#options = options
  }

  static isWorthIt(sink: BodySink, length: number | undefined): boolean {
    return sink.room !== undefined && length !== undefined && length >= worthGoing
  }

  /** The head has been parsed, and undici is paused. */
  takeOver(): void {
    const { connection, queue, broken } = this.#options
    connection.takeOver(this, () => {
      if (!queue.isOver && !this.#isWhole) broken()
    })
  }

  room(): Uint8Array | undefined {
    const room = this.#options.queue.room()
    // Whatever comes behind the body must not be written over what the sink takes next.
    this.#lent = room === undefined ? undefined : upTo(room, this.#left)
    return this.#lent
  }

  bytes(bytes: Uint8Array): boolean {
    const { queue } = this.#options
    if (queue.isOver || this.#isWhole) return false
    const came = upTo(bytes, this.#left)
    const excess = bytes.byteLength - came.byteLength
    // What is not in the sink's own room is in memory of all sockets, and a sink may hold it until its promise settles.
    const ours = came.buffer === this.#lent?.buffer ? came : Buffer.from(came)
    const wantsMore = queue.add(ours)
    if (this.#left === 0) this.#ended(excess)
    return wantsMore && !queue.isOver
  }

  #ended(excess: number): void {
    const { connection, whole } = this.#options
    this.#isWhole = true
    connection.bodyTaken()
    setImmediate(() => whole(excess > 0 ? 'excess' : 'nothing'))
  }

  get #left(): number {
    return this.#options.length - this.#options.queue.bytes
  }
}

/** A view for each read of a fast body would be most of what the collector has to do. */
function upTo(bytes: Uint8Array, most: number): Uint8Array {
  return bytes.byteLength <= most ? bytes : bytes.subarray(0, most)
}
