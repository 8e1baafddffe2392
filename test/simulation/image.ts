// Bytes that grow. What was never written, or was cut off and is grown again, reads as zeros.

export class Image {
  size = 0
  #bytes = new Uint8Array(0)

  write(bytes: Uint8Array, at: number): void {
    this.#reach(at + bytes.byteLength)
    this.#bytes.set(bytes, at)
    this.size = Math.max(this.size, at + bytes.byteLength)
  }

  resize(size: number): void {
    if (size < this.size) this.#bytes.fill(0, size, this.size)
    this.#reach(size)
    this.size = size
  }

  copy(from: Image): void {
    this.#bytes = from.view().slice()
    this.size = from.size
  }

  /** Valid until the next change. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.size)
  }

  #reach(size: number): void {
    if (size <= this.#bytes.byteLength) return
    const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.byteLength))
    grown.set(this.view())
    this.#bytes = grown
  }
}
