/** Writes one answer of a {@link FaultServer}: with back-pressure, and broken off where the step says. */
import { type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type AnswerPlan, headText } from './answer-plan.ts'
import type { Behaviour } from './behaviour.ts'

export interface Line {
  readonly tcp: Socket
  /** Above TLS, if there is any. */
  readonly clear: Socket
}

export interface AnswerHooks {
  /** Resolves when stalled answers may go on. */
  released(): Promise<void>
  bodySent(bytes: number): void
}

export interface Written {
  readonly ended: 'as planned' | 'client left'
  /** Whether another request may come on the connection. */
  readonly state: 'open' | 'closed'
}

const pieceBytes = 64 * 1024

/** Ends the writing from anywhere inside. */
class BrokenOff extends Error {
  readonly ended: Written['ended']
  constructor(ended: Written['ended']) {
    super(ended)
    this.ended = ended
  }
}

export class AnswerWriter {
  readonly #line: Line
  readonly #step: Behaviour
  readonly #hooks: AnswerHooks
  #wireBytes = 0
  #bodyBytes = 0
  #stalled = false
  /** Of when the last bytes went that come before the break: who has seen them may let it go on at once. */
  #released: Promise<void> | undefined

  constructor(line: Line, step: Behaviour, hooks: AnswerHooks) {
    this.#line = line
    this.#step = step
    this.#hooks = hooks
  }

  async write(plan: AnswerPlan): Promise<Written> {
    const { raw, interim = [] } = this.#step
    try {
      if (raw !== undefined) {
        await this.#put(Buffer.from(raw.bytes), 'frame')
        if (raw.keepOpen === true) return { ended: 'as planned', state: 'open' }
      } else {
        for (const { status, headers = {} } of interim) {
          await this.#frame(headText(status, 'Interim', Object.entries(headers)))
        }
        await this.#head(plan.head)
        await this.#body(plan)
        await this.#breakIfDue()
        if (!plan.closes) return { ended: 'as planned', state: 'open' }
      }
      this.#line.clear.end()
      return { ended: 'as planned', state: 'closed' }
    } catch (error) {
      if (error instanceof BrokenOff) return { ended: error.ended, state: 'closed' }
      throw error
    }
  }

  async #head(text: string): Promise<void> {
    const { headPieceBytes } = this.#step
    if (headPieceBytes === undefined) return this.#frame(text)
    for (let at = 0; at < text.length; at += headPieceBytes) {
      await this.#frame(text.slice(at, at + headPieceBytes))
      // A turn of the loop, so that the system gets each by itself (there is no Nagle on this socket).
      await pause(0)
    }
  }

  async #body(plan: AnswerPlan): Promise<void> {
    const { badChunkAfter, excess = 0 } = this.#step
    const chunked = plan.framing === 'chunked'
    const most = chunked ? (this.#step.chunkBytes ?? pieceBytes) : pieceBytes
    for (let at = 0; at < plan.size;) {
      const size = Math.min(plan.size - at, most)
      if (badChunkAfter !== undefined && at >= badChunkAfter) await this.#frame('nonsense\r\n')
      if (chunked) await this.#frame(`${size.toString(16)}\r\n`)
      if (excess > 0 && at + size === plan.size && !chunked) await this.#putWithExcess(plan.bytes(at, size), excess)
      else await this.#put(plan.bytes(at, size), 'body')
      if (chunked) await this.#frame('\r\n')
      at += size
    }
    if (chunked && !plan.bodiless) {
      await this.#breakIfDue()
      await this.#frame(
        `0\r\n${Object.entries(plan.trailers)
          .map(([name, value]) => `${name}: ${value}\r\n`)
          .join('')}\r\n`,
      )
    }
    if (excess > 0 && (chunked || plan.size === 0)) await this.#frame('x'.repeat(excess))
  }

  /** In one write: what comes behind the end in a packet of its own may never be seen. */
  async #putWithExcess(last: Uint8Array, excess: number): Promise<void> {
    await this.#send(Buffer.concat([last, Buffer.alloc(excess, 'x')]))
    this.#hooks.bodySent(last.length)
  }

  async #frame(text: string): Promise<void> {
    await this.#put(Buffer.from(text, 'latin1'), 'frame')
  }

  async #put(bytes: Uint8Array, kind: 'frame' | 'body'): Promise<void> {
    const { breaks, drip } = this.#step
    const counts = kind === 'body' || breaks?.of === 'wire'
    for (let at = 0; at < bytes.length;) {
      if (counts) await this.#breakIfDue()
      const most = Math.min(
        counts ? this.#bytesToBreak() : Infinity,
        (kind === 'body' ? drip?.bytes : undefined) ?? pieceBytes,
      )
      const piece = bytes.subarray(at, at + most)
      if (counts && piece.length === this.#bytesToBreak()) this.#released = this.#hooks.released()
      await this.#send(piece)
      at += piece.length
      this.#wireBytes += piece.length
      if (kind !== 'body') continue
      this.#bodyBytes += piece.length
      this.#hooks.bodySent(piece.length)
      if (drip !== undefined) await pause(drip.everyMs)
    }
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const { clear } = this.#line
    if (!clear.writable) throw new BrokenOff('client left')
    if (clear.write(bytes)) return
    await oneOf(clear, 'drain', 'close')
    if (!clear.writable) throw new BrokenOff('client left')
  }

  #bytesToBreak(): number {
    const { breaks } = this.#step
    if (breaks === undefined || this.#stalled) return Infinity
    return Math.max(0, breaks.after - (breaks.of === 'wire' ? this.#wireBytes : this.#bodyBytes))
  }

  async #breakIfDue(): Promise<void> {
    const { breaks } = this.#step
    if (breaks === undefined || this.#bytesToBreak() > 0) return
    const { clear, tcp } = this.#line
    // What was written must have left us: a reset would take it back. ('drain' comes only where a write said "full".)
    if (clear.writableLength > 0) await written(clear)
    switch (breaks.how) {
      case 'stall':
        this.#stalled = true
        await Promise.race([this.#released ?? this.#hooks.released(), oneOf(clear, 'close')])
        return
      case 'reset':
        tcp.resetAndDestroy()
        break
      case 'fin':
        clear.end()
        break
      case 'cut':
        tcp.destroy()
        break
    }
    throw new BrokenOff('as planned')
  }
}

async function written(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  socket.write('', () => resolve())
  await promise
}

async function oneOf(socket: Socket, ...events: readonly string[]): Promise<void> {
  if (socket.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  for (const event of events) socket.once(event, resolve)
  await promise
  for (const event of events) socket.off(event, resolve)
}
