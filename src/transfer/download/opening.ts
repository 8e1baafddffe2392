/**
 * How an attempt comes to its bytes: asked for the rest with proof, asked once more where a server ignored the proof or where the
 * address leads elsewhere now, or asked for the whole. Where no answer lets the kept bytes be gone on from they are given up here, with
 * the reason recorded before anything else is written.
 */
import type { ByteRanges, Representation, RestartCause } from '../../contract/bytes.ts'
import { LonghaulError } from '../../contract/errors.ts'
import { maskUrl, type HeaderPairs, type RequestFacts } from '../../contract/task.ts'
import type { Proof } from '../../contract/words.ts'
import type { Clock } from '../../world/clock.ts'
import { AttemptFailed } from '../endings.ts'
import { field, hasField, parseContentRange } from '../http/fields.ts'
import type { Answer } from '../http/request.ts'
import { prefixLength } from '../ranges.ts'
import { rangeOfFirstPlace } from './first-place.ts'
import { isAcceptable, refusal } from './refusal.ts'
import {
  canContinue,
  causeShown,
  comparable,
  isSameSource,
  judgePartial,
  rangeCondition,
  representationOf,
  showsChange,
  showsOther,
  sourceOf,
} from './representation.ts'
import type { StatusRule } from '../../contract/session.ts'

export type Opening =
  | { readonly kind: 'whole'; readonly answer: Answer; readonly representation: Representation }
  | {
      readonly kind: 'continued'
      readonly answer: Answer
      readonly representation: Representation
      /** Where its first byte belongs. */
      readonly offset: number
      /** Exclusive end of what it gives. */
      readonly until: number
      readonly proof: Proof
    }
  | { readonly kind: 'not modified' }

export interface OpeningFacts {
  readonly request: RequestFacts
  /** Bytes that are safe, at least 1. */
  readonly kept: { readonly ranges: ByteRanges; readonly representation: Representation } | undefined
  /** Conditional fields for a file that was delivered before, and what is known of that. */
  readonly revalidate: HeaderPairs
  readonly delivered: Representation | undefined
  readonly digest: 'digest expected' | 'no digest'
  readonly acceptable: readonly StatusRule[] | 'any'
  readonly ask: (request: RequestFacts) => Promise<Answer>
  /** Holds a head against what the user expects. @throws AttemptFailed where it announces another file */
  readonly refuseOther: (answer: Answer, representation: Representation) => void
  /** Records that kept bytes are given up. @throws AttemptFenced */
  readonly restart: (why: string, because: RestartCause) => Promise<void>
  /** The place that served first failed in passing. Whether to wait for it, rather than to give kept bytes up. */
  readonly waitsForFirstPlace: () => boolean
  readonly clock: Clock
}

/** The answer that is returned is open: its body has not been read. */
export async function openBytes(facts: OpeningFacts): Promise<Opening> {
  if (hasField(facts.request.headers, 'range') || hasField(facts.request.headers, 'if-range'))
    throw new AttemptFailed(
      new LonghaulError(
        'INVALID_ARGUMENT',
        'Range and If-Range are set by Longhaul itself; a part of a file cannot be asked for.',
      ),
      { kind: 'final' },
    )
  if (facts.kept === undefined) return openWhole(facts, await facts.ask(adding(facts.request, facts.revalidate)))
  return openRest(facts, facts.kept)
}

async function openRest(facts: OpeningFacts, kept: NonNullable<OpeningFacts['kept']>): Promise<Opening> {
  const known = kept.representation
  const condition = rangeCondition(known)
  if (facts.request.method !== 'GET')
    return startOver(facts, `a ${facts.request.method} cannot be gone on from`, 'cannot go on')
  if (!canContinue(known, facts.digest))
    return startOver(facts, 'the server gave no validator that could prove that the bytes are the same', 'cannot go on')
  const { offset, until } = firstGap(kept.ranges, known.total)
  const range: HeaderPairs = [['range', `bytes=${offset}-${until === undefined ? '' : until - 1}`]]
  const conditional: HeaderPairs = condition === undefined ? range : [...range, ['if-range', condition.value]]
  const answer = await facts.ask(adding(facts.request, conditional))
  const asked = condition === undefined ? 'plain range' : 'if-range'
  const first = await fromFirstPlace(facts, kept, offset, answer, asked)
  if (first !== undefined) return first
  if (answer.status === 206) return judged(facts, kept, offset, answer, asked)
  if (answer.status === 416) return unsatisfied(facts, known, answer)
  if (answer.status === 200 && condition?.proof === 'strong ETag' && !showsChange(known, answer.headers)) {
    // Some servers do ranges but not If-Range. The proof does not need it: the 206 repeats the validators.
    answer.close()
    const again = await facts.ask(adding(facts.request, range))
    if (again.status === 206) return judged(facts, kept, offset, again, 'plain range')
    if (again.status === 416) return unsatisfied(facts, known, again)
    if (!isAcceptable(again.status, facts.acceptable)) {
      const refused = await refusal(again, facts.clock)
      if (refused.failure.kind !== 'final') throw refused
      // It has just given the whole, so that it is the range that it refuses.
      return startOver(facts, `the server refuses ranges of this file (${again.status})`, 'cannot go on')
    }
    return restartWith(facts, again, 'the server does not give ranges of this file', causeShown(known, again.headers))
  }
  return restartWith(
    facts,
    answer,
    showsChange(known, answer.headers)
      ? 'the file on the server has changed'
      : 'the server sent the whole file instead of the rest',
    causeShown(known, answer.headers),
  )
}

/**
 * The rest from the place that gave the kept bytes, where the address leads elsewhere now, to what may be a copy and cannot prove it.
 * The answer stays open where there is none.
 *
 * @throws AttemptFailed where that place may give it at the next attempt, and what asking throws
 */
async function fromFirstPlace(
  facts: OpeningFacts,
  kept: NonNullable<OpeningFacts['kept']>,
  offset: number,
  answer: Answer,
  asked: 'if-range' | 'plain range',
): Promise<Opening | undefined> {
  const { status, headers } = answer
  if (status === 206 && 'kind' in continuing(facts, kept, offset, answer, asked)) return undefined
  // For a refusal no byte is given up: it ends the attempt, and the next one may be led to a better place.
  if (status !== 206 && status !== 416 && !isAcceptable(status, facts.acceptable)) return undefined
  // A newer file, which is what the address is for.
  if (showsOther(kept.representation, status, headers)) return undefined
  try {
    const there = await rangeOfFirstPlace(kept.representation, facts.request.url, answer, facts.clock)
    if (there === undefined) return undefined
    const opening = continuing(facts, kept, offset, there, asked)
    if ('kind' in opening) {
      answer.close()
      return opening
    }
    there.close()
    return undefined
  } catch (error) {
    if (error instanceof AttemptFailed && !facts.waitsForFirstPlace()) return undefined
    answer.close()
    throw error
  }
}

/** We ask for a byte that is there, so the file has become shorter, or the server cannot do it. */
async function unsatisfied(facts: OpeningFacts, known: Representation, answer: Answer): Promise<Opening> {
  answer.close()
  const range = parseContentRange(field(answer.headers, 'content-range'))
  const isOther = range !== undefined && 'unsatisfied' in range && range.total !== known.total
  return startOver(
    facts,
    'the file on the server has no such range any more',
    isOther ? 'bytes changed' : 'cannot go on',
  )
}

/** What to ask for; without `until`, all that follows. */
function firstGap(ranges: ByteRanges, total: number | undefined): { readonly offset: number; readonly until?: number } {
  const had = prefixLength(ranges)
  // Where the end is not known, or all is there, the last byte is asked for again: a range behind the end is answered with
  // 416, which carries no proof.
  if (total === undefined || had >= total) return { offset: had - 1 }
  const next = ranges.find(([from]) => from > had)
  return { offset: had, ...(next !== undefined && { until: next[0] }) }
}

async function judged(
  facts: OpeningFacts,
  kept: NonNullable<OpeningFacts['kept']>,
  offset: number,
  answer: Answer,
  asked: 'if-range' | 'plain range',
): Promise<Opening> {
  const opening = continuing(facts, kept, offset, answer, asked)
  if ('kind' in opening) return opening
  answer.close()
  return startOver(facts, opening.why, opening.because)
}

/** A 206 as what the kept bytes are gone on from, or why they cannot be. */
function continuing(
  facts: OpeningFacts,
  kept: NonNullable<OpeningFacts['kept']>,
  offset: number,
  answer: Answer,
  asked: 'if-range' | 'plain range',
): Extract<Opening, { kind: 'continued' }> | { readonly why: string; readonly because: RestartCause } {
  const source = sourceOf(facts.request.url, answer.response.url)
  const known = comparable(kept.representation, source)
  const judgement = judgePartial(known, offset, answer.headers, asked, facts.digest)
  if (judgement.fits)
    return {
      kind: 'continued',
      answer,
      offset,
      until: judgement.to,
      proof: judgement.proof,
      representation: { ...known, total: judgement.total, acceptsRanges: true, source },
    }
  const elsewhere = known === kept.representation ? '' : 'the address leads to another place now; '
  return { why: elsewhere + judgement.why, because: judgement.because }
}

async function startOver(facts: OpeningFacts, why: string, because: RestartCause): Promise<Opening> {
  return restartWith(facts, await facts.ask(facts.request), why, because)
}

/** The whole file instead of the rest; or an answer that says nothing of the kept bytes, for which none is given up. */
async function restartWith(facts: OpeningFacts, answer: Answer, why: string, because: RestartCause): Promise<Opening> {
  const opening = await openWhole(facts, answer)
  try {
    if (opening.kind === 'whole') facts.refuseOther(answer, opening.representation)
    await facts.restart(why, because)
  } catch (error) {
    answer.close()
    throw error
  }
  return opening
}

async function openWhole(facts: OpeningFacts, answer: Answer): Promise<Opening> {
  const source = sourceOf(facts.request.url, answer.response.url)
  if (answer.status === 304 && facts.revalidate.length > 0) {
    answer.close()
    if (facts.delivered === undefined || isSameSource(facts.delivered, source)) return { kind: 'not modified' }
    return openWhole({ ...facts, revalidate: [] }, await facts.ask(facts.request))
  }
  // RFC 9110 §15.3.7: only a range request may be answered with a part.
  if (answer.status === 206) {
    answer.close()
    throw new AttemptFailed(
      new LonghaulError(
        'BAD_SERVER_RESPONSE',
        `${maskUrl(answer.response.url)} answered with a part of the file (206) though the whole was asked for.`,
      ),
      { kind: 'malformed' },
    )
  }
  if (!isAcceptable(answer.status, facts.acceptable)) throw await refusal(answer, facts.clock)
  return { kind: 'whole', answer, representation: { ...representationOf(answer.status, answer.headers), source } }
}

/** A field that the request has itself is left as the user wrote it. */
function adding(request: RequestFacts, fields: HeaderPairs): RequestFacts {
  return { ...request, headers: [...request.headers, ...fields.filter(([name]) => !hasField(request.headers, name))] }
}
