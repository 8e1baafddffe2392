/**
 * Gathers small pieces. A frame may carry a single byte, and a reader that waits does not stop what the window allows: kept as
 * they came, 16 MiB of such frames would be gigabytes of objects.
 */
const room = 64 * 1024

/** Beside a larger piece its object is of no weight. */
const small = 4 * 1024

export class Crumbs {
  #held: Buffer | undefined
  #size = 0

  static isCrumb(bytes: Uint8Array): boolean {
    return bytes.byteLength < small
  }

  /** Copies it. Gives what was gathered when there is no room for another one. */
  add(crumb: Uint8Array): Buffer | undefined {
    this.#held ??= Buffer.allocUnsafeSlow(room)
    this.#held.set(crumb, this.#size)
    this.#size += crumb.byteLength
    return this.#size + small > room ? this.take() : undefined
  }

  /** What was gathered since the last time. */
  take(): Buffer | undefined {
    const gathered = this.#held?.subarray(0, this.#size)
    this.#held = undefined
    this.#size = 0
    return gathered
  }
}
