/**
 * What is said to a proxy before the connection carries anything else. The words are small state machines that know no
 * socket ({@link Parley}): they are given all that came and is not used up, in whatever pieces it came.
 */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { NetworkFailure } from '../../world/transport.ts'

export interface Parley {
  /** How the proxy is called in messages. */
  readonly proxy: string
  /** Said first. */
  readonly opening: Uint8Array
  /** What to do about what came; `undefined`: too little came yet. @throws NetworkFailure */
  read(received: Buffer): Step | undefined
}

export interface Step {
  /** How many of the bytes are dealt with. */
  readonly used: number
  /** To be said next. */
  readonly say?: Uint8Array
  /** The proxy has opened the way to the target. */
  readonly open?: true
}

/**
 * Holds the parley over a socket that nobody reads yet, and leaves it so.
 * @throws NetworkFailure of what the proxy said; what the socket says; an AbortError when `stop` fires
 */
export async function hold(parley: Parley, socket: Socket, stop: AbortSignal): Promise<void> {
  socket.write(parley.opening)
  let received: Buffer = Buffer.alloc(0)
  for (;;) {
    const step = received.length === 0 ? undefined : parley.read(received)
    if (step === undefined) {
      received = Buffer.concat([received, await next(parley, socket, stop)])
      continue
    }
    received = received.subarray(step.used)
    if (step.say !== undefined) socket.write(step.say)
    if (step.open === true) break
  }
  // Nobody has asked the target anything, so these are not its words: to a request in the clear they would be the answer.
  if (received.length > 0) throw failed(parley.proxy, 'sent more than its answer before anything was asked')
}

/** By `read`, not by 'data': a stream that flows would lose what comes between two listeners. */
async function next(parley: Parley, socket: Socket, stop: AbortSignal): Promise<Buffer> {
  for (;;) {
    const chunk: unknown = socket.read()
    if (chunk instanceof Buffer) return chunk
    if (socket.errored !== null) throw socket.errored
    if (socket.readableEnded || socket.destroyed) throw failed(parley.proxy, 'closed the connection before it answered')
    await somethingNew(socket, stop)
  }
}

async function somethingNew(socket: Socket, stop: AbortSignal): Promise<void> {
  const listening = new AbortController()
  const signal = AbortSignal.any([stop, listening.signal])
  try {
    await Promise.race(['readable', 'end', 'close'].map((event) => once(socket, event, { signal })))
  } finally {
    listening.abort()
  }
}

/** It may go better the next time. */
export function failed(proxy: string, what: string): NetworkFailure {
  return new NetworkFailure('proxy failed', 'proxy', `${proxy} ${what}`)
}

/** It would not go better the next time. */
export function refused(proxy: string, what: string): NetworkFailure {
  return new NetworkFailure('proxy refused', 'proxy', `${proxy} ${what}`)
}
