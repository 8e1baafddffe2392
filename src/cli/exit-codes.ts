/** What the exit code tells; one table for the code, `longhaul help exit` and the tests. */
import type { ErrorCode } from '../contract/errors.ts'

export const exitCodes = {
  done: 0,
  bug: 1,
  usage: 2,
  network: 3,
  httpStatus: 4,
  tls: 5,
  credentials: 6,
  file: 7,
  diskFull: 8,
  wrongBytes: 9,
  cancelled: 10,
  several: 11,
  notFound: 12,
  daemon: 13,
  exists: 14,
  timeout: 124,
  interrupted: 130,
  readerClosed: 141,
  terminated: 143,
} as const

export const exitMeanings: readonly (readonly [code: number, meaning: string])[] = [
  [0, 'all done'],
  [1, 'a bug in Longhaul'],
  [2, 'wrong usage'],
  [3, 'the network or the server gave up (deadline, tries, five minutes without a byte)'],
  [4, 'the server answered with another HTTP status'],
  [5, 'TLS, certificate, or a redirect that is not safe'],
  [6, 'credentials'],
  [7, 'file or folder'],
  [8, 'disk full or quota'],
  [9, 'wrong digest or length, or the file kept changing'],
  [10, 'cancelled by someone, or a task that had to come before it failed'],
  [11, 'several different causes'],
  [12, 'no such task or session'],
  [13, 'daemon unavailable, protocol mismatch or damaged journal'],
  [14, 'refused: the file exists'],
  [124, '`wait --timeout` ran out (the work goes on)'],
  [130, 'left with Ctrl-C (the work goes on)'],
  [137, '`daemon run`: the daemon was killed, or ended itself after a fault inside it, which stderr names'],
  [141, 'the reader of the output closed it (the work goes on)'],
  [143, 'left by SIGTERM or a closed terminal (the work goes on)'],
]

/** Every code, so that a new one cannot be forgotten here. */
const byError: Readonly<Record<ErrorCode, number>> = {
  BAD_URL: exitCodes.usage,
  UNSUPPORTED_URL: exitCodes.usage,
  INVALID_ARGUMENT: exitCodes.usage,
  RESUME_DATA_INVALID: exitCodes.usage,
  CONFIGURATION_MISMATCH: exitCodes.usage,
  NOT_MAIN_THREAD: exitCodes.usage,
  COMPLETION_HANDLER_REUSED: exitCodes.usage,
  SESSION_IN_USE: exitCodes.usage,
  SESSION_TAKEN_OVER: exitCodes.usage,

  TIMED_OUT: exitCodes.network,
  CANNOT_FIND_HOST: exitCodes.network,
  CANNOT_CONNECT_TO_HOST: exitCodes.network,
  NETWORK_CONNECTION_LOST: exitCodes.network,
  NOT_CONNECTED_TO_INTERNET: exitCodes.network,
  TOO_MANY_REDIRECTS: exitCodes.network,
  BAD_SERVER_RESPONSE: exitCodes.network,
  CANNOT_DECODE_CONTENT: exitCodes.network,
  STALLED: exitCodes.network,
  PROXY_FAILED: exitCodes.network,
  OUTCOME_UNKNOWN: exitCodes.network,

  HTTP_STATUS: exitCodes.httpStatus,

  SECURE_CONNECTION_FAILED: exitCodes.tls,
  SERVER_CERTIFICATE_HAS_BAD_DATE: exitCodes.tls,
  SERVER_CERTIFICATE_UNTRUSTED: exitCodes.tls,
  SERVER_CERTIFICATE_HAS_UNKNOWN_ROOT: exitCodes.tls,
  SERVER_CERTIFICATE_NOT_YET_VALID: exitCodes.tls,
  CLIENT_CERTIFICATE_REJECTED: exitCodes.tls,
  CLIENT_CERTIFICATE_REQUIRED: exitCodes.tls,
  INSECURE_REDIRECT: exitCodes.tls,

  USER_AUTHENTICATION_REQUIRED: exitCodes.credentials,
  USER_CANCELLED_AUTHENTICATION: exitCodes.credentials,

  FILE_DOES_NOT_EXIST: exitCodes.file,
  FILE_IS_DIRECTORY: exitCodes.file,
  NO_PERMISSIONS_TO_READ_FILE: exitCodes.file,
  CANNOT_CREATE_FILE: exitCodes.file,
  CANNOT_WRITE_TO_FILE: exitCodes.file,
  CANNOT_MOVE_FILE: exitCodes.file,
  DESTINATION_UNAVAILABLE: exitCodes.file,
  DESTINATION_BUSY: exitCodes.file,

  DESTINATION_EXISTS: exitCodes.exists,

  DISK_FULL: exitCodes.diskFull,
  QUOTA_EXCEEDED: exitCodes.diskFull,
  DATA_LENGTH_EXCEEDS_MAXIMUM: exitCodes.diskFull,

  LENGTH_MISMATCH: exitCodes.wrongBytes,
  DIGEST_MISMATCH: exitCodes.wrongBytes,
  REPRESENTATION_UNSTABLE: exitCodes.wrongBytes,
  UPLOAD_SOURCE_CHANGED: exitCodes.wrongBytes,

  CANCELLED: exitCodes.cancelled,
  DEPENDENCY_FAILED: exitCodes.cancelled,

  SESSION_INVALIDATED: exitCodes.notFound,

  DAEMON_UNAVAILABLE: exitCodes.daemon,
  PROTOCOL_MISMATCH: exitCodes.daemon,
  JOURNAL_DAMAGED: exitCodes.daemon,
  LAUNCH_FAILED: exitCodes.daemon,
}

export function exitCodeOf(code: ErrorCode): number {
  return byError[code]
}

/** Of a batch: the code if all failures share one, else `several`. */
export function exitCodeOfAll(codes: readonly ErrorCode[]): number {
  const different = new Set(codes.map(exitCodeOf))
  if (different.size === 0) return exitCodes.done
  return different.size === 1 ? [...different][0]! : exitCodes.several
}

/** Of a run that the person left, by the name of the signal. */
export function exitCodeOfSignal(name: string): number {
  if (name === 'SIGTERM' || name === 'SIGHUP') return exitCodes.terminated
  return name === 'SIGPIPE' ? exitCodes.readerClosed : exitCodes.interrupted
}
