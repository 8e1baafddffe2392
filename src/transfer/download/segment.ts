/**
 * One connection lays its bytes: strictly one after another from a position of the part file. Small chunks are gathered, so
 * that a fast server costs a write a mebibyte; while one buffer is being written the other fills, and when both are full the
 * sender waits.
 */
import { asError } from '../endings.ts'
import type { PartFile } from '../files/part-file.ts'

const bufferBytes = 1024 * 1024
const smallestBuffer = 64 * 1024

export class Segment {
  readonly #part: PartFile
  /** Exclusive, if known: a small file needs no large buffer. */
  readonly #until: number | undefined
  readonly #written: (from: number, to: number) => void
  /** After the last byte taken. */
  #position: number
  /** After the last byte whose write returned. */
  #landed: number
  #filling: Buffer | undefined
  #filled = 0
  #spare: Buffer | undefined
  /** Never rejects: a failure waits in `#failure` for the next who asks. */
  #writing: Promise<void> | undefined
  #failure: Error | undefined

  constructor(
    part: PartFile,
    from: number,
    until: number | undefined,
    /** Called when the write of a stretch returned. */
    written: (from: number, to: number) => void,
  ) {
    this.#part = part
    this.#until = until
    this.#written = written
    this.#position = from
    this.#landed = from
  }

  get position(): number {
    return this.#position
  }

  /** `bytes` are lent until the promise settles; `undefined` = taken. @throws FileFailure */
  take(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure
    const filling = this.#buffer()
    if (bytes.byteLength < filling.byteLength - this.#filled) {
      this.#copy(filling, bytes)
      return undefined
    }
    return this.#takeAndWrite(bytes)
  }

  /** Everything taken before the call is written when it returns. @throws FileFailure */
  async flush(): Promise<void> {
    const target = this.#position
    while (this.#landed < target) {
      if (this.#failure !== undefined) throw this.#failure
      if (this.#writing === undefined) this.#write()
      await this.#writing
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  async #takeAndWrite(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.byteLength;) {
      const filling = this.#buffer()
      const piece = bytes.subarray(done, done + filling.byteLength - this.#filled)
      this.#copy(filling, piece)
      done += piece.byteLength
      if (this.#filled < filling.byteLength) continue
      while (this.#writing !== undefined) await this.#writing
      if (this.#failure !== undefined) throw this.#failure
      // A flush may have sent it off while we waited.
      if (this.#filling === filling && this.#filled === filling.byteLength) this.#write()
    }
  }

  #copy(into: Buffer, bytes: Uint8Array): void {
    into.set(bytes, this.#filled)
    this.#filled += bytes.byteLength
    this.#position += bytes.byteLength
  }

  #buffer(): Buffer {
    if (this.#filling !== undefined) return this.#filling
    const left = this.#until === undefined ? bufferBytes : this.#until - this.#position
    this.#filling = this.#spare ?? Buffer.allocUnsafeSlow(Math.min(bufferBytes, Math.max(smallestBuffer, left + 1)))
    this.#spare = undefined
    return this.#filling
  }

  /** Sends off what has been gathered; only while no write is under way. */
  #write(): void {
    const full = this.#filling
    if (full === undefined || this.#filled === 0) return
    const from = this.#landed
    const to = from + this.#filled
    const bytes = full.subarray(0, this.#filled)
    this.#filling = undefined
    this.#filled = 0
    this.#writing = this.#part.write(bytes, from).then(
      () => {
        this.#writing = undefined
        this.#landed = to
        this.#spare = full
        this.#written(from, to)
      },
      (error: unknown) => {
        this.#writing = undefined
        this.#failure = asError(error)
      },
    )
  }
}
