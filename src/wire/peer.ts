/**
 * One end of a connection; daemon and client run the same class. Calls both ways, cancelling, notes, closing.
 *
 *     {id, call, params}   a question        {id, ok} | {id, error}   its one answer
 *     {cancel: id}         the asker no longer wants it (it is answered all the same)
 *     {note, params}       needs no answer
 *
 * A connection is open, then closed for ever. While open: ids of calls grow, so one used twice is told at once; an answer
 * must belong to a call that waits. A line that breaks these rules closes this connection and touches nothing else.
 * Knows no socket: only a {@link Channel}.
 */
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { Channel } from '../world/channel.ts'
import { type Log, silentLog } from '../world/log.ts'
import { type Frame, readFrame } from './frames.ts'
import { frameLimit } from './framing.ts'

/** Answers one verb. What it returns (or resolves with) must be JSON; `undefined` arrives as null. */
export type Handler = (params: unknown, context: CallContext) => unknown

export interface CallContext {
  /** Aborted when the asker cancels or the connection closes. */
  readonly signal: AbortSignal
}

/** Takes a note. What it throws is logged and goes no further. */
export type NoteHandler = (params: unknown) => void | Promise<void>

export interface PeerOptions {
  /** By verb. Only own fields are looked at. */
  readonly handlers?: Readonly<Record<string, Handler>>
  /** By name of the note; others are ignored, for a newer other end may send them. */
  readonly notes?: Readonly<Record<string, NoteHandler>>
  /** @default nothing is logged */
  readonly log?: Log
  /** Calls of the other end that may be in progress at once. @default 1024 */
  readonly maximumCalls?: number
}

/** Bytes that may wait for a slow reader before it is dropped. */
export const unsentLimit: number = 8 << 20
/** The verb has had its effect. */
const unanswered = 'it was not sent, but what was asked for was done. Ask for less at once.'
const unsent = 'nothing was sent. Send it in smaller pieces.'
/** Bytes of parameters that calls in progress may hold together. */
const heldLimit = 64 << 20

interface Waiting {
  settle(): void
  ok(value: unknown): void
  fail(why: Error): void
}

export class Peer {
  /** Resolves, never rejects, with the reason when the connection is gone. */
  readonly closed: Promise<Error>
  readonly #channel: Channel
  readonly #handlers: Readonly<Record<string, Handler>>
  readonly #notes: Readonly<Record<string, NoteHandler>>
  readonly #log: Log
  readonly #maximumCalls: number
  readonly #waiting = new Map<number, Waiting>()
  readonly #serving = new Map<number, AbortController>()
  readonly #newest = new Map<string, { readonly note: string; readonly params: unknown }>()
  readonly #wantRoom: (() => void)[] = []
  readonly #resolveClosed: (why: Error) => void
  #nextId = 1
  #lastIdSeen = 0
  #held = 0
  #why: Error | undefined

  constructor(channel: Channel, options: PeerOptions = {}) {
    this.#channel = channel
    this.#handlers = options.handlers ?? {}
    this.#notes = options.notes ?? {}
    this.#log = options.log ?? silentLog
    this.#maximumCalls = options.maximumCalls ?? 1024
    const { promise, resolve } = Promise.withResolvers<Error>()
    this.closed = promise
    this.#resolveClosed = resolve
    channel.on({
      line: (line) => this.#receive(line),
      drained: () => this.#useRoom(),
      closed: (why) => this.#end(why),
    })
  }

  /** True until the connection is gone. */
  get open(): boolean {
    return this.#why === undefined
  }

  /**
   * Asks and resolves with the answer.
   *
   * An aborted `signal` tells the other end and rejects with `signal.reason` at once; whether the verb had its effect is
   * then unknown. Rejects with the other end's `LonghaulError`, or with the reason for which the connection closed.
   */
  call(method: string, params: unknown, signal?: AbortSignal): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    if (signal?.aborted) {
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the caller's own reason, whatever it is
      reject(signal.reason)
      return promise
    }
    if (this.#why !== undefined) {
      reject(this.#why)
      return promise
    }
    const id = this.#nextId++
    let text: string
    try {
      text = JSON.stringify({ id, call: method, params })
    } catch (cause) {
      reject(
        new LonghaulError(
          'INVALID_ARGUMENT',
          `The parameters of '${method}' cannot be written as JSON; nothing was sent.`,
          { cause },
        ),
      )
      return promise
    }
    if (isTooLong(text)) {
      reject(tooLong(`The parameters of '${method}'`, unsent))
      return promise
    }
    const onAbort = (): void => {
      // The answer still comes; it must find its id, or it would look forged.
      this.#waiting.set(id, { settle: () => {}, ok: () => {}, fail: () => {} })
      this.#send(JSON.stringify({ cancel: id }))
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the caller's own reason, whatever it is
      reject(signal?.reason)
    }
    this.#waiting.set(id, {
      settle: () => signal?.removeEventListener('abort', onAbort),
      ok: resolve,
      fail: reject,
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#send(text)
    return promise
  }

  /** In order with everything else; counts against what a slow reader may leave unread. */
  note(method: string, params: unknown): void {
    const text = JSON.stringify({ note: method, params })
    if (isTooLong(text)) throw tooLong(`The note '${method}'`, unsent)
    this.#send(text)
  }

  /** A note of which only the newest counts: while the other end is slow, a later one of the same key replaces it. */
  latest(method: string, key: string, params: unknown): void {
    if (this.#why !== undefined) return
    const place = `${method} ${key}`
    if (this.#channel.full || this.#newest.has(place)) this.#newest.set(place, { note: method, params })
    else this.note(method, params)
  }

  /** Forgets what `latest` still holds back: it is stale (its task has ended, say). */
  drop(method: string, key: string): void {
    this.#newest.delete(`${method} ${key}`)
  }

  /**
   * Calls `send` when the other end has read enough, which may be at once. Those who wait take turns, and what one sends counts
   * before the next is called: so however many they are, little more than one frame is ever unread of theirs. Never, once closed.
   */
  whenRoom(send: () => void): void {
    if (this.#why !== undefined) return
    if (this.#channel.full) this.#wantRoom.push(send)
    else send()
  }

  /** Idempotent. Calls that wait reject with `reason`, calls in progress are aborted with it. */
  close(reason: Error): void {
    this.#channel.close(reason)
    this.#end(reason)
  }

  ref(): void {
    this.#channel.ref()
  }

  unref(): void {
    this.#channel.unref()
  }

  #end(why: Error): void {
    if (this.#why !== undefined) return
    this.#why = why
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    this.#newest.clear()
    this.#wantRoom.length = 0
    for (const call of waiting) {
      call.settle()
      call.fail(why)
    }
    for (const serving of this.#serving.values()) serving.abort(why)
    this.#resolveClosed(why)
  }

  #send(text: string): void {
    if (this.#why !== undefined) return
    this.#channel.send(text)
    if (this.#channel.unsent > unsentLimit) {
      this.close(
        new LonghaulError(
          'DAEMON_UNAVAILABLE',
          `The other end left more than ${unsentLimit} bytes unread; it was disconnected. Nothing that is on disk is lost.`,
        ),
      )
    }
  }

  #useRoom(): void {
    while (!this.#channel.full) {
      const send = this.#wantRoom.shift()
      if (send === undefined) break
      send()
    }
    this.#flushNewest()
  }

  #flushNewest(): void {
    for (const [place, { note, params }] of this.#newest) {
      if (this.#channel.full) return
      this.#newest.delete(place)
      try {
        this.note(note, params)
      } catch (error) {
        this.#log.error('a note could not be written', { note, error })
      }
    }
  }

  #receive(line: string): void {
    if (this.#why !== undefined) return
    const frame = readFrame(line)
    if (frame === undefined) return this.#refuse('a frame that is not one')
    switch (frame.kind) {
      case 'call':
        if (frame.id <= this.#lastIdSeen) return this.#refuse('a call whose id was used before')
        this.#lastIdSeen = frame.id
        void this.#serve(frame.id, frame.call, frame.params, line.length)
        return
      case 'cancel':
        // One that crossed its answer finds nothing, and that is right.
        this.#serving.get(frame.id)?.abort(new LonghaulError('CANCELLED', 'The asker cancelled this call.'))
        return
      case 'note':
        this.#takeNote(frame.note, frame.params)
        return
      case 'ok':
      case 'error':
        this.#takeAnswer(frame)
    }
  }

  #takeAnswer(frame: Extract<Frame, { readonly kind: 'ok' | 'error' }>): void {
    const call = this.#waiting.get(frame.id)
    if (call === undefined) return this.#refuse('an answer that nobody asked for')
    this.#waiting.delete(frame.id)
    call.settle()
    if (frame.kind === 'ok') call.ok(frame.ok)
    else call.fail(frame.error)
  }

  #takeNote(name: string, params: unknown): void {
    const handler = Object.hasOwn(this.#notes, name) ? this.#notes[name] : undefined
    if (handler === undefined) {
      this.#log.debug('a note that this version does not know was ignored', { note: name })
      return
    }
    const failed = (error: unknown): void => this.#log.error('the handler of a note failed', { note: name, error })
    try {
      void Promise.resolve(handler(params)).catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  async #serve(id: number, verb: string, params: unknown, size: number): Promise<void> {
    const handler = Object.hasOwn(this.#handlers, verb) ? this.#handlers[verb] : undefined
    if (handler === undefined) {
      const message = `The other end does not know the verb '${verb}'. Nothing was done; use one version of longhaul for both.`
      return this.#answerError(id, new LonghaulError('PROTOCOL_MISMATCH', message))
    }
    if (this.#serving.size >= this.#maximumCalls || this.#held + size > heldLimit) {
      const message = `This connection has ${this.#serving.size} calls in progress; '${verb}' was not begun. Wait for one of them to end.`
      return this.#answerError(
        id,
        new LonghaulError('INVALID_ARGUMENT', message, {
          retryable: true,
          hint: 'Ask again when an earlier call has ended.',
        }),
      )
    }
    const abort = new AbortController()
    this.#serving.set(id, abort)
    this.#held += size
    try {
      const value = await handler(params, { signal: abort.signal })
      const text = JSON.stringify({ id, ok: value ?? null })
      if (isTooLong(text)) this.#answerError(id, tooLong(`The answer to '${verb}'`, unanswered))
      else this.#send(text)
    } catch (error) {
      this.#answerError(id, this.#errorForPeer(verb, error, abort.signal))
    } finally {
      this.#serving.delete(id)
      this.#held -= size
    }
  }

  /** What the other end is told of a failure: our own errors as they are; of any other only that it happened. */
  #errorForPeer(verb: string, error: unknown, signal: AbortSignal): LonghaulError {
    if (isLonghaulError(error)) return error
    if (signal.aborted) return new LonghaulError('CANCELLED', `'${verb}' was cancelled by its asker.`)
    this.#log.error('a call failed unexpectedly', { verb, error })
    return new LonghaulError(
      'DAEMON_UNAVAILABLE',
      `'${verb}' failed by a fault inside Longhaul; the details are in the log of the process that was asked.`,
      {
        retryable: false,
        hint: 'Look at the log (`longhaul logs`) and report it.',
      },
    )
  }

  #answerError(id: number, error: LonghaulError): void {
    const text = JSON.stringify({ id, error })
    if (!isTooLong(text)) return this.#send(text)
    this.#send(
      JSON.stringify({ id, error: new LonghaulError(error.code, `${error.message.slice(0, 4096)} (shortened)`) }),
    )
  }

  #refuse(what: string): void {
    this.#log.warn('the other end broke the protocol and was disconnected', { what })
    this.close(
      new LonghaulError(
        'PROTOCOL_MISMATCH',
        `The other end sent ${what}; the connection was closed. Nothing else is affected.`,
      ),
    )
  }
}

function isTooLong(text: string): boolean {
  // A UTF-16 unit is at most three bytes: short texts need no counting.
  return text.length * 3 > frameLimit && Buffer.byteLength(text, 'utf8') > frameLimit
}

function tooLong(what: string, then: string): LonghaulError {
  return new LonghaulError('DATA_LENGTH_EXCEEDS_MAXIMUM', `${what} would take more than ${frameLimit} bytes; ${then}`)
}
