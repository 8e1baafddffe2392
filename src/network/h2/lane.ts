/** The lane for servers that speak nothing but HTTP/2 (`choice.ts` says which those are). */
import { LonghaulError } from '../../contract/errors.ts'
import type { TLSSocket } from 'node:tls'
import { type Exchange, NetworkFailure, type Outgoing } from '../../world/transport.ts'
import type { Connections } from '../connections.ts'
import type { Line } from '../dial.ts'
import { Http2Refused, isAlpnAlert } from './choice.ts'
import { Http2Exchange } from './exchange.ts'
import { Session, windowBytes } from './session.ts'

export interface Http2Lane {
  readonly sessions: Connections<Session>
  readonly maximumHeadBytes: number
  readonly idleMs: number
}

/** One exchange with an https server. `signal` governs all of it, the body included. `dial` offers h2 alone. */
export async function openHttp2(
  lane: Http2Lane,
  request: Outgoing,
  where: { readonly url: URL; readonly key: string; readonly dial: () => Promise<Line> },
  signal: AbortSignal,
): Promise<Exchange> {
  const fetchStartMs = Date.now()
  const { url, key } = where
  const pseudo = [':method', request.method, ':scheme', 'https', ':authority', url.host]
  const headers = pseudo.concat(
    [':path', url.pathname + url.search],
    request.headers.flatMap(([name, value]) => [name.toLowerCase(), value]),
  )
  const converse = (session: Session): Http2Exchange => {
    const abort = (): void => exchange.abort()
    let exchange: Http2Exchange
    try {
      exchange = new Http2Exchange({
        session,
        method: request.method,
        headers,
        fetchStartMs,
        heard: request.heard,
        maximumHeadBytes: lane.maximumHeadBytes,
        release: () => lane.sessions.give(key, session),
        over: () => signal.removeEventListener('abort', abort),
      })
    } catch (cause) {
      // Node refuses a field that it takes for wrong, such as one that may stand once and stands twice.
      session.destroy()
      const said = cause instanceof Error ? cause.message : String(cause)
      throw new LonghaulError('INVALID_ARGUMENT', `The request cannot be sent over HTTP/2: ${said}.`, { cause })
    }
    signal.addEventListener('abort', abort, { once: true })
    return exchange
  }

  const kept = signal.aborted ? undefined : lane.sessions.take(key)
  if (kept !== undefined) {
    const { proxied, remoteAddress } = kept.facts
    try {
      if (!proxied && remoteAddress !== undefined) request.checkAddress?.(remoteAddress)
    } catch (refusal) {
      lane.sessions.give(key, kept)
      throw refusal
    }
    const exchange = converse(kept)
    try {
      await exchange.opened
      return exchange
    } catch (error) {
      if (!mayAskAgain(request, exchange, error)) throw refusedOr(exchange, error)
    }
  }
  const line = await http2Line(where.dial)
  request.heard?.()
  const session = new Session(url.origin, line, {
    windowBytes: windowBytes([...lane.sessions.all].reduce((sum, each) => sum + each.windowBytes, 0)),
    maximumHeadBytes: lane.maximumHeadBytes,
    idleMs: lane.idleMs,
  })
  lane.sessions.adopt(key, session)
  const exchange = converse(session)
  try {
    await exchange.opened
    return exchange
  } catch (error) {
    throw refusedOr(exchange, error)
  }
}

/** @throws Http2Refused if the server agreed on something else, or on nothing */
async function http2Line(dial: () => Promise<Line>): Promise<Line> {
  let line: Line
  try {
    line = await dial()
  } catch (error) {
    throw isAlpnAlert(error) ? refused(error as NetworkFailure) : error
  }
  if ((line.socket as TLSSocket).alpnProtocol === 'h2') return line
  line.socket.destroy()
  line.tcp.destroy()
  throw new Http2Refused('tls failed', 'tls', `${line.peer}: tls failed (the server did not agree on HTTP/2)`)
}

function refusedOr(exchange: Http2Exchange, error: unknown): unknown {
  return exchange.refusesHttp2 && error instanceof NetworkFailure ? refused(error) : error
}

function refused(failure: NetworkFailure): Http2Refused {
  return new Http2Refused(failure.reason, failure.phase, failure.message, { cause: failure.cause })
}

/** As in HTTP/1.1: a session may have ended in the moment when it is used again. */
function mayAskAgain(request: Outgoing, exchange: Http2Exchange, error: unknown): boolean {
  const safe = request.method === 'GET' || request.method === 'HEAD'
  return safe && exchange.unanswered && error instanceof NetworkFailure && error.reason === 'connection lost'
}
