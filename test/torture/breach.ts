/** An invariant that did not hold. Anything else that is thrown is a fault of the torture itself. */
export class Breach extends Error {
  override readonly name = 'Breach'
}

/** @throws Breach */
export function mustHold(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Breach(what)
}

/** Resolves as the promise does. @throws Breach when it takes longer: something stands still */
export async function within<T>(limitMs: number, what: string, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new Breach(`stands still: ${what} did not come in ${limitMs} ms`)),
    limitMs,
  )
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
