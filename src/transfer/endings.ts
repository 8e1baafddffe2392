/**
 * How an attempt ends before it is finished: thrown where it is found, turned into the one outcome by `download`. The table
 * from what the network and the file system say to what a user reads and retry acts upon stands here and nowhere else.
 */
import { isLonghaulError, LonghaulError, type ErrorCode } from '../contract/errors.ts'
import { FileFailure } from '../world/file-system.ts'
import { NetworkFailure, type NetworkFailureCause } from '../world/transport.ts'
import type { Failure } from './assignment.ts'

/** The attempt failed. */
export class AttemptFailed extends Error {
  override readonly name = 'AttemptFailed'
  readonly error: LonghaulError
  readonly failure: Failure
  constructor(error: LonghaulError, failure: Failure) {
    super(error.message, { cause: error })
    this.error = error
    this.failure = failure
  }
}

/** A newer attempt or a cancel took over: close everything, tell nobody. */
export class AttemptFenced extends Error {
  override readonly name = 'AttemptFenced'
  constructor() {
    super('Another attempt, or a cancel, took over.')
  }
}

/** We were asked to stop. */
export class AttemptStopped extends Error {
  override readonly name = 'AttemptStopped'
  constructor() {
    super('The attempt was asked to stop.')
  }
}

/** Any thrown thing as something that can be thrown again. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** Throws {@link AttemptFenced} for the answer that says so; gives back every other. */
export function unfenced<T>(answer: T | 'fenced'): T {
  if (answer === 'fenced') throw new AttemptFenced()
  return answer
}

const network: Readonly<Record<Exclude<NetworkFailureCause, 'aborted'>, readonly [ErrorCode, Failure['kind']]>> = {
  'cannot find host': ['CANNOT_FIND_HOST', 'network'],
  'cannot connect': ['CANNOT_CONNECT_TO_HOST', 'network'],
  'no network': ['NOT_CONNECTED_TO_INTERNET', 'network'],
  'connection lost': ['NETWORK_CONNECTION_LOST', 'network'],
  'tls failed': ['SECURE_CONNECTION_FAILED', 'network'],
  'certificate has bad date': ['SERVER_CERTIFICATE_HAS_BAD_DATE', 'final'],
  'certificate not yet valid': ['SERVER_CERTIFICATE_NOT_YET_VALID', 'final'],
  'certificate untrusted': ['SERVER_CERTIFICATE_UNTRUSTED', 'final'],
  'certificate has unknown root': ['SERVER_CERTIFICATE_HAS_UNKNOWN_ROOT', 'final'],
  'client certificate required': ['CLIENT_CERTIFICATE_REQUIRED', 'final'],
  'client certificate rejected': ['CLIENT_CERTIFICATE_REJECTED', 'final'],
  'proxy failed': ['PROXY_FAILED', 'network'],
  'proxy refused': ['PROXY_FAILED', 'final'],
  'malformed answer': ['BAD_SERVER_RESPONSE', 'malformed'],
  'body too short': ['NETWORK_CONNECTION_LOST', 'network'],
  'body too long': ['LENGTH_MISMATCH', 'malformed'],
}

/** Any thrown thing as the ending that it means. */
export function asEnding(thrown: unknown): AttemptFailed | AttemptFenced | AttemptStopped {
  if (thrown instanceof AttemptFailed || thrown instanceof AttemptFenced || thrown instanceof AttemptStopped)
    return thrown
  if (thrown instanceof NetworkFailure) {
    if (thrown.reason === 'aborted') return new AttemptStopped()
    const [code, kind] = network[thrown.reason]
    const error = new LonghaulError(code, thrown.message, {
      cause: thrown,
      // For most the code says it; a proxy may fail in either way.
      retryable: kind === 'final' ? false : undefined,
    })
    return new AttemptFailed(error, { kind } as Failure)
  }
  if (thrown instanceof FileFailure) return fileEnding(thrown)
  if (isLonghaulError(thrown)) return new AttemptFailed(thrown, { kind: thrown.retryable ? 'network' : 'final' })
  const said = thrown instanceof Error ? thrown.message : String(thrown)
  // Not foreseen, so nobody can say whether it happens again: like a malformed answer it is tried once more, then final.
  return new AttemptFailed(
    new LonghaulError('BAD_SERVER_RESPONSE', `Something unforeseen ended the attempt: ${said}`, {
      cause: thrown,
      hint: 'Please report this with the log of the daemon; `longhaul retry TASK` goes on from the bytes that were kept.',
    }),
    { kind: 'malformed' },
  )
}

function fileEnding(failure: FileFailure): AttemptFailed {
  const ended = (
    code: ErrorCode,
    kind: Exclude<Failure['kind'], 'digest'>,
    what: string,
    more?: { readonly diskFailed: true },
  ): AttemptFailed =>
    new AttemptFailed(
      new LonghaulError(code, `${what} (${failure.path})`, {
        cause: failure,
        // For most the code says it; that a file cannot be created may pass.
        retryable: kind === 'network' ? true : undefined,
      }),
      { kind, ...more },
    )
  switch (failure.reason) {
    case 'no space':
      return ended('DISK_FULL', 'disk full', 'The disk became full while writing; the bytes that are safe are kept')
    case 'not found':
    case 'not a folder':
    case 'read only':
    case 'no permission':
    case 'other device':
      return ended(
        'DESTINATION_UNAVAILABLE',
        'destination unavailable',
        failure.reason === 'read only' || failure.reason === 'no permission'
          ? `The destination may not be written to: ${failure.reason}`
          : `The destination is gone: ${failure.reason}`,
      )
    case 'too many open files':
      return ended('CANNOT_CREATE_FILE', 'network', 'Too many files are open (`ulimit -n` of the daemon)')
    case 'busy':
      return ended('CANNOT_WRITE_TO_FILE', 'network', 'The file is in use by another program')
    case 'sync lost':
    case 'input/output':
      return ended(
        'CANNOT_WRITE_TO_FILE',
        'network',
        'The disk did not keep what was written; what is not surely on it does not count',
        { diskFailed: true },
      )
    case 'is a folder':
      return ended('CANNOT_MOVE_FILE', 'final', 'There is a folder in the place of the file; the bytes are kept')
    case 'exists':
    case 'link':
    case 'name too long':
    case 'not supported':
      return ended('CANNOT_CREATE_FILE', 'final', `The file could not be created: ${failure.reason}`)
  }
}
