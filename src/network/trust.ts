/** Whom TLS trusts, and which versions it speaks. Certificates are always verified; there is no way to turn it off. */
import { type SecureContext, createSecureContext, getCACertificates } from 'node:tls'
import { LonghaulError } from '../contract/errors.ts'
import type { Outgoing } from '../world/transport.ts'

export type TlsWishes = NonNullable<Outgoing['tls']>

/** Parsing some 150 roots costs tens of ms, and there are few different wishes: contexts are kept, the oldest leaves. */
const kept = 16

/** Gives the TLS context for the wishes of a request. @throws INVALID_ARGUMENT for an authority that is not PEM */
export type Trust = (wishes: TlsWishes | undefined) => SecureContext

export function createTrust(): Trust {
  const contexts = new Map<string, SecureContext>()
  return (wishes = {}) => {
    const key = trustKey(wishes)
    let context = contexts.get(key)
    if (context === undefined) {
      context = makeContext(wishes)
      const oldest = contexts.keys().next()
      if (contexts.size >= kept && oldest.done !== true) contexts.delete(oldest.value)
      contexts.set(key, context)
    }
    return context
  }
}

/** Equal for equal wishes: connections made under other wishes are never shared. */
export function trustKey(wishes: TlsWishes | undefined): string {
  return JSON.stringify([wishes?.ca ?? [], wishes?.minimumVersion, wishes?.maximumVersion])
}

function makeContext(wishes: TlsWishes): SecureContext {
  const extra = wishes.ca ?? []
  for (const pem of extra) {
    if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
      throw new LonghaulError(
        'INVALID_ARGUMENT',
        'tls.ca: an entry is not a PEM certificate. Give the text of the file, beginning with -----BEGIN CERTIFICATE-----.',
      )
    }
  }
  try {
    return createSecureContext({
      // `ca` replaces the built-in roots, so they are named again; without it Node uses its shared, parsed store.
      ...(extra.length === 0 ? {} : { ca: [...getCACertificates('default'), ...extra] }),
      minVersion: wishes.minimumVersion ?? 'TLSv1.2',
      ...(wishes.maximumVersion === undefined ? {} : { maxVersion: wishes.maximumVersion }),
    })
  } catch (cause) {
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      'tls: these versions and authorities cannot be used together, or an authority is not a valid certificate.',
      { cause },
    )
  }
}
