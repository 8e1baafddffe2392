/**
 * The general lane: HTTP/1.1 by undici, for every answer whatever its framing. undici's traps and our defences are told
 * in `conversation.ts`. No redirect is followed, nothing is decoded, no failure is retried, and no header is added but
 * Host and Connection.
 */
import { type Dispatcher } from 'undici'
import { type Exchange, NetworkFailure, type Outgoing } from '../world/transport.ts'
import { Connection } from './connection.ts'
import { type Connections } from './connections.ts'
import { Conversation } from './conversation.ts'
import { dial } from './dial.ts'
import { type Trust, trustKey } from './trust.ts'

export interface GeneralLane {
  readonly connections: Connections
  readonly trust: Trust
  readonly connectTimeoutMs: number
  readonly maximumHeadBytes: number
  readonly idleMs: number
}

/** Opens one exchange with an http or https server. `signal` governs all of it, the body included. */
export async function openGeneral(
  lane: GeneralLane,
  request: Outgoing,
  url: URL,
  signal: AbortSignal,
): Promise<Exchange> {
  const fetchStartMs = Date.now()
  const secure = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port === '' ? (secure ? 443 : 80) : url.port)
  const key = secure ? `${url.origin} ${trustKey(request.tls)}` : url.origin

  const converse = (connection: Connection): Conversation => {
    const abort = (): void => conversation.abort()
    const conversation = new Conversation({
      connection,
      method: request.method,
      fetchStartMs,
      release: () => lane.connections.give(key, connection),
      over: () => signal.removeEventListener('abort', abort),
    })
    signal.addEventListener('abort', abort, { once: true })
    connection.dispatch(dispatchOptions(request, url, secure ? host : undefined), conversation)
    return conversation
  }

  const kept = lane.connections.take(key)
  if (kept !== undefined && !signal.aborted) {
    const conversation = converse(kept)
    try {
      await conversation.opened
      return conversation
    } catch (error) {
      if (!mayAskAgain(request, conversation, error)) throw error
    }
  }
  const line = await dial(
    { host, port, trust: secure ? lane.trust(request.tls) : undefined },
    lane.connectTimeoutMs,
    signal,
  )
  const connection = new Connection(url.origin, line, lane)
  lane.connections.adopt(key, connection)
  const conversation = converse(connection)
  await conversation.opened
  return conversation
}

/**
 * A server may close an idle connection in the moment when it is used again. That is no failure of the request: if not a
 * byte of an answer came and asking twice does no harm, it is asked again on a new connection (RFC 9112 §9.3.1).
 */
function mayAskAgain(request: Outgoing, conversation: Conversation, error: unknown): boolean {
  const safe = request.method === 'GET' || request.method === 'HEAD'
  return safe && conversation.unanswered && error instanceof NetworkFailure && error.reason === 'connection lost'
}

function dispatchOptions(request: Outgoing, url: URL, serverName: string | undefined): Dispatcher.DispatchOptions {
  return {
    path: url.pathname + url.search,
    method: request.method,
    headers: request.headers.flat(),
    // Else undici takes it from a Host header, and drops the connection when that changes.
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
}
