/** Answers that are not the file: which statuses are acceptable, and what the others mean for the task. */
import { LonghaulError, type ErrorCode } from '../../contract/errors.ts'
import type { StatusRule } from '../../contract/session.ts'
import { maskUrl } from '../../contract/task.ts'
import type { Clock } from '../../world/clock.ts'
import type { Failure } from '../assignment.ts'
import { AttemptFailed } from '../endings.ts'
import { field, parseRetryAfter } from '../http/fields.ts'
import { isRedirect } from '../http/redirect.ts'
import type { Answer } from '../http/request.ts'

const keptBytes = 64 * 1024
/** A body that drips would hold the task's place for as long as its server likes. */
const patienceMs = 5000
const passing: readonly number[] = [408, 425, 429, 500, 502, 503, 504]

export function isAcceptable(status: number, rules: readonly StatusRule[] | 'any'): boolean {
  if (rules === 'any') return true
  return rules.some((rule) => (typeof rule === 'number' ? rule === status : status >= rule.from && status <= rule.to))
}

/** Whether a server that answers so may give the file later. */
export function passes(status: number): boolean {
  return passing.includes(status)
}

/** Reads the beginning of the body, closes the answer, and says what it means. */
export async function refusal(answer: Answer, clock: Clock): Promise<AttemptFailed> {
  const retryAfterMs = parseRetryAfter(field(answer.headers, 'retry-after'), clock.wall())
  const body = await beginning(answer, clock)
  const { status } = answer
  const retried = passes(status)
  const code: ErrorCode = status === 401 ? 'USER_AUTHENTICATION_REQUIRED' : 'HTTP_STATUS'
  const why = whyOf(answer)
  const error = new LonghaulError(code, `${maskUrl(answer.response.url)} answered with status ${status}${why}.`, {
    status,
    hint: answer.unauthorised?.hint,
    body,
    retryable: retried,
  })
  return new AttemptFailed(error, retried ? passingFailure(answer, retryAfterMs) : { kind: 'final' })
}

/** What there is to say beside the status. */
function whyOf({ status, unauthorised }: Answer): string {
  if (unauthorised !== undefined) return `: ${unauthorised.why}`
  // One that names a place is followed.
  return isRedirect(status) ? ' and did not say where the file is' : ''
}

function passingFailure({ status, response }: Answer, retryAfterMs: number | undefined): Failure {
  return {
    kind: 'network',
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    // "Too many requests" and "unavailable" speak of the server, not of this one address.
    ...((status === 429 || status === 503) && { ofOrigin: new URL(response.url).origin }),
  }
}

const enough = new Error('enough of the body was read')

async function beginning(answer: Answer, clock: Clock): Promise<Uint8Array> {
  const pieces: Buffer[] = []
  let size = 0
  const patience = clock.timer(clock.steady() + patienceMs, () => answer.close())
  try {
    await answer.receive((bytes) => {
      // Lent bytes are copied.
      const piece = Buffer.from(bytes.subarray(0, keptBytes - size))
      pieces.push(piece)
      size += piece.byteLength
      if (size === keptBytes) throw enough
      return undefined
    })
  } catch {
    // What came is what there is to show; the status alone decides.
  } finally {
    patience.cancel()
    answer.close()
  }
  return Buffer.concat(pieces)
}
