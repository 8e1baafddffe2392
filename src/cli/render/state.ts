/** What a task does, in a few words: the right part of a row when no bytes move, and the head of its sheet. */
import type { BlockerCode, BlockerJson, ExplanationJson } from '../../contract/explanation.ts'
import type { ErrorJson } from '../../contract/errors.ts'
import type { TaskRecord } from '../../contract/task.ts'
import { bytes, duration, percent, took } from './numbers.ts'
import type { Style } from './terminal.ts'
import { shortCode } from './task-name.ts'
import type { Words } from './words.ts'

export interface StateFacts {
  readonly task: TaskRecord
  /** Of a task that waits, or is queued. */
  readonly explanation?: ExplanationJson | undefined
  /** Ms without a byte while transferring. */
  readonly silentMs?: number
  readonly wallMs: number
}

/** A stall shorter than this is not worth a word. */
const silentFromMs = 3000

/** What a queue is for. */
const turns: readonly BlockerCode[] = ['activeLimit', 'hostLimit']

/** Whether there may be a reason that is worth asking for: one that is queued may wait for more than its turn. */
export function mayWait(task: TaskRecord): task is TaskRecord & { readonly phase: 'waiting' | 'queued' } {
  return task.phase === 'waiting' || task.phase === 'queued'
}

/** Undefined while bytes move. */
export function stateText(facts: StateFacts, words: Words): string | undefined {
  const { task, silentMs = 0 } = facts
  if (task.phase === 'completed') return endText(facts, words)
  if (task.phase === 'waiting') {
    const why = reasonText(facts, words)
    return why === undefined ? words.phases.waiting : words.waiting(why)
  }
  if (task.phase === 'queued') {
    const blocker = facts.explanation?.blockers.find(({ code }) => !turns.includes(code))
    return blocker === undefined ? words.phases.queued : words.waiting(blockerText(blocker, facts, words))
  }
  if (task.phase !== 'transferring') return words.phases[task.phase]
  if (silentMs < silentFromMs || task.progress.rate > 0) return undefined
  const { fraction } = task.progress
  return words.stalled(duration(silentMs), fraction === undefined ? undefined : percent(fraction))
}

export function styleOf(task: TaskRecord): Style {
  if (task.error !== undefined) return 'red'
  if (task.phase === 'completed') return 'green'
  return task.phase === 'waiting' || task.phase === 'transferring' ? 'yellow' : 'dim'
}

function endText({ task, wallMs }: StateFacts, words: Words): string {
  const { error, result, progress } = task
  if (error !== undefined) {
    const cause = causeText(error, words)
    const what = error.code === 'CANCELLED' ? cause : words.failed(cause)
    return progress.received > 0 ? what + words.and + words.kept(bytes(progress.received)) : what
  }
  if (result?.notModified === true) return words.notModified
  const algorithm = result?.digest?.split(':')[0]
  const verified = algorithm === undefined ? '' : words.and + words.verified(algorithm)
  if (result?.skipped === true) return words.skipped + verified
  const size = bytes(result?.bytes ?? progress.received)
  const done = words.done(size, took((task.completedAtMs ?? wallMs) - task.createdAtMs))
  if (result?.lengthVerified === false) return done + words.and + words.lengthUnverified
  return done + verified
}

/** Why it waits: the failure and the next try where there was one, else the first thing that blocks. */
function reasonText({ task, explanation, wallMs }: StateFacts, words: Words): string | undefined {
  if (explanation === undefined) return undefined
  const { blockers, cause, nextWakeUpMs } = explanation
  const blocker = blockers[0]
  const wakes = blocker?.untilMs ?? nextWakeUpMs
  const wait = wakes === undefined ? undefined : duration(wakes - wallMs)
  if (cause !== undefined && (blocker?.code === 'backoff' || blocker?.code === 'serverAskedToWait')) {
    const what = causeText(cause, words)
    return words.nextTry(blocker.code === 'backoff' ? what : words.askedToWait(what), task.attempts + 1, wait)
  }
  if (blocker === undefined) return wait === undefined ? undefined : words.reasons.backoff(wait, undefined)
  return blockerText({ ...blocker, ...(wakes !== undefined && { untilMs: wakes }) }, { wallMs }, words)
}

function blockerText(
  { code, of, untilMs }: BlockerJson,
  { wallMs }: { readonly wallMs: number },
  words: Words,
): string {
  const wait = untilMs === undefined ? undefined : duration(untilMs - wallMs)
  return words.reasons[code](wait, code === 'dependency' && of !== undefined ? shortCode(of) : of)
}

/** `HTTP 503`, `connection lost`, else the code. */
export function causeText(cause: ErrorJson, words: Words): string {
  if (cause.code === 'HTTP_STATUS' && cause.status !== undefined) return `HTTP ${cause.status}`
  return words.causes[cause.code] ?? cause.code
}
