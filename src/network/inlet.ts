/**
 * Where the bytes of a socket go: into its stream, to whoever reads that, or straight into memory that a taker lends. The second
 * way spares a large body one copy and a fresh buffer for each read.
 *
 * Node asks for the memory of the next read when the last one has come, not when it reads. So memory that was lent may be
 * written to until other memory has been asked for, or the socket is destroyed.
 */
import type { OnReadOpts, Socket } from 'node:net'
import { Share, Turns } from './turns.ts'

export interface Taker {
  /** Memory for the next bytes; undefined: there is none now, they come in memory of ours. */
  room(): Uint8Array | undefined
  /** `bytes` are lent until it returns, unless they are in its own room. False: no more, please, until `flow`. */
  bytes(bytes: Uint8Array): boolean
}

/** One for all sockets: what is read into it is copied or taken before the next read of any. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024)
const allTurns = new Turns()

export class Inlet {
  /** For the options of `connect`. */
  readonly onread: OnReadOpts = {
    buffer: () => this.#taker?.room() ?? scratch,
    callback: (count, buffer) => this.#read(count === buffer.byteLength ? buffer : buffer.subarray(0, count)),
  }
  /** Told of bytes that go into the stream. */
  heard: (() => void) | undefined
  #socket: Socket | undefined
  #taker: Taker | undefined
  /** The taker wants no more until it says so. */
  #stopped = false
  readonly #share: Share
  #idle = false
  #excess = false

  /** @param turns of all sockets that share them; others for tests */
  constructor(turns: Turns = allTurns) {
    this.#share = new Share(turns, () => {
      if (this.#taker !== undefined && !this.#stopped) this.#socket?.resume()
    })
  }

  /** The socket that was made with `onread`. */
  attach(socket: Socket): void {
    this.#socket = socket
  }

  /** From now on bytes go to `taker`. What the stream holds already must have been taken out of it; then `flow`. */
  give(taker: Taker): void {
    this.#taker = taker
  }

  /** The body is whole: nothing more is expected. Called by the taker, inside `bytes`, it gets nothing any more. */
  close(): void {
    this.#taker = undefined
    this.#idle = true
  }

  /** From now on bytes go into the stream again. */
  open(): void {
    this.#taker = undefined
    this.#idle = false
  }

  /** True if bytes came after `close`: they are an answer to nothing. */
  get hasExcess(): boolean {
    return this.#excess
  }

  /** After `bytes` answered false. */
  flow(): void {
    this.#socket?.resume()
  }

  #read(bytes: Uint8Array): boolean {
    if (this.#taker !== undefined) {
      // Not the view of them, which may be given on.
      const { byteLength } = bytes
      this.#stopped = !this.#taker.bytes(bytes)
      const goesOn = this.#share.spend(byteLength) && !this.#stopped
      // That was the end of the body: what comes behind it must be seen before another request is sent.
      return goesOn || this.#idle
    }
    if (this.#idle) {
      this.#excess = true
      return false
    }
    this.heard?.()
    return this.#socket?.push(Buffer.from(bytes)) ?? false
  }
}
