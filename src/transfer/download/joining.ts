/**
 * One more connection to a file that is being fetched: a range is asked for with the validator of the bytes that are there,
 * and what comes is laid only if it is proven to be of the same representation.
 */
import type { Representation } from '../../contract/bytes.ts'
import { LonghaulError } from '../../contract/errors.ts'
import { maskUrl, type HeaderPairs, type RequestFacts } from '../../contract/task.ts'
import type { Clock } from '../../world/clock.ts'
import { asEnding, AttemptFailed } from '../endings.ts'
import type { Answer } from '../http/request.ts'
import { rangeOfFirstPlace } from './first-place.ts'
import { refusal } from './refusal.ts'
import { canContinue, comparable, judgePartial, rangeCondition, showsChange, sourceOf } from './representation.ts'

export type Joined =
  | { readonly kind: 'joined'; readonly answer: Answer; /** Exclusive end of what it gives. */ readonly to: number }
  /** No more connections for now (429, 503). `failure` is what ends the attempt if this was its last one. */
  | { readonly kind: 'too many'; readonly failure: AttemptFailed }
  /** It does not give this range of these bytes. `liar`: origin of who sent something else than the range that it was asked for. */
  | { readonly kind: 'no range'; readonly failure: AttemptFailed; readonly liar?: string }

export interface JoiningFacts {
  readonly request: RequestFacts
  readonly digest: 'digest expected' | 'no digest'
  readonly ask: (request: RequestFacts, signal: AbortSignal) => Promise<Answer>
  readonly clock: Clock
  /** What one connection found of the place that served first, so that the others need not ask. */
  readonly firstPlace: { refused: boolean }
}

/** Whether one range after another may be asked for: the server showed ranges, and what they give can be proven, if only in the end. */
export function canGoOn(known: Representation, { request, digest }: JoiningFacts): boolean {
  return request.method === 'GET' && known.acceptsRanges && known.total !== undefined && canContinue(known, digest)
}

/** Whether it may be fetched over several connections: each range can be proven when it is asked for (RFC 9110 §13.1.5). */
export function canBeJoined(known: Representation, facts: JoiningFacts): boolean {
  return canGoOn(known, facts) && rangeCondition(known) !== undefined
}

/** Bytes [from, to). */
export interface Wanted {
  readonly from: number
  readonly to: number
  /** Exclusive end of what has to come at least, for the question to be worth its while. */
  readonly least: number
}

/** Asks for a range. @throws what asking throws, unless it is final, and AttemptFailed for a status that passes by itself */
export async function join(
  facts: JoiningFacts,
  known: Representation,
  { from, to, least }: Wanted,
  signal: AbortSignal,
): Promise<Joined> {
  const condition = rangeCondition(known)
  const headers: HeaderPairs = [
    ...facts.request.headers,
    ['range', `bytes=${from}-${to - 1}`],
    ...(condition === undefined ? [] : [['if-range', condition.value] as const]),
  ]
  const asked = condition === undefined ? 'plain range' : 'if-range'
  /** Closes the answer, unless it joins. */
  const judged = async (answer: Answer): Promise<Joined> => {
    const { status } = answer
    if (status === 206) {
      const comparison = comparable(known, sourceOf(facts.request.url, answer.response.url))
      const judgement = judgePartial(comparison, from, answer.headers, asked, facts.digest)
      if (judgement.fits && judgement.to >= least) return { kind: 'joined', answer, to: judgement.to }
      answer.close()
      if (judgement.fits) {
        // A server may shorten a range (RFC 9110 §15.3.7). One that gives it byte by byte would be asked without end.
        const why = `it gave ${judgement.to - from} bytes instead of ${to - from}`
        return { kind: 'no range', failure: noRange(answer, why) }
      }
      const failure = noRange(answer, judgement.why)
      return { kind: 'no range', failure, ...(judgement.lied && { liar: originOf(answer) }) }
    }
    if (status < 400) {
      answer.close()
      const failure =
        status === 200 && showsChange(known, answer.headers)
          ? changed(answer)
          : noRange(answer, `it answered a range with status ${status}`)
      return { kind: 'no range', failure }
    }
    const failure = await refusal(answer, facts.clock)
    if (status === 429 || status === 503) return { kind: 'too many', failure }
    if (failure.failure.kind === 'network') throw failure
    return { kind: 'no range', failure: noRange(answer, `it answered a range with status ${status}`) }
  }
  let answer: Answer
  try {
    answer = await facts.ask({ ...facts.request, headers }, signal)
  } catch (thrown) {
    const ending = asEnding(thrown)
    if (!(ending instanceof AttemptFailed) || ending.failure.kind !== 'final') throw thrown
    return { kind: 'no range', failure: ledAstray(facts.request.url, ending.error) }
  }
  const joined = await judged(answer)
  if (joined.kind !== 'no range') return joined
  if (facts.firstPlace.refused) return joined
  let there: Answer | undefined
  try {
    there = await rangeOfFirstPlace(known, facts.request.url, answer, facts.clock)
  } catch (error) {
    if (!(error instanceof AttemptFailed)) throw error
    // Nothing is lost by it: those that have joined go on.
    facts.firstPlace.refused = true
  }
  return there === undefined ? joined : judged(there)
}

/** Of who gave the answer: redirects may have led there. */
export function originOf({ response }: Answer): string {
  return new URL(response.url).origin
}

function changed(answer: Answer): AttemptFailed {
  return new AttemptFailed(
    new LonghaulError(
      'NETWORK_CONNECTION_LOST',
      `The file at ${maskUrl(answer.response.url)} was changed on the server while it was fetched.`,
      { retryable: true },
    ),
    { kind: 'network' },
  )
}

/**
 * A link may lead each time elsewhere, and once into a loop or to a certificate that nobody trusts. Whom it led to the file is given it
 * all the same, so it is final only for an attempt that begins so.
 */
function ledAstray(link: string, cause: LonghaulError): AttemptFailed {
  return new AttemptFailed(
    new LonghaulError(
      'NETWORK_CONNECTION_LOST',
      `A range of ${maskUrl(link)} could not be asked for over a further connection: ${cause.message}`,
      { retryable: true, cause },
    ),
    { kind: 'network' },
  )
}

/**
 * Not final: the next attempt asks for what is missing, and hears for itself what the server has to say. Not BAD_SERVER_RESPONSE: by
 * that code a malformed answer is known, of which the second one is final.
 */
function noRange(answer: Answer, why: string): AttemptFailed {
  return new AttemptFailed(
    new LonghaulError(
      'NETWORK_CONNECTION_LOST',
      `${maskUrl(answer.response.url)} did not give a range of the file that it had promised: ${why}.`,
      { retryable: true },
    ),
    { kind: 'network' },
  )
}
