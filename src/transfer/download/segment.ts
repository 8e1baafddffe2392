/**
 * One connection lays its bytes: strictly one after another from a position of the part file. They are gathered, so that a fast
 * server costs few writes: one a mebibyte where it is alone. Most writes are done when the call returns, and the buffer fills
 * again; while one takes longer another buffer fills, and when both are full the sender waits.
 *
 * The buffer that fills is lent to who receives (`room`): bytes that were put there come back by `take` and are not copied.
 */
import { asError } from '../endings.ts'
import type { PartFile } from '../files/part-file.ts'
import type { Buffers } from './buffers.ts'

/** Bytes of a buffer above which a larger one gains little: what is exchanged is not free at once. */
const largeEnough = 256 * 1024

export class Segment {
  readonly #part: PartFile
  readonly #buffers: Buffers
  /** Exclusive, if known: a small file needs no large buffer. It may go on behind that. */
  readonly #until: number | undefined
  readonly #written: (from: number, to: number) => void
  /** After the last byte taken. */
  #position: number
  /** After the last byte whose write returned. */
  #landed: number
  #filling: Buffer | undefined
  #filled = 0
  /**
   * Written, to be filled again. They stay here: whoever receives may still put the next bytes into room of one that was lent
   * before a flush sent it off, and in another's hands these would overwrite what that one has taken.
   */
  readonly #spare: Buffer[] = []
  /** Never rejects: a failure waits in `#failure` for the next who asks. */
  #writing: Promise<void> | undefined
  #failure: Error | undefined

  constructor(
    part: PartFile,
    from: number,
    until: number | undefined,
    buffers: Buffers,
    /** Called when the write of a stretch returned. */
    written: (from: number, to: number) => void,
  ) {
    this.#part = part
    this.#buffers = buffers
    this.#until = until
    this.#written = written
    this.#position = from
    this.#landed = from
    buffers.enter()
  }

  get position(): number {
    return this.#position
  }

  /** Where the next bytes may be put before they are given to `take`; undefined while both buffers are in use. */
  room(): Uint8Array | undefined {
    if (this.#failure !== undefined) return undefined
    const filling = this.#buffer()
    return this.#filled < filling.byteLength ? filling.subarray(this.#filled) : undefined
  }

  /** `bytes` are lent until the promise settles; `undefined` = taken, and more may come. @throws FileFailure */
  take(bytes: Uint8Array): Promise<void> | undefined {
    this.#refuseIfFailed()
    for (let rest = bytes; rest.byteLength > 0;) {
      const filling = this.#buffer()
      const free = filling.byteLength - this.#filled
      if (free === 0) return this.#takeLater(rest)
      const fits = rest.byteLength <= free
      this.#put(filling, fits ? rest : rest.subarray(0, free))
      if (this.#filled === filling.byteLength && this.#writing === undefined) this.#write()
      // What follows bytes that could not be written has no place.
      this.#refuseIfFailed()
      if (fits) break
      rest = rest.subarray(free)
    }
    return this.#filling !== undefined && this.#filled === this.#filling.byteLength ? this.#writing : undefined
  }

  /** Everything taken before the call is written when it returns. @throws FileFailure */
  async flush(): Promise<void> {
    const target = this.#position
    while (this.#landed < target) {
      this.#refuseIfFailed()
      if (this.#writing === undefined) this.#write()
      await this.#writing
    }
    this.#refuseIfFailed()
  }

  /** Gives the memory back. Nothing is taken any more, and nobody puts bytes into the room that was lent. */
  async close(): Promise<void> {
    await this.#writing
    if (this.#filling !== undefined) this.#buffers.give(this.#filling)
    for (const buffer of this.#spare.splice(0)) this.#buffers.give(buffer)
    this.#filling = undefined
    this.#filled = 0
    this.#buffers.leave()
  }

  #refuseIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  async #takeLater(bytes: Uint8Array): Promise<void> {
    await this.#writing
    await this.take(bytes)
  }

  #put(into: Buffer, bytes: Uint8Array): void {
    const isThere = bytes.buffer === into.buffer && bytes.byteOffset === into.byteOffset + this.#filled
    if (!isThere) into.set(bytes, this.#filled)
    this.#filled += bytes.byteLength
    this.#position += bytes.byteLength
  }

  #buffer(): Buffer {
    if (this.#filling !== undefined) return this.#filling
    // One more than the file needs: it is not full before the end, and the end is written by `flush`.
    const left =
      this.#until === undefined || this.#position >= this.#until ? Infinity : this.#until - this.#position + 1
    // Where many connections have begun meanwhile it is exchanged; where they have ended, if it is so small that its writes are slow.
    const { size } = this.#buffers
    const suits = ({ byteLength }: Buffer): boolean =>
      byteLength <= size && byteLength >= Math.min(left, size, largeEnough)
    let spare = this.#spare.pop()
    while (spare !== undefined && !suits(spare)) spare = this.#spare.pop()
    this.#filling = spare ?? this.#buffers.take(left)
    return this.#filling
  }

  /** Sends off what has been gathered; only while no write is under way. */
  #write(): void {
    const full = this.#filling
    if (full === undefined || this.#filled === 0) return
    const to = this.#landed + this.#filled
    const bytes = full.subarray(0, this.#filled)
    this.#filling = undefined
    this.#filled = 0
    let writing: Promise<void> | undefined
    try {
      writing = this.#part.write(bytes, this.#landed)
    } catch (error) {
      this.#failure = asError(error)
      return
    }
    if (writing === undefined) {
      this.#wrote(full, to)
      return
    }
    this.#writing = writing.then(
      () => {
        this.#writing = undefined
        this.#wrote(full, to)
        if (this.#filling !== undefined && this.#filled === this.#filling.byteLength) this.#write()
      },
      (error: unknown) => {
        this.#writing = undefined
        this.#failure = asError(error)
      },
    )
  }

  #wrote(buffer: Buffer, to: number): void {
    const from = this.#landed
    this.#landed = to
    this.#spare.push(buffer)
    this.#written(from, to)
  }
}
