/** Waiting that a signal can end. */

/** Rejects with `signal.reason` when it is aborted first; what is waited for goes on, others may wait for it too. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the caller's own reason, whatever it is
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
