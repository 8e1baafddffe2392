/**
 * One connection that speaks HTTP/2, used like one that speaks HTTP/1.1: a single request at a time, then the next one.
 *
 * Streams that share a connection share its windows and its losses: one slow disk, or one lost packet, stops them all, and
 * segments of one file would gain nothing. So each exchange has a session of its own, and the limits of connections that
 * stand above count what they say. A server that speaks nothing but HTTP/2 is rare; this need not be clever, only right.
 *
 * The windows are what makes it fast: with the 64 KiB of the standard, one round trip of 75 ms allows 0.9 MB/s.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import type { DialFacts, Line } from '../dial.ts'

/** As much as 1 Gbit/s × 75 ms holds, and some more. */
const largestWindow: number = 16 * 1024 * 1024
const smallestWindow: number = 1024 * 1024
/**
 * What all sessions together may have to hold for readers that are slower than their servers. Those for which no more is left
 * than the smallest window get that beyond it.
 */
const windowBudget: number = 4 * largestWindow

/** For one more session, where others have `held` already: what a server may send ahead is memory of ours. */
export function windowBytes(held: number): number {
  // They keep theirs until they end, so each takes a part of what is left.
  return Math.max(smallestWindow, Math.floor((windowBudget - held) / 4))
}

export interface SessionOptions {
  readonly windowBytes: number
  readonly maximumHeadBytes: number
  /** How long it is kept unused. */
  readonly idleMs: number
}

export class Session {
  readonly peer: string
  readonly facts: DialFacts
  /** What the server may send ahead. */
  readonly windowBytes: number
  /** Resolves when the connection is closed on our side. */
  readonly gone: Promise<void>
  readonly #line: Line
  readonly #idleMs: number
  readonly #session: ClientHttp2Session
  #requests = 0
  #error: Error | undefined
  #goodbye: number | undefined

  constructor(origin: string, line: Line, options: SessionOptions) {
    this.#line = line
    this.#idleMs = options.idleMs
    this.peer = line.peer
    this.facts = line.facts
    this.windowBytes = options.windowBytes
    this.gone = new Promise((resolve) => {
      if (line.tcp.closed) resolve()
      else line.tcp.once('close', () => resolve())
    })
    this.#session = connect(origin, {
      // Their size is the limit, and what looks after that is the exchange.
      maxHeaderListPairs: 2000,
      createConnection: () => line.socket,
      settings: {
        enablePush: false,
        initialWindowSize: options.windowBytes,
        maxHeaderListSize: options.maximumHeadBytes,
      },
    })
    this.#session.once('connect', () => {
      // Node says so a tick later, also of one that was given up in between.
      if (!this.#session.destroyed) this.#session.setLocalWindowSize(2 * options.windowBytes)
    })
    this.#session.on('error', (error: Error) => {
      this.#error ??= error
    })
    this.#session.on('goaway', (code: number) => {
      this.#goodbye = code
    })
    // Until it has heard that we want none, a server may promise something.
    this.#session.on('stream', (pushed) => pushed.on('error', () => {}).close())
    this.#session.on('close', () => line.tcp.destroy())
    this.#session.on('timeout', () => this.destroy())
  }

  /** Requests sent on it, the running one included. */
  get requests(): number {
    return this.#requests
  }

  get usable(): boolean {
    return this.#goodbye === undefined && !this.#session.closed && !this.#session.destroyed && this.#line.tcp.readable
  }

  /** With what code the server said that it ends it (RFC 9113 §6.8). */
  get goodbye(): number | undefined {
    return this.#goodbye
  }

  /** What ended it, if that was an error; what the sockets say goes before what HTTP/2 makes of it. */
  get error(): Error | undefined {
    return this.#line.failure() ?? this.#line.socket.errored ?? this.#line.tcp.errored ?? this.#error
  }

  /** `headers`: names and values in turn, those of the protocol (`:method` …) first. */
  request(headers: readonly string[]): ClientHttp2Stream {
    this.#requests++
    return this.#session.request(headers, { endStream: true })
  }

  /** While idle it must not keep the process alive. */
  ref(): void {
    this.#session.setTimeout(0)
    this.#line.tcp.ref()
  }

  unref(): void {
    this.#session.setTimeout(this.#idleMs)
    this.#line.tcp.unref()
  }

  /** Idempotent. Whatever runs on it fails. */
  destroy(): void {
    this.#session.destroy()
    this.#line.socket.destroy()
    this.#line.tcp.destroy()
  }
}
