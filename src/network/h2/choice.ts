/**
 * Which protocol an origin is spoken to. HTTP/1.1 was faster on every path that was measured, so a handshake offers nothing
 * else; a server that refuses it is asked by HTTP/2, and that is remembered. How servers refuse, found by trying:
 *
 * - node:http2 without allowHTTP1 ends the handshake with the alert no_application_protocol (RFC 7301 §3.2).
 * - nghttpd agrees on no protocol at all, and closes the connection unanswered.
 * - nginx always accepts; a rule of its operator may answer 505, or 426 with `Upgrade: h2`.
 * - Caddy refuses to be set to HTTP/2 alone.
 *
 * And the other way round: HTTP_1_1_REQUIRED, or no HTTP/2 in the handshake, of a server that was set up anew.
 */
import type { Exchange, HeaderList } from '../../world/transport.ts'
import { NetworkFailure, type NetworkFailureCause } from '../../world/transport.ts'

/** Of origins that are remembered; the oldest leaves. */
const remembered = 1000

const silences: ReadonlySet<NetworkFailureCause> = new Set(['connection lost', 'malformed answer'])

/** It may be that the server speaks no HTTP/1.1: it agreed on no protocol, and did not answer. */
export class Unanswered extends NetworkFailure {
  /** Of another kind of failure, that one. */
  static from(error: unknown): unknown {
    if (!(error instanceof NetworkFailure) || !silences.has(error.reason)) return error
    return new Unanswered(error.reason, error.phase, error.message, { cause: error.cause })
  }
}

/** It is certain that the server speaks no HTTP/2, or does not want to. */
export class Http2Refused extends NetworkFailure {}

export interface Ways {
  readonly http1: () => Promise<Exchange>
  readonly http2: () => Promise<Exchange>
}

export class Choice {
  readonly #http2 = new Set<string>()

  /** One of the two, or both if the first was refused. @throws what the one says that was not refused */
  async open(origin: string, ways: Ways): Promise<Exchange> {
    if (this.#http2.has(origin)) {
      try {
        return await ways.http2()
      } catch (error) {
        if (!(error instanceof Http2Refused)) throw error
        this.#http2.delete(origin)
      }
    }
    let answer: Exchange | undefined
    let failure: unknown
    try {
      answer = await ways.http1()
      if (!wantsHttp2(answer)) return answer
    } catch (error) {
      if (!(error instanceof Unanswered) && !isAlpnAlert(error)) throw error
      failure = error
    }
    let other: Exchange
    try {
      other = await ways.http2()
    } catch (error) {
      // What HTTP/1.1 got is the better thing to tell, unless it got nothing but the hint to come by HTTP/2.
      if (answer !== undefined) return answer
      throw isAlpnAlert(failure) && !(error instanceof Http2Refused) ? error : failure
    }
    answer?.close()
    if (this.#http2.size >= remembered) this.#http2.delete([...this.#http2][0]!)
    this.#http2.add(origin)
    return other
  }
}

export function isAlpnAlert(error: unknown): boolean {
  if (!(error instanceof NetworkFailure)) return false
  const { cause } = error
  return cause instanceof Error && 'code' in cause && cause.code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'
}

function wantsHttp2({ head: { status, headers } }: Exchange): boolean {
  return status === 505 || (status === 426 && upgrades(headers))
}

function upgrades(headers: HeaderList): boolean {
  return headers.some(
    ([name, value]) => name === 'upgrade' && /(?:^|,)\s*(?:h2|HTTP\/2(?:\.0)?)\s*(?:,|$)/i.test(value),
  )
}
