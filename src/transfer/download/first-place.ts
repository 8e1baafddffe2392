/**
 * A link may lead to another server each time, though the file is one: a load balancer with its mirrors. Nothing proves that two
 * servers have the same bytes, so the one that served first is asked for the rest. One that only fails in passing may give it later,
 * so who asked is told of that; one that refuses for good, or has something else now, will not.
 */
import type { Representation } from '../../contract/bytes.ts'
import type { Clock } from '../../world/clock.ts'
import { asEnding, AttemptFailed } from '../endings.ts'
import type { Answer } from '../http/request.ts'
import { passes, refusal } from './refusal.ts'
import { firstPlace, isSameSource, sourceOf } from './representation.ts'

/**
 * The range that `answer` was asked for, from the place that the known bytes came from; still to be judged. `undefined` where
 * `answer` is from there already, and where that place gives no range and will give none: then nothing is lost by the question.
 *
 * @throws AttemptFailed of the kind `network` for what passes, AttemptStopped
 */
export async function rangeOfFirstPlace(
  known: Representation,
  askedUrl: string,
  answer: Answer,
  clock: Clock,
): Promise<Answer | undefined> {
  const place = firstPlace(known, sourceOf(askedUrl, answer.response.url))
  if (place === undefined) return undefined
  try {
    const there = await answer.askInstead(place)
    if (there.status === 206 && isSameSource(known, sourceOf(askedUrl, there.response.url))) return there
    if (passes(there.status)) throw await refusal(there, clock)
    there.close()
  } catch (thrown) {
    const ending = asEnding(thrown)
    if (!(ending instanceof AttemptFailed)) throw ending
    if (ending.failure.kind === 'network') throw ending
  }
  return undefined
}
