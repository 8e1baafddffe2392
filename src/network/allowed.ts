/** Which addresses of a name may be connected to. Asked before a connection is made: TLS tells the server's name at once. */
import { lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'

export class AddressRefused extends Error {
  /** What the check threw for the first one. */
  readonly why: unknown
  constructor(why: unknown) {
    super('none of the addresses may be connected to')
    this.why = why
  }
}

/**
 * Looks up all addresses of a name and leaves out those for which `check` throws.
 * @param lookup if not the system's; fails as it does, or with {@link AddressRefused} if it finds none but such
 */
export function allowedOnly(check: (address: string) => void, lookup: LookupFunction = systemLookup): LookupFunction {
  return (host, options, found) =>
    lookup(host, { ...options, all: true }, (error, given, family = 0) => {
      if (error !== null) return found(error, given)
      const addresses = typeof given === 'string' ? [{ address: given, family }] : given
      const refusals: unknown[] = []
      const allowed = addresses.filter(({ address }) => {
        try {
          check(address)
          return true
        } catch (refusal) {
          refusals.push(refusal)
          return false
        }
      })
      found(refusals.length > 0 && allowed.length === 0 ? new AddressRefused(refusals[0]) : null, allowed)
    })
}
