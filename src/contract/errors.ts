/**
 * Every error a user can meet, in one table. The class, the union of codes, the tests and the reference page
 * (`docs/errors.md`, `longhaul explain CODE`) all come from {@link errorTable}; add a code here and nowhere else.
 *
 * It is long because it is that table, a row a code, and beside it only the class that carries a row.
 *
 * Errors cross a socket and may meet a second copy of this package, so they are recognised by a brand, never by
 * `instanceof`: use {@link isLonghaulError}.
 */

/** What is known about one code. `urlErrorCode` is Apple's number (NSURLError.h) where Apple has one. */
export interface ErrorEntry {
  readonly urlErrorCode?: number
  /** Whether doing the same again later, unchanged, may succeed. */
  readonly retryable: boolean
  /** What happened, in one sentence a user can read. */
  readonly meaning: string
  /** What the user can do about it. */
  readonly hint: string
}

export type ErrorCode =
  | 'CANCELLED'
  | 'BAD_URL'
  | 'TIMED_OUT'
  | 'UNSUPPORTED_URL'
  | 'CANNOT_FIND_HOST'
  | 'CANNOT_CONNECT_TO_HOST'
  | 'NETWORK_CONNECTION_LOST'
  | 'TOO_MANY_REDIRECTS'
  | 'NOT_CONNECTED_TO_INTERNET'
  | 'BAD_SERVER_RESPONSE'
  | 'USER_CANCELLED_AUTHENTICATION'
  | 'USER_AUTHENTICATION_REQUIRED'
  | 'CANNOT_DECODE_CONTENT'
  | 'FILE_DOES_NOT_EXIST'
  | 'FILE_IS_DIRECTORY'
  | 'NO_PERMISSIONS_TO_READ_FILE'
  | 'DATA_LENGTH_EXCEEDS_MAXIMUM'
  | 'SECURE_CONNECTION_FAILED'
  | 'SERVER_CERTIFICATE_HAS_BAD_DATE'
  | 'SERVER_CERTIFICATE_UNTRUSTED'
  | 'SERVER_CERTIFICATE_HAS_UNKNOWN_ROOT'
  | 'SERVER_CERTIFICATE_NOT_YET_VALID'
  | 'CLIENT_CERTIFICATE_REJECTED'
  | 'CLIENT_CERTIFICATE_REQUIRED'
  | 'CANNOT_CREATE_FILE'
  | 'CANNOT_WRITE_TO_FILE'
  | 'CANNOT_MOVE_FILE'
  | 'HTTP_STATUS'
  | 'STALLED'
  | 'LENGTH_MISMATCH'
  | 'DIGEST_MISMATCH'
  | 'REPRESENTATION_UNSTABLE'
  | 'INSECURE_REDIRECT'
  | 'PROXY_FAILED'
  | 'RESUME_DATA_INVALID'
  | 'SESSION_IN_USE'
  | 'SESSION_TAKEN_OVER'
  | 'SESSION_INVALIDATED'
  | 'CONFIGURATION_MISMATCH'
  | 'DESTINATION_EXISTS'
  | 'DESTINATION_BUSY'
  | 'DESTINATION_UNAVAILABLE'
  | 'DISK_FULL'
  | 'UPLOAD_SOURCE_CHANGED'
  | 'OUTCOME_UNKNOWN'
  | 'DEPENDENCY_FAILED'
  | 'QUOTA_EXCEEDED'
  | 'LAUNCH_FAILED'
  | 'JOURNAL_DAMAGED'
  | 'DAEMON_UNAVAILABLE'
  | 'PROTOCOL_MISMATCH'
  | 'NOT_MAIN_THREAD'
  | 'COMPLETION_HANDLER_REUSED'
  | 'INVALID_ARGUMENT'

/** Of what can pass: the same failure is seen of a task that waits, and of one whose time ran out. */
const again =
  'A task that waits goes on by itself from the bytes that are safe; one that has ended does with `longhaul retry TASK`.'

export const errorTable: Readonly<Record<ErrorCode, ErrorEntry>> = {
  CANCELLED: {
    urlErrorCode: -999,
    retryable: false,
    meaning: 'The task was cancelled.',
    hint: 'Nothing to do; `longhaul retry TASK` starts it again from the bytes that were kept.',
  },
  BAD_URL: {
    urlErrorCode: -1000,
    retryable: false,
    meaning: 'The address is not a valid URL.',
    hint: 'Write it in full, as in https://example.com/file.',
  },
  TIMED_OUT: {
    urlErrorCode: -1001,
    retryable: true,
    meaning:
      'The deadline of the task passed (timeoutIntervalForResource); the cause is the error of its last attempt.',
    hint: 'Look at the cause; `longhaul retry TASK` goes on from the bytes that were kept.',
  },
  UNSUPPORTED_URL: {
    urlErrorCode: -1002,
    retryable: false,
    meaning: 'The scheme of the address is not supported.',
    hint: 'Use an http:// or https:// address.',
  },
  CANNOT_FIND_HOST: {
    urlErrorCode: -1003,
    retryable: true,
    meaning: 'The name of the host could not be found.',
    hint: `Check the spelling and the network. ${again}`,
  },
  CANNOT_CONNECT_TO_HOST: {
    urlErrorCode: -1004,
    retryable: true,
    meaning: 'The host refused the connection or did not answer.',
    hint: `Check that the server runs. ${again}`,
  },
  NETWORK_CONNECTION_LOST: {
    urlErrorCode: -1005,
    retryable: true,
    meaning: 'The connection broke before everything had arrived.',
    hint: again,
  },
  TOO_MANY_REDIRECTS: {
    urlErrorCode: -1007,
    retryable: false,
    meaning: 'The server redirected more than 20 times.',
    hint: 'Use the final address, or tell the operator of the server about the loop.',
  },
  NOT_CONNECTED_TO_INTERNET: {
    urlErrorCode: -1009,
    retryable: true,
    meaning: 'There is no route to the network.',
    hint: `Connect this machine to a network. ${again}`,
  },
  BAD_SERVER_RESPONSE: {
    urlErrorCode: -1011,
    retryable: true,
    meaning: 'The answer of the server broke the rules of HTTP.',
    hint: 'Trying again rarely helps. Tell the operator of the server, or look for a proxy in between.',
  },
  USER_CANCELLED_AUTHENTICATION: {
    urlErrorCode: -1012,
    retryable: false,
    meaning: 'The app refused to answer a challenge.',
    hint: 'Answer the challenge with a credential.',
  },
  USER_AUTHENTICATION_REQUIRED: {
    urlErrorCode: -1013,
    retryable: false,
    meaning: 'The server wants credentials (401).',
    hint: 'Set credentials for the origin (session.setCredential), write them into the address, or send an Authorization header.',
  },
  CANNOT_DECODE_CONTENT: {
    urlErrorCode: -1016,
    retryable: false,
    meaning: 'The body is coded in a way that was not asked for.',
    hint: 'Ask the operator of the server to honour Accept-Encoding: identity.',
  },
  FILE_DOES_NOT_EXIST: {
    urlErrorCode: -1100,
    retryable: false,
    meaning: 'The file or folder does not exist.',
    hint: 'Check the path.',
  },
  FILE_IS_DIRECTORY: {
    urlErrorCode: -1101,
    retryable: false,
    meaning: 'There is a folder where a file is wanted.',
    hint: 'Give the path of a file, or end the path with a separator to mean the folder.',
  },
  NO_PERMISSIONS_TO_READ_FILE: {
    urlErrorCode: -1102,
    retryable: false,
    meaning: 'The file may not be read.',
    hint: 'Change its permissions, or choose another file.',
  },
  DATA_LENGTH_EXCEEDS_MAXIMUM: {
    urlErrorCode: -1103,
    retryable: false,
    meaning: 'The data are larger than is allowed here.',
    hint: 'Send less; the message names the limit.',
  },
  SECURE_CONNECTION_FAILED: {
    urlErrorCode: -1200,
    retryable: true,
    meaning: 'No secure connection could be made.',
    hint: `Check the TLS settings of the server. ${again}`,
  },
  SERVER_CERTIFICATE_HAS_BAD_DATE: {
    urlErrorCode: -1201,
    retryable: false,
    meaning: 'The certificate of the server has expired.',
    hint: 'Check the clock of this machine; else the operator has to renew the certificate.',
  },
  SERVER_CERTIFICATE_UNTRUSTED: {
    urlErrorCode: -1202,
    retryable: false,
    meaning: 'The certificate of the server is not trusted, or belongs to another name.',
    hint: 'Check the address; add the authority with tls.ca if it is yours, and compare tls.pins if there are any.',
  },
  SERVER_CERTIFICATE_HAS_UNKNOWN_ROOT: {
    urlErrorCode: -1203,
    retryable: false,
    meaning: 'The certificate of the server was signed by an unknown authority.',
    hint: 'Add the authority with tls.ca (command line: --ca FILE).',
  },
  SERVER_CERTIFICATE_NOT_YET_VALID: {
    urlErrorCode: -1204,
    retryable: false,
    meaning: 'The certificate of the server is not valid yet.',
    hint: 'Check the clock of this machine.',
  },
  CLIENT_CERTIFICATE_REJECTED: {
    urlErrorCode: -1205,
    retryable: false,
    meaning: 'The server refused the client certificate.',
    hint: 'Name another one with tls.clientCertificate (command line: --cert FILE).',
  },
  CLIENT_CERTIFICATE_REQUIRED: {
    urlErrorCode: -1206,
    retryable: false,
    meaning: 'The server wants a client certificate.',
    hint: 'Name one with tls.clientCertificate (command line: --cert FILE).',
  },
  CANNOT_CREATE_FILE: {
    urlErrorCode: -3000,
    retryable: false,
    meaning: 'The file could not be created.',
    hint: 'Check that the folder exists and may be written to.',
  },
  CANNOT_WRITE_TO_FILE: {
    urlErrorCode: -3003,
    retryable: true,
    meaning: 'Writing to the file failed.',
    hint: `Check the disk. ${again}`,
  },
  CANNOT_MOVE_FILE: {
    urlErrorCode: -3005,
    retryable: false,
    meaning: 'The finished file could not be put in its place; its bytes are kept.',
    hint: 'Clear the place and `longhaul retry TASK`, or retry with another destination.',
  },
  HTTP_STATUS: {
    retryable: false,
    meaning: 'The server answered with a status that is not acceptable.',
    hint: 'Look at the status and the first bytes of the answer (`error.status`, `error.body`).',
  },
  STALLED: {
    retryable: true,
    meaning:
      'No byte came for as long as timeoutIntervalForRequest allows, or the head of an answer took ten times as long.',
    hint: 'Nothing to do; the next attempt begins by itself.',
  },
  LENGTH_MISMATCH: {
    retryable: true,
    meaning:
      'The body was shorter or longer than it should have been. One that is longer than announced is fetched once more.',
    hint: 'Check expectedLength; if the server is wrong, tell its operator.',
  },
  DIGEST_MISMATCH: {
    retryable: false,
    meaning:
      'A file does not have the digest that you expect or that its server announced; if it was fetched, it was thrown away.',
    hint: 'Check the digest that you expect; if it is right, the server has another file, or a proxy changed it.',
  },
  REPRESENTATION_UNSTABLE: {
    retryable: true,
    meaning: 'The server gave other bytes each time, so a whole file never came together.',
    hint: 'Wait until the file no longer changes, then retry.',
  },
  INSECURE_REDIRECT: {
    retryable: false,
    meaning: 'The server redirected from https to http, to another scheme, or from a public to a private address.',
    hint: 'Use the final address yourself if you trust it.',
  },
  PROXY_FAILED: {
    retryable: true,
    meaning: 'The proxy refused or failed.',
    hint: 'The message says what is wrong. Check `proxy` (command line: --proxy), else the settings that the daemon sees (`longhaul daemon status`).',
  },
  RESUME_DATA_INVALID: {
    retryable: false,
    meaning: 'The resume data are forged, foreign, spent or stale.',
    hint: 'Start a new task.',
  },
  SESSION_IN_USE: {
    retryable: true,
    meaning: 'Another process, or another object in this one, already receives the events of this session.',
    hint: 'Close the other one, open without a delegate, or pass takeover: true.',
  },
  SESSION_TAKEN_OVER: {
    retryable: false,
    meaning: 'Another process took this session over.',
    hint: 'Open it again with takeover: true if this process should have it.',
  },
  SESSION_INVALIDATED: {
    retryable: false,
    meaning: 'The session was invalidated; it takes no more tasks.',
    hint: 'Wait for didBecomeInvalid, then open it anew.',
  },
  CONFIGURATION_MISMATCH: {
    retryable: false,
    meaning: 'The session is stored with another configuration.',
    hint: 'Open without strictConfiguration to apply the new values to tasks that have not started.',
  },
  DESTINATION_EXISTS: {
    retryable: false,
    meaning: 'There is already a file at the destination.',
    hint: 'Choose another name, or ifExists: replace or keepBoth (command line: --force, --keep-both).',
  },
  DESTINATION_BUSY: {
    retryable: false,
    meaning: 'Another task that has not ended writes to the same destination.',
    hint: 'Wait for that task or cancel it, or choose another name.',
  },
  DESTINATION_UNAVAILABLE: {
    retryable: true,
    meaning: 'The folder of the destination is gone or is on another device.',
    hint: 'Bring it back; the task goes on by itself.',
  },
  DISK_FULL: {
    retryable: true,
    meaning: 'The disk has no room.',
    hint: 'Free some space; the task goes on by itself.',
  },
  UPLOAD_SOURCE_CHANGED: {
    retryable: false,
    meaning: 'The file to upload changed after it was enqueued.',
    hint: 'Enqueue it again.',
  },
  OUTCOME_UNKNOWN: {
    retryable: false,
    meaning: 'The request was sent whole but its answer was lost, and it is not safe to send it again.',
    hint: 'Ask the server whether it arrived; then retry if it did not.',
  },
  DEPENDENCY_FAILED: {
    retryable: false,
    meaning: 'A task that had to succeed before this one did not.',
    hint: 'Retry that task, then this one.',
  },
  QUOTA_EXCEEDED: {
    retryable: false,
    meaning: 'The task alone is larger than the quota of its session.',
    hint: 'Raise the quota.',
  },
  LAUNCH_FAILED: {
    retryable: true,
    meaning: 'The launch command could not be started.',
    hint: 'Check command, cwd and permissions; nothing is lost and it is tried again.',
  },
  JOURNAL_DAMAGED: {
    retryable: false,
    meaning: 'The journal of the daemon is damaged or was written by a newer version.',
    hint: 'It was kept as it is; the message names the file and what to do.',
  },
  DAEMON_UNAVAILABLE: {
    retryable: true,
    meaning: 'The daemon could not be started or reached.',
    hint: 'Look at `longhaul daemon status` and at the log that the message names.',
  },
  PROTOCOL_MISMATCH: {
    retryable: false,
    meaning: 'The daemon and this client speak different protocol versions, or the other end is not a Longhaul daemon.',
    hint: 'Use one version of longhaul for both; `longhaul daemon stop` ends the old daemon once its transfers are safe.',
  },
  NOT_MAIN_THREAD: {
    retryable: false,
    meaning: 'Launch events are handled on the main thread only.',
    hint: 'Call handleEventsForBackgroundSession and its completion handler on the main thread.',
  },
  COMPLETION_HANDLER_REUSED: {
    retryable: false,
    meaning: 'The completion handler was called twice.',
    hint: 'Call it once, after the last change to what the app shows.',
  },
  INVALID_ARGUMENT: {
    retryable: false,
    meaning: 'An argument is not what it should be.',
    hint: 'The message names the argument and shows what is accepted.',
  },
}

export const errorCodes = Object.keys(errorTable) as readonly ErrorCode[]

/** What an error carries beside its code and message. */
export interface ErrorDetails {
  readonly cause?: unknown
  /** Id of the task it is about. */
  readonly task?: string | undefined
  /** HTTP status. */
  readonly status?: number | undefined
  /** First 64 KiB of the answer of an `HTTP_STATUS` failure. */
  readonly body?: Uint8Array | undefined
  /** Of a refused `enqueue`: the row. */
  readonly index?: number | undefined
  /** Of a refused `enqueue`: how many rows before it are durable. */
  readonly added?: number | undefined
  /** Of `SESSION_IN_USE`: the process that owns the session. */
  readonly ownerPid?: number | undefined
  /** Replaces the hint of the table where more is known. */
  readonly hint?: string | undefined
  /** Replaces the table's answer where more is known. */
  readonly retryable?: boolean | undefined
}

/** The plain form that crosses a socket or a thread, stands in the journal and is printed by `--json`. */
export interface ErrorJson {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string
  readonly retryable: boolean
  readonly urlErrorCode?: number
  readonly task?: string
  readonly status?: number
  /** Base64. */
  readonly body?: string
  readonly index?: number
  readonly added?: number
  readonly ownerPid?: number
  readonly cause?: ErrorJson | { readonly message: string; readonly code?: string }
}

const brand: symbol = Symbol.for('longhaul.LonghaulError')

/** The one class of everything that Longhaul throws, rejects with, or reports as the end of a task. */
export class LonghaulError extends Error {
  override readonly name = 'LonghaulError'
  readonly code: ErrorCode
  // Declared only: what is not known must not be there, not even as undefined, when an error is printed.
  declare readonly urlErrorCode?: number
  declare readonly task?: string
  declare readonly status?: number
  declare readonly body?: Uint8Array
  declare readonly index?: number
  declare readonly added?: number
  declare readonly ownerPid?: number
  readonly retryable: boolean
  readonly hint: string

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    // Not enumerable, so that printing an error shows what matters.
    Object.defineProperty(this, brand, { value: true })
    const entry = errorTable[code]
    this.code = code
    this.retryable = details.retryable ?? entry.retryable
    this.hint = details.hint ?? entry.hint
    if (entry.urlErrorCode !== undefined) this.urlErrorCode = entry.urlErrorCode
    if (details.task !== undefined) this.task = details.task
    if (details.status !== undefined) this.status = details.status
    if (details.body !== undefined) this.body = details.body
    if (details.index !== undefined) this.index = details.index
    if (details.added !== undefined) this.added = details.added
    if (details.ownerPid !== undefined) this.ownerPid = details.ownerPid
  }

  toJSON(): ErrorJson {
    return {
      code: this.code,
      message: this.message,
      hint: this.hint,
      retryable: this.retryable,
      ...(this.urlErrorCode !== undefined && { urlErrorCode: this.urlErrorCode }),
      ...(this.task !== undefined && { task: this.task }),
      ...(this.status !== undefined && { status: this.status }),
      ...(this.body !== undefined && { body: Buffer.from(this.body).toString('base64') }),
      ...(this.index !== undefined && { index: this.index }),
      ...(this.added !== undefined && { added: this.added }),
      ...(this.ownerPid !== undefined && { ownerPid: this.ownerPid }),
      ...(this.cause !== undefined && { cause: causeToJson(this.cause) }),
    }
  }

  /** The inverse of {@link LonghaulError.toJSON}. */
  static fromJSON(json: ErrorJson): LonghaulError {
    const cause = json.cause
    return new LonghaulError(json.code, json.message, {
      ...json,
      body: json.body === undefined ? undefined : Buffer.from(json.body, 'base64'),
      cause:
        cause === undefined
          ? undefined
          : 'hint' in cause
            ? LonghaulError.fromJSON(cause)
            : Object.assign(new Error(cause.message), cause.code === undefined ? {} : { code: cause.code }),
    })
  }
}

function causeToJson(cause: unknown): NonNullable<ErrorJson['cause']> {
  if (isLonghaulError(cause)) return cause.toJSON()
  if (cause instanceof Error)
    return { message: cause.message, ...('code' in cause && typeof cause.code === 'string' && { code: cause.code }) }
  return { message: String(cause) }
}

/** True for a `LonghaulError` of this or another copy of the package; with `code`, only for that one. */
export function isLonghaulError(error: unknown): error is LonghaulError
export function isLonghaulError<C extends ErrorCode>(
  error: unknown,
  code: C,
): error is LonghaulError & { readonly code: C }
export function isLonghaulError(error: unknown, code?: ErrorCode): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    brand in error &&
    (code === undefined || (error as LonghaulError).code === code)
  )
}

/** Any thrown thing as a `LonghaulError`: itself if it is one, else wrapped under `code` with itself as the cause. */
export function asLonghaulError(error: unknown, code: ErrorCode, message?: string): LonghaulError {
  if (isLonghaulError(error)) return error
  return new LonghaulError(code, message ?? (error instanceof Error ? error.message : String(error)), { cause: error })
}
