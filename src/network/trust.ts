/**
 * Whom TLS trusts, who we are to it, and which versions it speaks. Certificates are always verified; there is no way to turn
 * it off.
 */
import { createHash } from 'node:crypto'
import { type SecureContext, createSecureContext, getCACertificates } from 'node:tls'
import { LonghaulError } from '../contract/errors.ts'
import type { Outgoing } from '../world/transport.ts'
import { type Identity, readIdentity } from './client-certificate.ts'
import { rootsOfThisMachine } from './roots.ts'

export type TlsWishes = NonNullable<Outgoing['tls']>

export interface Trusted {
  readonly context: SecureContext
  /** None: every chain that is trusted will do. */
  readonly pins: readonly string[]
}

/** Parsing some 150 roots costs tens of ms, and there are few different wishes: contexts are kept, the oldest leaves. */
const kept = 16

/**
 * Gives what TLS needs for the wishes of a request.
 * @throws INVALID_ARGUMENT for an authority that is not PEM; what is wrong with the files of a client certificate
 */
export type Trust = (wishes: TlsWishes | undefined) => Promise<Trusted>

export function createTrust(): Trust {
  const contexts = new Map<string, SecureContext>()
  return async (wishes = {}) => {
    const identity = wishes.clientCertificate && (await readIdentity(wishes.clientCertificate))
    const key = contextKey(wishes, identity)
    let context = contexts.get(key)
    if (context === undefined) {
      context = makeContext(wishes, identity)
      const oldest = contexts.keys().next()
      if (contexts.size >= kept && oldest.done !== true) contexts.delete(oldest.value)
      contexts.set(key, context)
    }
    return { context, pins: wishes.pins ?? [] }
  }
}

/** Equal for equal wishes: connections made under other wishes are never shared. */
export function trustKey(wishes: TlsWishes | undefined): string {
  const { ca = [], minimumVersion, maximumVersion, clientCertificate, pins = [] } = wishes ?? {}
  const { name, key, passphrase } = clientCertificate ?? {}
  return JSON.stringify([ca, minimumVersion, maximumVersion, name, key?.name, passphrase?.name, pins])
}

/** The wishes that hold for a proxy: who we are, and which keys are pinned, concerns the server behind it. */
export function ofProxy(wishes: TlsWishes | undefined): TlsWishes | undefined {
  if (wishes === undefined) return undefined
  const { clientCertificate: _ours, pins: _theirs, ...rest } = wishes
  return rest
}

/** The same file may hold another key by now. */
function contextKey(wishes: TlsWishes, identity: Identity | undefined): string {
  const { ca = [], minimumVersion, maximumVersion } = wishes
  const ours = identity && createHash('sha256').update(JSON.stringify(identity)).digest('hex')
  return JSON.stringify([ca, minimumVersion, maximumVersion, ours])
}

function makeContext(wishes: TlsWishes, identity: Identity | undefined): SecureContext {
  const given = wishes.ca ?? []
  for (const pem of given) {
    if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
      throw new LonghaulError(
        'INVALID_ARGUMENT',
        'tls.ca: an entry is not a PEM certificate. Give the text of the file, beginning with -----BEGIN CERTIFICATE-----.',
      )
    }
  }
  const extra = [...rootsOfThisMachine(), ...given]
  try {
    return createSecureContext({
      // `ca` replaces the built-in roots, so they are named again; without it Node uses its shared, parsed store.
      ...(extra.length === 0 ? {} : { ca: [...getCACertificates('default'), ...extra] }),
      minVersion: wishes.minimumVersion ?? 'TLSv1.2',
      ...(wishes.maximumVersion === undefined ? {} : { maxVersion: wishes.maximumVersion }),
      ...(identity !== undefined && { cert: identity.cert, key: identity.key }),
      ...(identity?.passphrase !== undefined && { passphrase: identity.passphrase }),
    })
  } catch (cause) {
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      'tls: these versions, authorities and this client certificate cannot be used together, or one is not valid.',
      { cause },
    )
  }
}
