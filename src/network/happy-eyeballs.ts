/**
 * From a name to a connection with whichever of its addresses answers first (Happy Eyeballs, RFC 8305). Node's own way gives an address
 * up when the next one is tried; here each keeps its chance to the end, so that a slow one is not lost to a dead one behind it.
 */
import { ADDRCONFIG, type LookupAddress, lookup as systemLookup } from 'node:dns'
import type { LookupFunction, Socket } from 'node:net'

/** How long one address keeps the next one waiting: the Connection Attempt Delay of RFC 8305 §5. */
const headStartMs = 250

/**
 * All addresses of a name: families in turn, beginning with the one that the system would take first (RFC 8305 §4).
 * @throws what the look-up says; the reason of `stop`
 */
export async function addressesOf(
  host: string,
  lookup: LookupFunction | undefined,
  stop: AbortSignal,
): Promise<readonly string[]> {
  const found = await lookedUp(host, lookup ?? systemLookup, stop)
  const [first] = found
  if (first === undefined) throw Object.assign(new Error(`${host} has no address`), { code: 'ENOTFOUND' })
  const preferred = found.filter(({ family }) => family === first.family)
  const others = found.filter(({ family }) => family !== first.family)
  return preferred
    .flatMap((each, at) => [each, ...others.slice(at, at + 1)])
    .concat(others.slice(preferred.length))
    .map(({ address }) => address)
}

async function lookedUp(host: string, lookup: LookupFunction, stop: AbortSignal): Promise<readonly LookupAddress[]> {
  stop.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<readonly LookupAddress[]>()
  // As Node asks: a machine without IPv6 is not told of addresses that it cannot reach. Windows does so unasked.
  const hints = process.platform === 'win32' ? 0 : ADDRCONFIG
  lookup(host, { all: true, hints }, (error, given, family = 0) => {
    if (error !== null) reject(error)
    else resolve(typeof given === 'string' ? [{ address: given, family }] : given)
  })
  const stopped = (): void => reject(stop.reason)
  stop.addEventListener('abort', stopped, { once: true })
  try {
    return await promise
  } finally {
    stop.removeEventListener('abort', stopped)
  }
}

interface Attempt {
  /** On its way to an address. Somebody listens to its errors for its whole life. */
  readonly socket: Socket
}

/**
 * The attempt that connects first; the others are destroyed. The next address is tried when the one before has failed, or has not
 * answered for a while.
 *
 * @param addresses at least one
 * @throws what the attempts failed with, where all of them have; the reason of `stop`
 */
export async function firstToAnswer<A extends Attempt>(
  addresses: readonly string[],
  begin: (address: string) => A,
  stop: AbortSignal,
): Promise<A> {
  stop.throwIfAborted()
  const waiting = addresses.values()
  const running = new Set<A>()
  const errors: unknown[] = []
  const winner = Promise.withResolvers<A>()
  let headStart: NodeJS.Timeout | undefined
  const next = (): void => {
    clearTimeout(headStart)
    const { value: address } = waiting.next()
    if (address === undefined) {
      if (running.size === 0)
        winner.reject(errors.length === 1 ? errors[0] : new AggregateError(errors, 'no address answers'))
      return
    }
    let attempt: A
    try {
      attempt = begin(address)
    } catch (error) {
      return winner.reject(error)
    }
    running.add(attempt)
    attempt.socket.once('connect', () => winner.resolve(attempt))
    attempt.socket.once('error', (error) => {
      if (!running.delete(attempt)) return
      errors.push(error)
      next()
    })
    headStart = setTimeout(next, headStartMs)
  }
  const stopped = (): void => winner.reject(stop.reason)
  stop.addEventListener('abort', stopped, { once: true })
  let won: A | undefined
  try {
    next()
    won = await winner.promise
    return won
  } finally {
    clearTimeout(headStart)
    stop.removeEventListener('abort', stopped)
    for (const attempt of running) if (attempt !== won) attempt.socket.destroy()
    running.clear()
  }
}
