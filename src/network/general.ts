/**
 * The general lane: HTTP/1.1 by undici, for every answer whatever its framing. undici's traps and our defences are told
 * in `conversation.ts`. No redirect is followed, nothing is decoded, no failure is retried, and no header is added but
 * Host and Connection.
 */
import { type LookupFunction } from 'node:net'
import { type SecureContext } from 'node:tls'
import { type Dispatcher } from 'undici'
import { type ProxyAddress } from '../contract/proxy.ts'
import { type Exchange, NetworkFailure, type Outgoing } from '../world/transport.ts'
import { Connection } from './connection.ts'
import { type Connections } from './connections.ts'
import { Conversation } from './conversation.ts'
import { dial } from './dial.ts'
import { basic, refusal } from './proxy/connect.ts'
import { nameOf } from './proxy/through.ts'
import { type ProxySettings, routeKey, routeOf } from './route.ts'
import { type Trust, trustKey } from './trust.ts'

export interface GeneralLane {
  readonly connections: Connections<Connection>
  readonly trust: Trust
  /** What the environment says about proxies. */
  readonly proxies: ProxySettings
  readonly lookup: LookupFunction | undefined
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
  const proxy = routeOf(url, request.proxy ?? 'system', lane.proxies)
  // To an http address there is no tunnel: the proxy itself is asked, with the whole address.
  const forwarding = !secure && proxy !== undefined && proxy.kind !== 'socks5' ? proxy : undefined
  const trusting = secure || proxy?.kind === 'https' ? trustKey(request.tls) : ''
  const key = `${url.origin} ${trusting} ${routeKey(proxy)}`

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
    connection.dispatch(
      dispatchOptions(request, url, { serverName: secure ? host : undefined, forwarding }),
      conversation,
    )
    return conversation
  }
  const answered = async (conversation: Conversation): Promise<Exchange> => {
    await conversation.opened
    if (forwarding === undefined || conversation.head.status !== 407) return conversation
    conversation.close()
    throw refusal(nameOf(forwarding), conversation.head, forwarding.credential)
  }

  const kept = lane.connections.take(key)
  if (kept !== undefined && !signal.aborted) {
    const conversation = converse(kept)
    try {
      return await answered(conversation)
    } catch (error) {
      if (!mayAskAgain(request, conversation, error)) throw error
    }
  }
  const trust = (needed: boolean): SecureContext | undefined => (needed ? lane.trust(request.tls) : undefined)
  const way = proxy && { proxy, trust: trust(proxy.kind === 'https'), tunnel: forwarding === undefined }
  const target = { host, port, trust: trust(secure), way, lookup: lane.lookup }
  const line = await dial(target, lane.connectTimeoutMs, signal)
  const connection = new Connection(url.origin, line, lane)
  lane.connections.adopt(key, connection)
  return answered(converse(connection))
}

/**
 * A server may close an idle connection in the moment when it is used again. That is no failure of the request: if not a
 * byte of an answer came and asking twice does no harm, it is asked again on a new connection (RFC 9112 §9.3.1).
 */
function mayAskAgain(request: Outgoing, conversation: Conversation, error: unknown): boolean {
  const safe = request.method === 'GET' || request.method === 'HEAD'
  return safe && conversation.unanswered && error instanceof NetworkFailure && error.reason === 'connection lost'
}

function dispatchOptions(
  request: Outgoing,
  url: URL,
  how: { readonly serverName: string | undefined; readonly forwarding: ProxyAddress | undefined },
): Dispatcher.DispatchOptions {
  const { serverName, forwarding } = how
  const path = url.pathname + url.search
  const credential = forwarding?.credential
  return {
    path: forwarding === undefined ? path : url.origin + path,
    method: request.method,
    headers: [
      ...request.headers.flat(),
      ...(credential === undefined ? [] : ['proxy-authorization', basic(credential)]),
    ],
    // Else undici takes it from a Host header, and drops the connection when that changes.
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
}
