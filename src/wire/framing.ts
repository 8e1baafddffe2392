/**
 * A socket as a {@link Channel}: newline-delimited text, one frame a line.
 *
 * The other end is not trusted here: a frame may have at most {@link frameLimit} bytes, counted while they come in and
 * copied once into a buffer that doubles, so that a sender of single bytes costs no more than a sender of blocks. Bytes
 * that are not UTF-8 end the connection, as does one byte over the limit. May touch: the socket it was given.
 */
import { isUtf8 } from 'node:buffer'
import type { Socket } from 'node:net'
import { LonghaulError } from '../contract/errors.ts'
import type { Channel } from '../world/channel.ts'

/** Bytes of one frame, its line break not counted. */
export const frameLimit: number = 1 << 20

const lineBreak = 0x0a
const startCapacity = 4096
const keptCapacity = 1 << 16

/**
 * Wraps a connected socket. Reading begins with `on`; what arrived before that waits in the socket.
 * `on` may be called again: the new handlers get the very next line (the handshake hands over to the peer like this).
 */
export function frame(socket: Socket): Channel {
  return new SocketChannel(socket)
}

type Handlers = Parameters<Channel['on']>[0]

class SocketChannel implements Channel {
  readonly #socket: Socket
  #handlers: Handlers | undefined
  #closed = false
  #corked = false
  /** The part of a line that has come so far: the first `#length` bytes. */
  #rest = Buffer.alloc(0)
  #length = 0

  constructor(socket: Socket) {
    this.#socket = socket
    // An error is followed by 'close', but only an 'error' listener keeps it from being thrown, also after our close().
    socket.on('error', (cause) => this.#end(lost('The connection broke', cause)))
    socket.on('close', () => this.#end(lost('The connection was closed by the other end')))
  }

  get unsent(): number {
    return this.#socket.writableLength
  }

  get full(): boolean {
    return this.#socket.writableNeedDrain
  }

  send(line: string): void {
    if (this.#closed) return
    if (!this.#corked) {
      // All frames of one turn leave in one system call.
      this.#corked = true
      this.#socket.cork()
      process.nextTick(() => this.#uncork())
    }
    // As bytes: a socket counts the characters of a string, and `unsent` promises bytes.
    this.#socket.write(Buffer.from(`${line}\n`, 'utf8'))
  }

  on(handlers: Handlers): void {
    const first = this.#handlers === undefined
    this.#handlers = handlers
    if (!first) return
    this.#socket.on('drain', () => {
      if (!this.#closed) this.#handlers?.drained()
    })
    this.#socket.on('end', () => {
      const why =
        this.#length === 0 ? 'The other end closed the connection' : 'The connection ended in the middle of a frame'
      this.close(lost(why))
    })
    this.#socket.on('data', (bytes: Buffer) => this.#take(bytes))
  }

  close(why: Error): void {
    if (this.#closed) return
    this.#end(why)
    this.#uncork()
    // What the system takes at once still arrives (an error answer, say). A peer that does not read gets nothing more:
    // its socket holds at most one high-water mark of bytes and no longer keeps this process alive.
    if (this.#socket.writableLength > 0 && !this.#socket.writableNeedDrain) this.#socket.unref().destroySoon()
    else this.#socket.destroy()
  }

  ref(): void {
    this.#socket.ref()
  }

  unref(): void {
    this.#socket.unref()
  }

  #uncork(): void {
    if (!this.#corked) return
    this.#corked = false
    this.#socket.uncork()
  }

  #end(why: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#rest = Buffer.alloc(0)
    this.#length = 0
    this.#handlers?.closed(why)
  }

  #take(bytes: Buffer): void {
    let from = 0
    while (!this.#closed) {
      const to = bytes.indexOf(lineBreak, from)
      const end = to === -1 ? bytes.length : to
      if (this.#length + (end - from) > frameLimit) {
        this.close(hostile(`The other end sent a frame of more than ${frameLimit} bytes`))
        return
      }
      if (to === -1) {
        if (end > from) this.#append(bytes, from, end)
        return
      }
      if (this.#length === 0) {
        this.#deliver(bytes.subarray(from, to))
      } else {
        this.#append(bytes, from, to)
        const line = this.#rest.subarray(0, this.#length)
        this.#length = 0
        this.#deliver(line)
        if (this.#length === 0 && this.#rest.length > keptCapacity) this.#rest = Buffer.alloc(0)
      }
      from = to + 1
    }
  }

  #append(bytes: Buffer, from: number, to: number): void {
    const needed = this.#length + (to - from)
    if (needed > this.#rest.length) {
      const larger = Buffer.allocUnsafe(Math.min(frameLimit, Math.max(startCapacity, this.#rest.length * 2, needed)))
      this.#rest.copy(larger, 0, 0, this.#length)
      this.#rest = larger
    }
    bytes.copy(this.#rest, this.#length, from, to)
    this.#length = needed
  }

  #deliver(line: Buffer): void {
    if (isUtf8(line)) this.#handlers?.line(line.toString('utf8'))
    else this.close(hostile('The other end sent bytes that are not UTF-8'))
  }
}

function lost(what: string, cause?: Error): LonghaulError {
  const said = cause === undefined ? '' : `: ${cause.message}`
  return new LonghaulError('DAEMON_UNAVAILABLE', `${what}${said}. Calls that waited for an answer have failed.`, {
    cause,
  })
}

function hostile(what: string): LonghaulError {
  return new LonghaulError('PROTOCOL_MISMATCH', `${what}; the connection was closed.`)
}
