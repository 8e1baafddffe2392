import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { Failure } from '../../src/transfer/assignment.ts'
import { asEnding, AttemptFailed, AttemptStopped } from '../../src/transfer/endings.ts'
import { FileFailure, type FileFailureCause } from '../../src/world/file-system.ts'
import { NetworkFailure, type NetworkFailureCause } from '../../src/world/transport.ts'

function failed(thrown: unknown): readonly [code: string, kind: Failure['kind']] {
  const ending = asEnding(thrown)
  assert.ok(ending instanceof AttemptFailed)
  return [ending.error.code, ending.failure.kind]
}

test('every way in which the network fails has its code, and only certificates and a proxy that refuses are final', () => {
  const expected: Record<Exclude<NetworkFailureCause, 'aborted'>, readonly [string, Failure['kind']]> = {
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
  for (const [reason, [code, kind]] of Object.entries(expected)) {
    const failure = new NetworkFailure(reason as NetworkFailureCause, 'body', 'said the network')
    assert.deepEqual(failed(failure), [code, kind], reason)
    const ending = asEnding(failure)
    assert.ok(ending instanceof AttemptFailed)
    if (kind === 'final') assert.equal(ending.error.retryable, false, reason)
  }
  assert.ok(asEnding(new NetworkFailure('aborted', 'body', 'stop')) instanceof AttemptStopped)
})

test('every way in which a file fails is waited for, tried again or final', () => {
  const expected: Record<FileFailureCause, readonly [string, Failure['kind']]> = {
    'not found': ['DESTINATION_UNAVAILABLE', 'destination unavailable'],
    'not a folder': ['DESTINATION_UNAVAILABLE', 'destination unavailable'],
    'no permission': ['DESTINATION_UNAVAILABLE', 'destination unavailable'],
    'read only': ['DESTINATION_UNAVAILABLE', 'destination unavailable'],
    'other device': ['DESTINATION_UNAVAILABLE', 'destination unavailable'],
    'no space': ['DISK_FULL', 'disk full'],
    'too many open files': ['CANNOT_CREATE_FILE', 'network'],
    busy: ['CANNOT_WRITE_TO_FILE', 'network'],
    'sync lost': ['CANNOT_WRITE_TO_FILE', 'network'],
    'input/output': ['CANNOT_WRITE_TO_FILE', 'network'],
    'is a folder': ['CANNOT_MOVE_FILE', 'final'],
    exists: ['CANNOT_CREATE_FILE', 'final'],
    link: ['CANNOT_CREATE_FILE', 'final'],
    'name too long': ['CANNOT_CREATE_FILE', 'final'],
    'not supported': ['CANNOT_CREATE_FILE', 'final'],
  }
  for (const [reason, [code, kind]] of Object.entries(expected))
    assert.deepEqual(failed(new FileFailure(reason as FileFailureCause, '/x/y')), [code, kind], reason)
})

test('no message of a file that fails promises another try: it may have been the last', () => {
  for (const reason of ['too many open files', 'busy', 'sync lost', 'input/output'] as const) {
    const ending = asEnding(new FileFailure(reason, '/x/y'))
    assert.ok(ending instanceof AttemptFailed)
    assert.doesNotMatch(ending.error.message, /again|by itself/, reason)
  }
})

test('an error that is ours stays what it is, and one that nobody foresaw is tried only once more', () => {
  assert.deepEqual(failed(new LonghaulError('BAD_URL', 'no')), ['BAD_URL', 'final'])
  assert.deepEqual(failed(new LonghaulError('DAEMON_UNAVAILABLE', 'no')), ['DAEMON_UNAVAILABLE', 'network'])
  assert.deepEqual(failed(new TypeError('of undefined')), ['BAD_SERVER_RESPONSE', 'malformed'])
  assert.deepEqual(failed('a string'), ['BAD_SERVER_RESPONSE', 'malformed'])
})
