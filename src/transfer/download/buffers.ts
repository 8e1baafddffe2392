/**
 * Memory in which bytes wait to be written, for all transfers together: two buffers a connection, large while there are few
 * connections, smaller when there are many, so that the sum stays at 8 MiB or below, of more than 64 connections at 128 KiB each. What
 * is given back is used again, and let go of when the last connection has ended.
 */

const budgetBytes = 8 * 1024 * 1024
const largest = 1024 * 1024
/** Four connections keep to what a processor holds near itself: memory that was just read is written from there. */
const near = 4 * 1024 * 1024
const largeEnough = 256 * 1024
const smallest = 64 * 1024
/** Of each connection: one fills while the other is written. */
const each = 2

export class Buffers {
  #users = 0
  readonly #free: Buffer[] = []

  /** Connections that have begun and not ended. */
  get users(): number {
    return this.#users
  }

  /** A connection begins. Its end is told by {@link leave}. */
  enter(): void {
    this.#users++
  }

  leave(): void {
    this.#users--
    if (this.#users === 0) this.#free.length = 0
  }

  /** Bytes of a buffer, as many connections as there are. */
  get size(): number {
    let size = largest
    while (size > largeEnough && size * each * this.#users > near) size /= 2
    while (size > smallest && size * each * this.#users > budgetBytes) size /= 2
    return size
  }

  /** @param atMost bytes that are still to come, if that is known: a small file needs no large buffer */
  take(atMost: number): Buffer {
    const { size } = this
    const index = this.#free.findLastIndex((buffer) => buffer.byteLength === size)
    return index < 0 ? Buffer.allocUnsafeSlow(Math.max(1, Math.min(size, atMost))) : this.#free.splice(index, 1)[0]!
  }

  /** Nobody may hold a view of it any more. */
  give(buffer: Buffer): void {
    const { size } = this
    if (buffer.byteLength === size && this.#free.length * size < budgetBytes) this.#free.push(buffer)
  }
}
