/**
 * What the system, TLS and undici say, sorted into the causes that someone above acts upon. Nothing here names more of
 * an address than `host:port`: paths and queries carry secrets.
 */
import { NetworkFailure, type NetworkFailureCause, type NetworkPhase } from '../world/transport.ts'

/** The codes that mean one thing wherever they turn up. */
const causes: Readonly<Record<string, NetworkFailureCause>> = {
  ENOTFOUND: 'cannot find host',
  EAI_AGAIN: 'cannot find host',
  EAI_NODATA: 'cannot find host',
  EAI_NONAME: 'cannot find host',
  EAI_FAIL: 'cannot find host',
  ENETUNREACH: 'no network',
  ENETDOWN: 'no network',
  ECONNREFUSED: 'cannot connect',

  CERT_HAS_EXPIRED: 'certificate has bad date',
  ERROR_IN_CERT_NOT_AFTER_FIELD: 'certificate has bad date',
  ERROR_IN_CERT_NOT_BEFORE_FIELD: 'certificate has bad date',
  CERT_NOT_YET_VALID: 'certificate not yet valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate has unknown root',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate has unknown root',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate has unknown root',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate has unknown root',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate has unknown root',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate untrusted',
  HOSTNAME_MISMATCH: 'certificate untrusted',
  CERT_UNTRUSTED: 'certificate untrusted',
  CERT_REJECTED: 'certificate untrusted',
  CERT_REVOKED: 'certificate untrusted',
  CERT_CHAIN_TOO_LONG: 'certificate untrusted',
  CERT_SIGNATURE_FAILURE: 'certificate untrusted',
  INVALID_CA: 'certificate untrusted',
  INVALID_PURPOSE: 'certificate untrusted',
  PATH_LENGTH_EXCEEDED: 'certificate untrusted',
  // TLS 1.3 refuses a missing client certificate only after the handshake: it meets the first read.
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'client certificate required',
  HANDSHAKE_FAILURE_AFTER_CERTIFICATE: 'client certificate rejected',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'client certificate rejected',
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: 'client certificate rejected',
  ...certificateAlerts(),

  UND_ERR_HEADERS_OVERFLOW: 'malformed answer',
}

/** A server sends them about a certificate of ours, and OpenSSL 3.5 names them otherwise than those before. */
function certificateAlerts(): Record<string, NetworkFailureCause> {
  const alerts = [
    'BAD_CERTIFICATE',
    'UNSUPPORTED_CERTIFICATE',
    'CERTIFICATE_REVOKED',
    'CERTIFICATE_EXPIRED',
    'CERTIFICATE_UNKNOWN',
  ]
  const codes = alerts.flatMap((alert) => [`ERR_SSL_SSL/TLS_ALERT_${alert}`, `ERR_SSL_SSLV3_ALERT_${alert}`])
  return Object.fromEntries(codes.map((code) => [code, 'client certificate rejected']))
}

/** So undici names every broken rule in a head that has a Content-Length, a second Content-Length above all. */
const brokenHead = 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
/** Its parser met what it took for impossible, such as a 101 that nobody asked for. */
const unthought = 'ERR_ASSERTION'

/** Sorts an error that ended a connection or an attempt to make one. `peer` is `host:port`. */
export function failureOf(error: unknown, phase: NetworkPhase, peer: string): NetworkFailure {
  if (error instanceof NetworkFailure) return error
  const said = theTelling(error)
  const code = codeOf(said)
  const reason = causes[code ?? ''] ?? causeByPhase(said, code ?? '', phase)
  // Codes of the system are known to people and search engines; those of undici say less than its words.
  const words =
    (code === brokenHead || code === unthought) && phase === 'head'
      ? 'its head breaks the rules of HTTP'
      : code === undefined || code.startsWith('UND_')
        ? messageOf(said)
        : code
  return new NetworkFailure(reason, phase, `${peer}: ${reason} (${words}, ${doing[phase]})`, { cause: error })
}

const doing: Readonly<Record<NetworkPhase, string>> = {
  lookup: 'while looking up the name',
  connect: 'while connecting',
  proxy: 'while asking the proxy',
  tls: 'during the TLS handshake',
  request: 'while sending the request',
  head: 'while waiting for the answer',
  body: 'inside the body',
}

function causeByPhase(error: unknown, code: string, phase: NetworkPhase): NetworkFailureCause {
  if (isOfTheParser(error)) return 'malformed answer'
  switch (phase) {
    case 'lookup':
      return 'cannot find host'
    case 'connect':
      return 'cannot connect'
    case 'tls':
      return code === 'ECONNRESET' || code === 'EPIPE' ? 'connection lost' : 'tls failed'
    case 'head':
      return code === brokenHead || code === unthought ? 'malformed answer' : 'connection lost'
    case 'proxy':
    case 'request':
    case 'body':
      return 'connection lost'
  }
}

/**
 * True if undici could not make sense of what came, as against: nothing more came. It has one error class for what its
 * parser says of both, and one code for a socket that was lost and for one that it gave up; only the words differ.
 */
export function isOfTheParser(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error.name === 'HTTPParserError') return !error.message.includes('Invalid EOF state')
  return codeOf(error) === 'UND_ERR_SOCKET' && /^bad (response|upgrade)$/.test(error.message)
}

/**
 * With several addresses the attempts fail together. "No network" is believed only if every one of them says so: a
 * machine without IPv6 fails there with ENETUNREACH while IPv4 tells the real story.
 */
function theTelling(error: unknown): unknown {
  if (!(error instanceof AggregateError) || error.errors.length === 0) return error
  const errors: readonly unknown[] = error.errors
  return errors.find((one) => causes[codeOf(one) ?? ''] !== 'no network') ?? errors[0]
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
