/** From an open answer to a whole part file: the bytes laid, safe at checkpoints, and proven to be all. */
import type { ByteRanges, Representation } from '../../contract/bytes.ts'
import { LonghaulError } from '../../contract/errors.ts'
import { maskUrl } from '../../contract/task.ts'
import type { BodyEnd, HeaderList } from '../../world/transport.ts'
import { AttemptFailed } from '../endings.ts'
import type { PartFile } from '../files/part-file.ts'
import type { Answer } from '../http/request.ts'
import { prefixLength, withRange } from '../ranges.ts'
import type { Attempt } from './attempt.ts'
import { Checkpoints } from './checkpoints.ts'
import { canContinue } from './representation.ts'
import { Segment } from './segment.ts'
import type { Verification } from './verification.ts'

export interface LayingFacts {
  readonly answer: Answer
  readonly part: PartFile
  readonly representation: Representation
  /** Where the first byte of the answer belongs. */
  readonly offset: number
  /** Written already. */
  readonly ranges: ByteRanges
  /** How many of those bytes are recorded as safe. */
  readonly safe: number
  /** Told how far the bytes reach. */
  readonly verification: Pick<Verification, 'advance'>
}

/** What was laid so far, and the means to make it safe. When the attempt ends early, `keep`. */
export class Laying {
  readonly #attempt: Attempt
  readonly #facts: LayingFacts
  readonly #segment: Segment
  readonly #checkpoints: Checkpoints
  /** Where nothing could ever prove a continuation, making bytes safe would cost syncs and gain nothing. */
  readonly #continuable: boolean
  #ranges: ByteRanges
  #whole = false

  constructor(attempt: Attempt, facts: LayingFacts) {
    this.#attempt = attempt
    this.#facts = facts
    this.#ranges = facts.ranges
    const { answer, part, representation, offset } = facts
    this.#segment = new Segment(part, offset, this.#expected(), (from, to) => {
      this.#ranges = withRange(this.#ranges, from, to)
      facts.verification.advance(prefixLength(this.#ranges))
    })
    const digests = attempt.assignment.expectedDigests.length > 0 ? 'digest expected' : 'no digest'
    this.#continuable = canContinue(representation, digests)
    this.#checkpoints = new Checkpoints(
      { part, representation, flush: () => this.#segment.flush(), ranges: () => this.#ranges },
      facts.safe,
      attempt.report,
      attempt.world.clock,
      () => answer.close(),
    )
  }

  get progressed(): boolean {
    return this.#checkpoints.progressed
  }

  /** @throws AttemptFailed, FileFailure, NetworkFailure; then `keep` decides what counts */
  async lay(): Promise<{
    readonly bytes: number
    readonly lengthVerified: boolean
    readonly trailers: HeaderList
  }> {
    const { answer } = this.#facts
    const total = this.#expected()
    const end = await answer.receive((bytes) => {
      this.#attempt.measures.received(bytes.byteLength)
      if (total !== undefined && this.#segment.position + bytes.byteLength > total) throw this.#wrongLength('more than')
      const taken = this.#segment.take(bytes)
      const room = this.#continuable ? this.#checkpoints.taken(bytes.byteLength) : undefined
      this.#attempt.progress.received(this.#segment.position, total)
      return taken === undefined || room === undefined ? (taken ?? room) : Promise.all([taken, room]).then(() => {})
    })
    await this.#segment.flush()
    const lengthVerified = this.#isWhole(end)
    await this.#checkpoints.close()
    this.#whole = true
    return { bytes: this.#segment.position, lengthVerified, trailers: end.trailers }
  }

  /**
   * Makes what is written count, so that whatever comes now does not cost the bytes; takes it away if it could never count.
   * @throws what a checkpoint throws
   */
  async keep(): Promise<void> {
    if (this.#continuable || this.#whole) return this.#checkpoints.last()
    await this.#segment.flush().catch(() => {})
    await this.#facts.part.discard()
  }

  /** Of `thrown` and the failure of a checkpoint, which breaks the body off, the one that came first. */
  causeOf(thrown: unknown): unknown {
    return this.#checkpoints.failure ?? thrown
  }

  #expected(): number | undefined {
    return this.#facts.representation.total ?? this.#attempt.assignment.expectedLength
  }

  /** Whether it is proven that nothing is missing. @throws AttemptFailed for one that is too short */
  #isWhole(end: BodyEnd): boolean {
    const total = this.#expected()
    const { position } = this.#segment
    if (total === undefined) return end.proof !== 'close'
    if (position === total) return true
    if (this.#facts.representation.total === undefined && end.proof !== 'close') throw this.#wrongLength('less than')
    throw new AttemptFailed(
      new LonghaulError(
        'NETWORK_CONNECTION_LOST',
        `${this.#address} gave ${position} of ${total} bytes and then ended; it goes on by itself.`,
      ),
      { kind: 'network' },
    )
  }

  /** Against what the server announced it may be an accident; against what the user expects it will be so again. */
  #wrongLength(how: 'more than' | 'less than'): AttemptFailed {
    const announced = this.#facts.representation.total
    const expected = announced ?? this.#attempt.assignment.expectedLength
    return new AttemptFailed(
      new LonghaulError(
        'LENGTH_MISMATCH',
        `${this.#address} sent ${how} the ${expected} bytes that ${announced === undefined ? 'you expect' : 'it announced'}.`,
        { retryable: announced !== undefined },
      ),
      { kind: announced === undefined ? 'final' : 'network' },
    )
  }

  get #address(): string {
    return maskUrl(this.#facts.answer.response.url)
  }
}
