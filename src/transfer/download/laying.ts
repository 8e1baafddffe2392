/**
 * From an open answer to a whole part file: the bytes laid, over one connection or several, safe at checkpoints, and proven to
 * be all.
 */
import type { ByteRanges, Representation } from '../../contract/bytes.ts'
import { LonghaulError } from '../../contract/errors.ts'
import { maskUrl } from '../../contract/task.ts'
import type { BodyEnd, BodySink, HeaderList } from '../../world/transport.ts'
import { asError, AttemptFailed } from '../endings.ts'
import type { PartFile } from '../files/part-file.ts'
import type { Answer } from '../http/request.ts'
import { countBytes, prefixLength, withoutRange, withRange } from '../ranges.ts'
import type { Attempt } from './attempt.ts'
import { Checkpoints } from './checkpoints.ts'
import { Connections, type Giving } from './connections.ts'
import type { JoiningFacts } from './joining.ts'
import { canContinue } from './representation.ts'
import { Segment } from './segment.ts'
import type { Verification } from './verification.ts'

export interface LayingFacts {
  readonly answer: Answer
  readonly part: PartFile
  readonly representation: Representation
  /** Where the first byte of the answer belongs. */
  readonly offset: number
  /** Exclusive end of what the answer gives, if that is known. */
  readonly until: number | undefined
  /** Written already. */
  readonly ranges: ByteRanges
  /** How many of those bytes are recorded as safe. */
  readonly safe: number
  /** Told how far the bytes reach, and what answers say of them. */
  readonly verification: Pick<Verification, 'advance' | 'heard'>
  readonly joining: JoiningFacts
}

export interface Laid {
  readonly bytes: number
  readonly lengthVerified: boolean
  /** Bytes of several answers are in it. */
  readonly joined: boolean
  /** Of the one answer that gave all of it. */
  readonly trailers: HeaderList
}

/** Thrown to end an answer whose rest others fetch. */
const enough = new Error('the rest is fetched by another connection')

/** What was laid so far, and the means to make it safe. When the attempt ends early, `keep`. */
export class Laying {
  readonly #attempt: Attempt
  readonly #facts: LayingFacts
  readonly #connections: Connections
  readonly #checkpoints: Checkpoints
  /** Where nothing could ever prove a continuation, making bytes safe would cost syncs and gain nothing. */
  readonly #continuable: boolean
  readonly #segments = new Set<Segment>()
  #ranges: ByteRanges
  #received: number
  #ended: BodyEnd | undefined
  #whole = false

  constructor(attempt: Attempt, facts: LayingFacts) {
    this.#attempt = attempt
    this.#facts = facts
    this.#ranges = facts.ranges
    const { part, representation, offset, joining } = facts
    // Where all was there, its last byte is asked for again as the proof.
    const had = withoutRange(facts.ranges, offset, offset + 1)
    const lay = (giving: Giving): Promise<void> => this.#lay(giving)
    this.#connections = new Connections(attempt, { representation, joining, answer: facts.answer, had, lay })
    this.#received = countBytes(had)
    this.#continuable = canContinue(representation, joining.digest)
    this.#checkpoints = new Checkpoints(
      {
        part,
        representation,
        flush: () => this.#flush(),
        ranges: () => this.#ranges,
        connections: () => attempt.world.buffers.users,
      },
      facts.safe,
      attempt.report,
      attempt.world.clock,
      () => this.#connections.fail(this.#checkpoints.failure),
    )
  }

  get progressed(): boolean {
    return this.#checkpoints.progressed
  }

  /** @throws AttemptFailed, FileFailure, NetworkFailure; then `keep` decides what counts */
  async lay(): Promise<Laid> {
    const { offset, until, representation } = this.#facts
    const connections = this.#connections
    await connections.run(offset, until ?? representation.total ?? Infinity)
    if (connections.fatal !== undefined) throw asError(connections.fatal)
    if (!this.#isWhole()) throw asError(connections.failure ?? this.#tooShort())
    await this.#checkpoints.close()
    this.#whole = true
    const { joined } = connections
    return {
      bytes: this.#received,
      lengthVerified: this.#expected() !== undefined || this.#ended?.proof !== 'close',
      joined,
      trailers: joined ? [] : (this.#ended?.trailers ?? []),
    }
  }

  /**
   * Makes what is written count, so that whatever comes now does not cost the bytes; takes it away if it could never count.
   * @throws what a checkpoint throws
   */
  async keep(): Promise<void> {
    if (this.#continuable || this.#whole) return this.#checkpoints.last()
    await this.#flush().catch(() => {})
    await this.#facts.part.discard()
  }

  /** Of `thrown` and the failure of a checkpoint, which breaks the body off, the one that came first. */
  causeOf(thrown: unknown): unknown {
    return this.#checkpoints.failure ?? thrown
  }

  // -------------------------------------------------------------------------------------------------------- bytes

  async #lay(giving: Giving): Promise<void> {
    const { answer, claim } = giving
    const { buffers } = this.#attempt.world
    const { verification } = this.#facts
    if (answer !== this.#facts.answer) verification.heard(answer.headers)
    const segment = new Segment(this.#facts.part, claim.from, finite(claim.to), buffers, (from, to) => {
      this.#ranges = withRange(this.#ranges, from, to)
      verification.advance(prefixLength(this.#ranges))
    })
    this.#segments.add(segment)
    /** What it holds is taken of the claim already, also when the answer was broken off meanwhile. */
    let held: Promise<void> | undefined
    try {
      const take = (bytes: Uint8Array): Promise<void> | undefined => {
        held = this.#take(giving, segment, bytes)
        if (held !== undefined) this.#connections.keepsWaiting(claim, held)
        return held
      }
      const sink: BodySink = Object.assign(take, { room: () => segment.room() })
      const end = await answer.receive(sink)
      await segment.flush()
      verification.heard(end.trailers)
      this.#concluded(giving, end)
    } catch (thrown) {
      await held?.catch(() => {})
      await segment.flush()
      if (thrown !== enough) throw thrown
    } finally {
      answer.close()
      this.#segments.delete(segment)
      await segment.close()
    }
  }

  #take(giving: Giving, segment: Segment, bytes: Uint8Array): Promise<void> | undefined {
    this.#attempt.measures.received(bytes.byteLength)
    const { claim, until } = giving
    if (this.#connections.fatal !== undefined) throw enough
    const end = claim.position + bytes.byteLength
    if (end > until || end > (this.#expected() ?? Infinity)) throw this.#wrongLength('more than')
    return end <= claim.to ? this.#put(giving, segment, bytes) : this.#putAcross(giving, segment, bytes)
  }

  /** Bytes that reach beyond what the connection is to fetch. */
  async #putAcross(giving: Giving, segment: Segment, bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.byteLength > 0;) {
      const room = giving.claim.to - giving.claim.position
      if (room <= 0 && !(await this.#connections.goesOn(giving.claim))) throw enough
      const piece = rest.subarray(0, giving.claim.to - giving.claim.position)
      await this.#put(giving, segment, piece)
      rest = rest.subarray(piece.byteLength)
    }
  }

  #put({ claim }: Giving, segment: Segment, bytes: Uint8Array): Promise<void> | undefined {
    const taken = segment.take(bytes)
    const room = this.#continuable ? this.#checkpoints.taken(bytes.byteLength) : undefined
    this.#received += bytes.byteLength
    this.#attempt.progress.received(this.#received, this.#expected())
    this.#connections.took(claim, bytes.byteLength)
    return taken === undefined || room === undefined ? (taken ?? room) : Promise.all([taken, room]).then(() => {})
  }

  async #flush(): Promise<void> {
    await Promise.all([...this.#segments].map((segment) => segment.flush()))
  }

  // -------------------------------------------------------------------------------------------------- whether it is all

  /** The answer came to its own end. @throws AttemptFailed for one that is too short */
  #concluded({ claim, until }: Giving, end: BodyEnd): void {
    this.#ended = end
    const { total } = this.#facts.representation
    const expected = this.#expected()
    if (expected === undefined || claim.position >= Math.min(until, expected)) return
    if (total === undefined && end.proof !== 'close') throw this.#wrongLength('less than')
    throw this.#tooShort()
  }

  #isWhole(): boolean {
    const { total } = this.#facts.representation
    // That every byte was taken does not say yet that every one was written.
    if (total !== undefined) return this.#connections.complete && prefixLength(this.#ranges) >= total
    return this.#ended !== undefined && this.#connections.failure === undefined
  }

  #expected(): number | undefined {
    return this.#facts.representation.total ?? this.#attempt.assignment.expectedLength
  }

  #tooShort(): AttemptFailed {
    return new AttemptFailed(
      new LonghaulError(
        'NETWORK_CONNECTION_LOST',
        `${this.#address} gave ${this.#received} of ${this.#expected()} bytes and then ended.`,
      ),
      { kind: 'network' },
    )
  }

  /** Against what the user expects it will be so again; against what the server announced it may be an accident, once. */
  #wrongLength(how: 'more than' | 'less than'): AttemptFailed {
    const announced = this.#facts.representation.total
    const expected = announced ?? this.#attempt.assignment.expectedLength
    return new AttemptFailed(
      new LonghaulError(
        'LENGTH_MISMATCH',
        `${this.#address} sent ${how} the ${expected} bytes that ${announced === undefined ? 'you expect' : 'it announced'}.`,
        { retryable: announced !== undefined },
      ),
      { kind: announced === undefined ? 'final' : 'malformed' },
    )
  }

  get #address(): string {
    return maskUrl(this.#facts.answer.response.url)
  }
}

function finite(to: number): number | undefined {
  return Number.isFinite(to) ? to : undefined
}
