// The next attempt: its bounds for all inputs, and each way to the end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LonghaulError } from '../../src/contract/errors.ts'
import {
  type AttemptHistory,
  backoffCapMs,
  type Failure,
  maximumRestarts,
  nextAttempt,
} from '../../src/scheduler/retry.ts'
import type { Random } from '../../src/world/clock.ts'

const policy = { initialDelayMs: 1000, maximumDelayMs: 600_000 }
const nowMs = 50_000
const lost = new LonghaulError('NETWORK_CONNECTION_LOST', 'cut')
const busy = new LonghaulError('HTTP_STATUS', '503', { status: 503 })
const network: Failure = { kind: 'network' }

function history(more: Partial<AttemptHistory> = {}): AttemptHistory {
  return {
    policy,
    progressed: false,
    failed: 0,
    failures: 0,
    lastCode: undefined,
    restarts: 0,
    digestFailures: 0,
    deadlineAtMs: undefined,
    giveUpAfterMs: undefined,
    startedAtMs: nowMs,
    silentMs: 0,
    stallMs: 60_000,
    ...more,
  }
}

function drawing(fraction: number): Random {
  return { fraction: () => fraction, bytes: (count) => new Uint8Array(count) }
}

const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
const somePolicy = fc.record({
  initialDelayMs: fc.integer({ min: 0, max: 100_000 }),
  maximumDelayMs: fc.integer({ min: 0, max: 10_000_000 }),
})

test('the delay is drawn between nothing and the cap, whatever the policy and the history', () => {
  fc.assert(
    fc.property(somePolicy, fc.nat(5000), fc.boolean(), fraction, (given, failures, progressed, drawn) => {
      const next = nextAttempt(history({ policy: given, failures, progressed }), network, lost, nowMs, drawing(drawn))
      assert.equal(next.kind, 'retry')
      const delay = next.kind === 'retry' ? next.wakeAtMs - nowMs : Number.NaN
      const cap = backoffCapMs(given, progressed ? 0 : failures)
      assert.ok(delay >= 0 && delay <= cap, `${delay} of ${cap}`)
      assert.ok(Math.abs(delay - drawn * cap) < 0.001, 'full jitter: the whole range is used evenly')
    }),
  )
})

test('the cap doubles with each failure in a row, never falls, and never passes the maximum', () => {
  fc.assert(
    fc.property(somePolicy, fc.nat(5000), (given, failures) => {
      const cap = backoffCapMs(given, failures)
      const next = backoffCapMs(given, failures + 1)
      assert.ok(Number.isFinite(cap) && cap <= given.maximumDelayMs && next >= cap)
      if (failures < 60 && cap < given.maximumDelayMs) assert.equal(next, Math.min(cap * 2, given.maximumDelayMs))
    }),
  )
})

test('by default waits grow from at most 1 s to at most 10 min', () => {
  const caps = [0, 1, 2, 3, 9, 10, 40].map((failures) => backoffCapMs(policy, failures))
  assert.deepEqual(caps, [1000, 2000, 4000, 8000, 512_000, 600_000, 600_000])
})

test('what a server asked for is never shortened', () => {
  fc.assert(
    fc.property(fc.nat(20), fc.nat(10_000_000), fraction, (failures, retryAfterMs, drawn) => {
      const next = nextAttempt(
        history({ failures }),
        { kind: 'network', retryAfterMs, originWide: true },
        busy,
        nowMs,
        drawing(drawn),
      )
      assert.ok(next.kind === 'retry' && next.wakeAtMs >= nowMs + retryAfterMs)
      assert.equal(next.serverAsked, retryAfterMs > 0)
      assert.equal(next.reopensAtMs, retryAfterMs > 0 ? nowMs + retryAfterMs : undefined)
    }),
  )
})

test('a server that asks for no wait at all is not asked again at once, again and again', () => {
  const next = nextAttempt(history({ failures: 5 }), { kind: 'network', retryAfterMs: 0 }, busy, nowMs, drawing(0.5))
  assert.deepEqual(next, { kind: 'retry', wakeAtMs: nowMs + 16_000, serverAsked: false })
})

test('progress starts the back-off anew', () => {
  const next = nextAttempt(history({ failures: 9, progressed: true }), network, lost, nowMs, drawing(0.999))
  assert.ok(next.kind === 'retry' && next.wakeAtMs < nowMs + 1000)
})

test('a wait that the server asks for beyond the deadline fails at once and says so', () => {
  const failure: Failure = { kind: 'network', retryAfterMs: 3_600_000 }
  const next = nextAttempt(history({ deadlineAtMs: nowMs + 60_000 }), failure, busy, nowMs, drawing(0))
  assert.ok(next.kind === 'fail')
  assert.equal(next.error.code, 'TIMED_OUT')
  assert.equal(next.error.cause, busy)
  assert.match(next.error.message, /asked to wait 3600 s, but the deadline of the task is in 60 s/)
  assert.doesNotMatch(next.error.message, /Its bytes are kept/, 'it may have none')
  const inTime = nextAttempt(history({ deadlineAtMs: nowMs + 3_600_000 }), failure, busy, nowMs, drawing(0))
  assert.equal(inTime.kind, 'retry')
})

test('a malformed answer is tried a second time, then it is final', () => {
  const malformed = new LonghaulError('BAD_SERVER_RESPONSE', 'two lengths')
  const first = nextAttempt(history(), { kind: 'malformed' }, malformed, nowMs, drawing(0))
  assert.equal(first.kind, 'retry')
  const second = nextAttempt(
    history({ failed: 1, failures: 1, lastCode: 'BAD_SERVER_RESPONSE' }),
    { kind: 'malformed' },
    malformed,
    nowMs,
    drawing(0),
  )
  assert.deepEqual(second, { kind: 'fail', error: malformed })
})

test('a malformed answer is the second only if no bytes became safe since the first', () => {
  const malformed = new LonghaulError('BAD_SERVER_RESPONSE', 'bad chunk')
  const decide = (more: Partial<AttemptHistory>): string =>
    nextAttempt(
      history({ failed: 1, failures: 1, lastCode: 'BAD_SERVER_RESPONSE', ...more }),
      { kind: 'malformed' },
      malformed,
      nowMs,
      drawing(0),
    ).kind
  assert.equal(decide({ progressed: true }), 'retry')
  assert.equal(decide({ failures: 0 }), 'retry')
  assert.equal(decide({}), 'fail')
})

test('a body that is longer than announced is fetched a second time, then it is final', () => {
  const long = new LonghaulError('LENGTH_MISMATCH', 'more than the 10 bytes')
  const decide = (lastCode: 'LENGTH_MISMATCH' | 'BAD_SERVER_RESPONSE'): string =>
    nextAttempt(history({ failed: 1, failures: 1, lastCode }), { kind: 'malformed' }, long, nowMs, drawing(0)).kind
  assert.equal(decide('BAD_SERVER_RESPONSE'), 'retry')
  assert.equal(decide('LENGTH_MISMATCH'), 'fail')
})

test('a digest that does not match is fetched once more only if the bytes were joined', () => {
  const mismatch = new LonghaulError('DIGEST_MISMATCH', 'other bytes')
  const decide = (joined: boolean, digestFailures: number): string =>
    nextAttempt(history({ digestFailures }), { kind: 'digest', joined }, mismatch, nowMs, drawing(0)).kind
  assert.equal(decide(false, 0), 'fail')
  assert.equal(decide(true, 0), 'retry')
  assert.equal(decide(true, 1), 'fail')
})

test('the fifth restart in a row without gain gives the task up', () => {
  const decide = (restarts: number): ReturnType<typeof nextAttempt> =>
    nextAttempt(history({ restarts }), { kind: 'changed' }, lost, nowMs, drawing(0))
  assert.equal(decide(maximumRestarts - 1).kind, 'retry')
  const end = decide(maximumRestarts)
  assert.ok(end.kind === 'fail' && end.error.code === 'REPRESENTATION_UNSTABLE')
})

test('five restarts whose connections were lost as well give the task up, unless it got further', () => {
  const decide = (restarts: number, progressed: boolean): ReturnType<typeof nextAttempt> =>
    nextAttempt(history({ restarts, progressed }), network, lost, nowMs, drawing(0))
  assert.equal(decide(maximumRestarts - 1, false).kind, 'retry')
  assert.equal(decide(maximumRestarts, true).kind, 'retry')
  const end = decide(maximumRestarts, false)
  assert.ok(end.kind === 'fail' && end.error.code === 'REPRESENTATION_UNSTABLE' && end.error.cause === lost)
})

test('maximumAttempts counts failed attempts', () => {
  const few = { ...policy, maximumAttempts: 3 }
  assert.equal(nextAttempt(history({ policy: few, failed: 1 }), network, lost, nowMs, drawing(0)).kind, 'retry')
  assert.deepEqual(nextAttempt(history({ policy: few, failed: 2 }), network, lost, nowMs, drawing(0)), {
    kind: 'fail',
    error: lost,
  })
})

test('giving up needs several attempts and all that time without a byte', () => {
  const silent = { giveUpAfterMs: 300_000, silentMs: 290_000, startedAtMs: nowMs - 10_000 }
  assert.equal(nextAttempt(history(silent), network, lost, nowMs, drawing(0)).kind, 'retry')
  assert.equal(nextAttempt(history({ ...silent, failures: 1 }), network, lost, nowMs, drawing(0)).kind, 'fail')
  const moving = history({ ...silent, failures: 1, progressed: true })
  assert.equal(nextAttempt(moving, network, lost, nowMs, drawing(0)).kind, 'retry')
})

test('an attempt that lasted longer than its stall timer allows was not silent for all of it', () => {
  const slept = { giveUpAfterMs: 300_000, failures: 1, startedAtMs: nowMs - 40_000, stallMs: 20_000 }
  assert.equal(nextAttempt(history({ ...slept, silentMs: 279_999 }), network, lost, nowMs, drawing(0)).kind, 'retry')
  assert.equal(nextAttempt(history({ ...slept, silentMs: 280_000 }), network, lost, nowMs, drawing(0)).kind, 'fail')
})

test('a task that gives up does not sleep past the moment at which it would', () => {
  const late = history({ giveUpAfterMs: 300_000, silentMs: 290_000, failures: 10 })
  const next = nextAttempt(late, network, lost, nowMs, drawing(0.99))
  assert.deepEqual(next, { kind: 'retry', wakeAtMs: nowMs + 10_000, serverAsked: false })
})

test('a full disk and a missing folder are waited for, first shortly', () => {
  const full = new LonghaulError('DISK_FULL', 'no room')
  const first = nextAttempt(history(), { kind: 'disk full' }, full, nowMs, drawing(0))
  assert.deepEqual(first, { kind: 'wait', gate: 'disk', wakeAtMs: nowMs + 5000 })
  const again = nextAttempt(history({ lastCode: 'DISK_FULL' }), { kind: 'disk full' }, full, nowMs, drawing(0))
  assert.deepEqual(again, { kind: 'wait', gate: 'disk', wakeAtMs: nowMs + 20_000 })
  const gone = new LonghaulError('DESTINATION_UNAVAILABLE', 'unplugged')
  const folder = nextAttempt(history(), { kind: 'destination unavailable' }, gone, nowMs, drawing(0))
  assert.deepEqual(folder, { kind: 'wait', gate: 'destination', wakeAtMs: nowMs + 5000 })
})

test('a final failure ends the task whatever the history', () => {
  const status = new LonghaulError('HTTP_STATUS', '404', { status: 404 })
  assert.deepEqual(nextAttempt(history(), { kind: 'final' }, status, nowMs, drawing(0)), {
    kind: 'fail',
    error: status,
  })
})
