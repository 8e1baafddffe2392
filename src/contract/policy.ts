/** How requests are made, judged and repeated: what a session sets for all its tasks, and a task for itself. */
import type { ClientCertificate } from './secret-reference.ts'
import type { DurationLike } from './units.ts'

export type StatusRule = number | { readonly from: number; readonly to: number }

export interface RetryPolicy {
  /** @default unlimited: until the deadline */
  readonly maximumAttempts?: number | undefined
  /** @default '1s' */
  readonly initialDelay?: DurationLike | undefined
  /** @default '10m' */
  readonly maximumDelay?: DurationLike | undefined
  readonly nonIdempotent?: boolean | undefined
}

export interface RetryJson {
  readonly maximumAttempts?: number
  readonly initialDelayMs: number
  readonly maximumDelayMs: number
}

export interface TlsOptions {
  readonly minimumVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  readonly maximumVersion?: 'TLSv1.2' | 'TLSv1.3' | undefined
  /** PEM; trusted beside the system's roots. */
  readonly ca?: readonly string[] | undefined
  /** Shown to the server that the task names, if it asks; never to another one that it redirects to. */
  readonly clientCertificate?: ClientCertificate | undefined
  /**
   * `sha256/` and the Base64 of the SHA-256 of a public key (SubjectPublicKeyInfo, RFC 7469). One certificate of the chain
   * that was verified must have one of them; that holds for each server that a redirect leads to.
   */
  readonly pins?: readonly string[] | undefined
}
