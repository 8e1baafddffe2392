import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exitCodeOf, exitCodeOfAll, exitCodeOfSignal, exitCodes, exitMeanings } from '../../src/cli/exit-codes.ts'
import { errorCodes } from '../../src/contract/errors.ts'
import type { ErrorCode } from '../../src/contract/errors.ts'

test('every error code has an exit code whose meaning is written down', () => {
  const told = new Set(exitMeanings.map(([code]) => code))
  for (const code of errorCodes) {
    assert.ok(told.has(exitCodeOf(code)), code)
    assert.notEqual(exitCodeOf(code), exitCodes.done)
    assert.notEqual(exitCodeOf(code), exitCodes.bug, code)
  }
  for (const code of Object.values(exitCodes)) assert.ok(told.has(code), String(code))
})

test('errors that scripts tell apart have exit codes of their own', () => {
  const expected: readonly (readonly [ErrorCode, number])[] = [
    ['INVALID_ARGUMENT', 2],
    ['TIMED_OUT', 3],
    ['CANNOT_FIND_HOST', 3],
    ['HTTP_STATUS', 4],
    ['SERVER_CERTIFICATE_HAS_BAD_DATE', 5],
    ['USER_AUTHENTICATION_REQUIRED', 6],
    ['CANNOT_CREATE_FILE', 7],
    ['DISK_FULL', 8],
    ['DIGEST_MISMATCH', 9],
    ['CANCELLED', 10],
    ['DAEMON_UNAVAILABLE', 13],
    ['DESTINATION_EXISTS', 14],
  ]
  for (const [code, exit] of expected) assert.equal(exitCodeOf(code), exit, code)
})

test('a batch exits with the code that all failures share, else with 11', () => {
  assert.equal(exitCodeOfAll([]), 0)
  assert.equal(exitCodeOfAll(['HTTP_STATUS', 'HTTP_STATUS']), 4)
  assert.equal(exitCodeOfAll(['CANNOT_FIND_HOST', 'STALLED']), 3)
  assert.equal(exitCodeOfAll(['HTTP_STATUS', 'STALLED']), 11)
})

test('a run that was left exits as shells expect it of its signal', () => {
  assert.deepEqual(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'].map(exitCodeOfSignal), [130, 143, 143, 141])
})
