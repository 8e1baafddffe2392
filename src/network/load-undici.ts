/**
 * undici, when the first request is sent: a daemon whose tasks all wait does without its memory (some 10 MiB). It is required, not
 * imported: an import that failed, because the package was being replaced at that moment, would fail for ever.
 */
import { createRequire } from 'node:module'
import type { Client } from 'undici'
import { LonghaulError } from '../contract/errors.ts'

const require = createRequire(import.meta.url)

/** @throws DAEMON_UNAVAILABLE, `retryable: true` */
export function loadUndici(): { readonly Client: typeof Client } {
  try {
    return require('undici') as { readonly Client: typeof Client }
  } catch (error) {
    throw new LonghaulError(
      'DAEMON_UNAVAILABLE',
      `The daemon could not load a part of itself (${String(error)}): its package is being replaced, or is gone. The attempt is made again.`,
      { cause: error, retryable: true, hint: 'Install the package again if it stays so; what was fetched is kept.' },
    )
  }
}
