/** What an attempt ended with, as the journal's command; after a failure `scheduler/retry` says what follows. */
import type { Delivery } from '../delivery/delivery.ts'
import type { AttemptEnd, Journal, Moment, StartedAttempt } from '../journal/journal.ts'
import { nextAttempt } from '../scheduler/retry.ts'
import type { Measure, Outcome } from '../transfer/assignment.ts'
import type { World } from '../world/world.ts'
import type { Refusal } from './crowding.ts'
import { now, toWall } from './moment.ts'
import type { Recording } from './recording.ts'

export interface EndParts {
  readonly world: Pick<World, 'clock' | 'random'>
  readonly journal: Journal
  readonly delivery: Delivery
  readonly recording: Recording
  /** Of the address that the task asks first. */
  readonly origin: string
  /** That origin answered 429 or 503. */
  crowded(answer: Pick<Refusal, 'status' | 'waitMs'>, at: Moment): void
}

/** What an attempt that has ended came to on its way. */
interface Course {
  /** The most bytes that it recorded as safe. */
  readonly safeBytes: number
  /** So often it found other bytes and started over. */
  readonly changes: number
}

export async function recordEnd(
  parts: EndParts,
  started: StartedAttempt,
  outcome: Outcome,
  course: Course,
): Promise<void> {
  const { world, journal, recording } = parts
  const { task, fence } = started
  switch (outcome.kind) {
    case 'fenced':
      return
    case 'stopped':
      await endAttempt(parts, started, { kind: 'stopped' }, outcome.measure)
      return
    case 'finished': {
      const { result, response, delivered, measure } = outcome
      await recording.record(() =>
        journal.finish({
          task,
          fence,
          at: now(world.clock),
          result,
          response,
          measure,
          ...(delivered !== undefined && { delivered }),
        }),
      )
      return
    }
    case 'failed':
      await fail(parts, started, outcome, course)
  }
}

async function fail(
  parts: EndParts,
  started: StartedAttempt,
  outcome: Extract<Outcome, { kind: 'failed' }>,
  course: Course,
): Promise<void> {
  const { world, delivery } = parts
  const { error, failure, measure } = outcome
  const { past, configuration, policy } = started
  // A server without ranges that always breaks at the same place gives bytes each time and nothing new: that is no
  // progress, or it would be asked for all of them again each second.
  const progressed = outcome.progressed && course.safeBytes > past.bestBytes
  const at = now(world.clock)
  // Whom a link led to speaks for itself alone: the origin of the link has asked for nothing.
  const originWide = failure.kind === 'network' && failure.ofOrigin === parts.origin
  if (originWide) parts.crowded({ status: error.status ?? 503, waitMs: failure.retryAfterMs ?? 0 }, at)
  const next = nextAttempt(
    {
      ...past,
      policy: policy.retry ?? configuration.retry,
      progressed,
      restarts: started.restarts + course.changes,
      digestFailures: started.digestFailures,
    },
    originWide ? { ...failure, originWide } : failure,
    error,
    at.steadyMs,
    world.random,
  )
  const cause = error.toJSON()
  const diskFailed = failure.kind === 'network' && failure.diskFailed === true
  switch (next.kind) {
    case 'fail':
      await endAttempt(parts, started, { kind: 'fail', error: next.error.toJSON() }, measure, diskFailed)
      return
    case 'wait':
      await endAttempt(parts, started, { ...next, cause }, measure)
      return
    case 'retry': {
      const wakeAtMs = Math.ceil(next.wakeAtMs)
      const reopens = next.reopensAtMs !== undefined && { reopensAtMs: Math.ceil(next.reopensAtMs) }
      const end = { ...next, ...reopens, origin: parts.origin, wakeAtMs, cause, progressed }
      const ended = await endAttempt(parts, started, end, measure, diskFailed)
      if (ended?.found !== 'recorded') return
      delivery.pass(started.session, {
        kind: 'didRetry',
        timeMs: at.wallMs,
        task: started.task,
        attempt: started.attempt,
        cause,
        nextAtMs: toWall(at, ended.fresh ? at.steadyMs : wakeAtMs),
      })
    }
  }
}

/** `fenced`: somebody else has ended it already (cancelled, suspended, timed out, …). */
function endAttempt(
  { world, journal, recording }: EndParts,
  { task, fence }: StartedAttempt,
  end: AttemptEnd,
  measure: Measure,
  diskFailed = false,
): Promise<Awaited<ReturnType<Journal['endAttempt']>> | undefined> {
  return recording.record(() => journal.endAttempt({ task, fence, at: now(world.clock), end, measure, diskFailed }))
}
