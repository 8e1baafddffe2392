/**
 * The general lane: HTTP/1.1 by undici, for every answer whatever its framing. undici's traps and our defences are told
 * in `conversation.ts`. No redirect is followed, nothing is decoded, no failure is retried, and no header is added but
 * Host and Connection.
 */
import { type TLSSocket } from 'node:tls'
import type { Dispatcher } from 'undici'
import { type Exchange, NetworkFailure, type Outgoing } from '../world/transport.ts'
import { Connection } from './connection.ts'
import { type Connections } from './connections.ts'
import { Conversation, EndUntold } from './conversation.ts'
import { Unanswered } from './h2/choice.ts'
import { Challenged, introduced, type Shown } from './proxy/identity.ts'
import { loadUndici } from './load-undici.ts'
import { type Reach, reachOf, type Reaching } from './reach.ts'

export interface GeneralLane extends Reaching {
  readonly connections: Connections<Connection>
  readonly maximumHeadBytes: number
  readonly idleMs: number
  /** Origins that gave a body whose end is the connection's. */
  readonly endsByClose: Set<string>
}

/** Of origins; the oldest leaves. */
const remembered = 1000

/** Opens one exchange with an http or https server. `signal` governs all of it, the body included. */
export async function openGeneral(
  lane: GeneralLane,
  request: Outgoing,
  url: URL,
  signal: AbortSignal,
): Promise<Exchange> {
  const reach = reachOf(lane, request, url)
  const path = url.pathname + url.search
  if (reach.forwarding === undefined) return openTelling(lane, request, { url, reach, path }, signal)
  // The proxy itself is asked, with the whole address.
  const whole = url.origin + path
  return introduced(reach.forwarding, { method: request.method, uri: whole }, (shown) =>
    openOnce(lane, request, { url, reach, path: whole, shown }, signal),
  )
}

interface Asking {
  readonly url: URL
  readonly reach: Reach
  readonly path: string
  /** Of TLS. @default 'told' */
  readonly end?: 'untold'
  /** To the proxy. */
  readonly shown?: Shown | undefined
}

/**
 * Over TLS that does not tell how it ended, since that costs no byte a detour; but an answer that only this end could prove is
 * asked for again over TLS that does, and the server is remembered. Asking twice must do no harm.
 */
async function openTelling(
  lane: GeneralLane,
  request: Outgoing,
  asking: Asking,
  signal: AbortSignal,
): Promise<Exchange> {
  const { origin } = asking.url
  if (isSafe(request) && !lane.endsByClose.has(origin)) {
    try {
      return await openOnce(lane, request, { ...asking, end: 'untold' }, signal)
    } catch (error) {
      if (!(error instanceof EndUntold)) throw error
      if (lane.endsByClose.size >= remembered) lane.endsByClose.delete([...lane.endsByClose][0]!)
      lane.endsByClose.add(origin)
    }
  }
  return openOnce(lane, request, asking, signal)
}

async function openOnce(lane: GeneralLane, request: Outgoing, asking: Asking, signal: AbortSignal): Promise<Exchange> {
  const fetchStartMs = Date.now()
  const { url, reach, end, shown } = asking
  const { host, forwarding, dial } = reach
  const secure = url.protocol === 'https:'
  const told = `${reach.key} told`
  const key = secure && end === undefined ? told : reach.key

  const converse = (connection: Connection): Conversation => {
    const abort = (): void => conversation.abort()
    const conversation = new Conversation({
      connection,
      method: request.method,
      fetchStartMs,
      wants: request.wants,
      heard: request.heard,
      release: () => (introducesConnection(request) ? connection.destroy() : lane.connections.give(key, connection)),
      over: () => signal.removeEventListener('abort', abort),
    })
    signal.addEventListener('abort', abort, { once: true })
    connection.dispatch(dispatchOptions(request, asking, secure ? host : undefined), conversation)
    return conversation
  }
  const answered = async (conversation: Conversation): Promise<Exchange> => {
    await conversation.opened
    const { status, headers } = conversation.head
    // A server that counts connections counts idle ones too. Those of the other end of TLS are as idle.
    if (status === 429 || status === 503) for (const each of [reach.key, told]) lane.connections.letGo(each)
    if (forwarding === undefined) return conversation
    if (status !== 407) {
      forwarding.identity.told(shown, headers)
      return conversation
    }
    conversation.close()
    throw new Challenged(forwarding.name, headers)
  }

  const kept = signal.aborted ? undefined : lane.connections.take(key)
  if (kept !== undefined) {
    const { proxied, remoteAddress } = kept.facts
    try {
      if (!proxied && remoteAddress !== undefined) request.checkAddress?.(remoteAddress)
    } catch (refusal) {
      lane.connections.give(key, kept)
      throw refusal
    }
    const conversation = converse(kept)
    try {
      return await answered(conversation)
    } catch (error) {
      if (!mayAskAgain(request, conversation, error)) throw error
    }
  }
  const { Client } = loadUndici()
  const line = await dial('http/1.1', signal, end)
  request.heard?.()
  const connection = new Connection(url.origin, line, Client, lane)
  lane.connections.adopt(key, connection)
  const conversation = converse(connection)
  try {
    return await answered(conversation)
  } catch (error) {
    const agreed = !secure || (line.socket as TLSSocket).alpnProtocol === 'http/1.1'
    throw !agreed && conversation.unanswered ? Unanswered.from(error) : error
  }
}

/**
 * A server may close an idle connection in the moment when it is used again. That is no failure of the request: if not a
 * byte of an answer came and asking twice does no harm, it is asked again on a new connection (RFC 9112 §9.3.1).
 */
function mayAskAgain(request: Outgoing, conversation: Conversation, error: unknown): boolean {
  return (
    isSafe(request) && conversation.unanswered && error instanceof NetworkFailure && error.reason === 'connection lost'
  )
}

/** Schemes that tell a server who speaks for all that follows on the connection (RFC 4559 §6): nobody else may have it. */
function introducesConnection({ headers }: Outgoing): boolean {
  return headers.some(([name, value]) => /^authorization$/i.test(name) && /^\s*(?:negotiate|ntlm)\b/i.test(value))
}

function isSafe({ method }: Outgoing): boolean {
  return method === 'GET' || method === 'HEAD'
}

function dispatchOptions(
  request: Outgoing,
  { path, shown }: Asking,
  serverName: string | undefined,
): Dispatcher.DispatchOptions {
  return {
    path,
    method: request.method,
    headers: [...request.headers.flat(), ...(shown === undefined ? [] : ['proxy-authorization', shown.value])],
    // Else undici takes it from a Host header, and drops the connection when that changes.
    ...(serverName === undefined ? {} : { servername: serverName }),
  }
}
