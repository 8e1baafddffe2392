/**
 * From an open answer to a whole part file: the bytes laid, over one connection or several, safe at checkpoints, and proven to
 * be all.
 *
 * The first connection begins with the answer that is open, and may give the file to its end. Others join it, each with proof,
 * as long as that pays; then the first is held to its piece like the rest. Until one has joined, nobody knows that the server
 * gives ranges as it says, so the first is not let go of: at the end of its piece it goes on, or waits for the decision.
 *
 * One that breaks off leaves its rest to the others. The attempt fails when the last one has broken off.
 */
import type { ByteRanges, Representation } from '../../contract/bytes.ts'
import { LonghaulError } from '../../contract/errors.ts'
import { maskUrl } from '../../contract/task.ts'
import type { BodyEnd, BodySink, HeaderList } from '../../world/transport.ts'
import { asEnding, asError, AttemptFailed, AttemptStopped } from '../endings.ts'

import type { PartFile } from '../files/part-file.ts'
import type { Answer } from '../http/request.ts'
import type { OriginFact, OriginFacts } from '../origins.ts'
import { countBytes, prefixLength, withoutRange, withRange } from '../ranges.ts'
import type { Attempt } from './attempt.ts'
import { Checkpoints } from './checkpoints.ts'
import { Crew } from './crew.ts'
import { canBeJoined, join, type JoiningFacts } from './joining.ts'
import { type Claim, Pieces } from './pieces.ts'
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
  /** Told how far the bytes reach. */
  readonly verification: Pick<Verification, 'advance'>
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

/** An open answer and the bytes that it is to give. */
interface Giving {
  readonly answer: Answer
  readonly claim: Claim
  /** Exclusive; Infinity where only its end will tell. */
  readonly until: number
}

/** Restarts without gain after which one connection alone fetches the file. */
const unstable = 3
/** Thrown to end an answer whose rest others fetch. */
const enough = new Error('the rest is fetched by another connection')

/** What was laid so far, and the means to make it safe. When the attempt ends early, `keep`. */
export class Laying {
  readonly #attempt: Attempt
  readonly #facts: LayingFacts
  readonly #pieces: Pieces
  readonly #crew: Crew
  readonly #checkpoints: Checkpoints
  /** Where nothing could ever prove a continuation, making bytes safe would cost syncs and gain nothing. */
  readonly #continuable: boolean
  /** Whether ranges of it may be asked for. */
  readonly #shared: boolean
  readonly #origin: string
  readonly #segments = new Set<Segment>()
  readonly #over = Promise.withResolvers<void>()
  /** Ends the connections that joined. */
  readonly #end = new AbortController()
  #ranges: ByteRanges
  #received: number
  #running = 0
  /** Questions for a further connection that are not answered yet, before the first has shown that ranges work. */
  #undecided = 0
  #decision = Promise.withResolvers<void>()
  #joins = 0
  #ended: BodyEnd | undefined
  /** Why a connection broke off; counts when it was the last one. */
  #failure: unknown
  /** Why none may go on. */
  #fatal: unknown
  #whole = false

  constructor(attempt: Attempt, facts: LayingFacts) {
    this.#attempt = attempt
    this.#facts = facts
    this.#ranges = facts.ranges
    const { part, representation, offset, joining } = facts
    this.#shared = canBeJoined(representation, joining.request.method)
    this.#origin = new URL(joining.request.url).origin
    const known = attempt.world.origins.recall(this.#origin, this.#now())
    const most = this.#most(known)
    this.#crew = new Crew(most, known?.connections)
    // Where all was there, its last byte is asked for again as the proof.
    const had = withoutRange(facts.ranges, offset, offset + 1)
    this.#pieces = new Pieces(had, representation.total, most, attempt.world.sizes)
    this.#received = countBytes(had)
    this.#continuable = canContinue(representation, joining.digest)
    this.#checkpoints = new Checkpoints(
      { part, representation, flush: () => this.#flush(), ranges: () => this.#ranges },
      facts.safe,
      attempt.report,
      attempt.world.clock,
      () => this.#fail(this.#checkpoints.failure),
    )
  }

  get progressed(): boolean {
    return this.#checkpoints.progressed
  }

  /** @throws AttemptFailed, FileFailure, NetworkFailure; then `keep` decides what counts */
  async lay(): Promise<Laid> {
    const { answer, offset, until, representation } = this.#facts
    const claim = this.#pieces.claimAll(offset, this.#now())
    void this.#work({ answer, claim, until: until ?? representation.total ?? Infinity }, () => {})
    this.#grow()
    await this.#over.promise
    if (this.#fatal !== undefined) throw asError(this.#fatal)
    if (!this.#isWhole()) throw asError(this.#failure)
    await this.#checkpoints.close()
    this.#whole = true
    const joined = this.#joins > 0
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

  // ------------------------------------------------------------------------------------------------- connections

  /** Opens further connections while more are wanted, allowed, and of use. */
  #grow(): void {
    while (
      this.#fatal === undefined &&
      this.#running < this.#crew.wanted &&
      this.#left() >= this.#attempt.world.sizes.worthJoining
    ) {
      const stop = new AbortController()
      const release = this.#attempt.report.more(() => {
        // The last one is the task's own, whichever it was; it goes on without the permit.
        if (this.#running > 1) stop.abort()
        else release?.()
      })
      if (release === undefined) return
      const claim = this.#pieces.next(this.#now())
      if (claim === undefined) return release()
      void this.#join(claim, AbortSignal.any([stop.signal, this.#end.signal]), release)
    }
  }

  async #join(claim: Claim, signal: AbortSignal, release: () => void): Promise<void> {
    if (this.#joins === 0) this.#undecided++
    this.#running++
    let giving: Giving | undefined
    try {
      giving = await this.#ask(claim, signal)
      if (giving !== undefined) this.#joins++
    } catch (thrown) {
      this.#broke(thrown, signal)
    } finally {
      this.#running--
      if (this.#undecided > 0) this.#undecided--
      this.#decision.resolve()
      this.#decision = Promise.withResolvers()
    }
    if (giving === undefined) {
      release()
      this.#ends()
    } else {
      this.#crew.added(this.#now())
      await this.#work(giving, release, signal)
    }
  }

  /** Fetches one range after another until nothing is left or fewer connections are wanted. */
  async #work(first: Giving, release: () => void, signal?: AbortSignal): Promise<void> {
    this.#running++
    try {
      for (let giving: Giving | undefined = first; giving !== undefined;) {
        await this.#lay(giving)
        if (this.#fatal !== undefined || signal?.aborted === true || this.#running > this.#crew.wanted) return
        const claim = this.#shared ? this.#pieces.next(this.#now()) : undefined
        giving = claim && (await this.#ask(claim, signal ?? this.#end.signal))
      }
    } catch (thrown) {
      this.#broke(thrown, signal)
    } finally {
      this.#running--
      release()
      this.#ends()
    }
  }

  /** `undefined`: the server gave no such range; somebody else may. */
  async #ask(claim: Claim, signal: AbortSignal): Promise<Giving | undefined> {
    const { joining, representation } = this.#facts
    try {
      const joined = await join(joining, representation, claim.from, claim.to, signal)
      if (joined.kind === 'joined') {
        this.#learn({ kind: 'ranges', ranges: 'yes' })
        this.#learn({ kind: 'served', connections: this.#running })
        return { answer: joined.answer, claim, until: joined.to }
      }
      this.#pieces.release(claim)
      this.#failure = joined.failure
      if (joined.kind === 'too many') {
        this.#crew.refused(this.#running - 1, this.#now())
        this.#learn({ kind: 'refused', above: Math.max(1, this.#running - 1) })
      } else {
        this.#crew.alone()
        if (joined.lied) this.#learn({ kind: 'ranges', ranges: 'lies' })
      }
      const { task } = this.#attempt.assignment
      this.#attempt.world.log.info('a further connection was refused', { task, why: joined.failure.message })
      return undefined
    } catch (thrown) {
      this.#pieces.release(claim)
      throw thrown
    }
  }

  /** One connection has ended. */
  #ends(): void {
    if (this.#fatal === undefined && this.#running > 0) this.#grow()
    if (this.#running === 0) this.#over.resolve()
  }

  #broke(thrown: unknown, signal: AbortSignal | undefined): void {
    if (this.#fatal !== undefined) return
    if (signal?.aborted === true && !this.#attempt.signal.aborted) return
    const ending = asEnding(thrown)
    // Whatever is not the network's fault would befall the others as well.
    if (
      !(ending instanceof AttemptFailed) ||
      (ending.failure.kind !== 'network' && ending.failure.kind !== 'malformed')
    )
      this.#fail(thrown)
    else {
      this.#failure = thrown
      this.#crew.failed(this.#running - 1, this.#now())
    }
  }

  #fail(why: unknown): void {
    this.#fatal ??= why ?? new AttemptStopped()
    this.#end.abort()
    this.#facts.answer.close()
  }

  /** Never more than it is known to want, and one where its ranges are not what they seem. */
  #most(known: OriginFacts | undefined): number {
    const { restarts, policy } = this.#attempt.assignment
    if (!this.#shared || restarts >= unstable || known?.ranges === 'lies') return 1
    return Math.min(policy.maximumSegments, known?.refusedAbove ?? Infinity)
  }

  #learn(fact: OriginFact): void {
    this.#attempt.world.origins.remember(this.#origin, fact, this.#now())
  }

  // -------------------------------------------------------------------------------------------------------- bytes

  async #lay(giving: Giving): Promise<void> {
    const { answer, claim } = giving
    const { buffers } = this.#attempt.world
    const segment = new Segment(this.#facts.part, claim.from, finite(claim.to), buffers, (from, to) => {
      this.#ranges = withRange(this.#ranges, from, to)
      this.#facts.verification.advance(prefixLength(this.#ranges))
    })
    this.#segments.add(segment)
    try {
      const sink: BodySink = Object.assign((bytes: Uint8Array) => this.#take(giving, segment, bytes), {
        room: () => segment.room(),
      })
      const end = await answer.receive(sink)
      await segment.flush()
      this.#concluded(giving, end)
    } catch (thrown) {
      await segment.flush()
      if (thrown !== enough) throw thrown
    } finally {
      answer.close()
      this.#segments.delete(segment)
      await segment.close()
      this.#pieces.release(claim)
    }
  }

  #take(giving: Giving, segment: Segment, bytes: Uint8Array): Promise<void> | undefined {
    this.#attempt.measures.received(bytes.byteLength)
    const { claim, until } = giving
    if (this.#fatal !== undefined) throw enough
    const end = claim.position + bytes.byteLength
    if (end > until || end > (this.#expected() ?? Infinity)) throw this.#wrongLength('more than')
    return end <= claim.to ? this.#put(giving, segment, bytes) : this.#putAcross(giving, segment, bytes)
  }

  /** Bytes that reach beyond what the connection is to fetch. */
  async #putAcross(giving: Giving, segment: Segment, bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.byteLength > 0;) {
      const room = giving.claim.to - giving.claim.position
      if (room <= 0 && (!(await this.#goesOn(giving.claim)) || this.#fatal !== undefined)) throw enough
      const piece = rest.subarray(0, giving.claim.to - giving.claim.position)
      await this.#put(giving, segment, piece)
      rest = rest.subarray(piece.byteLength)
    }
  }

  /** At the end of its piece: true if the next one is its as well. */
  async #goesOn(claim: Claim): Promise<boolean> {
    while (!this.#pieces.extend(claim)) {
      if (this.#joins > 0 || this.#undecided === 0) return false
      await this.#decision.promise
    }
    return true
  }

  #put({ claim }: Giving, segment: Segment, bytes: Uint8Array): Promise<void> | undefined {
    const taken = segment.take(bytes)
    const room = this.#continuable ? this.#checkpoints.taken(bytes.byteLength) : undefined
    this.#pieces.took(claim, bytes.byteLength)
    this.#received += bytes.byteLength
    this.#attempt.progress.received(this.#received, this.#expected())
    if (this.#crew.took(bytes.byteLength, this.#running, this.#now())) this.#grow()
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
    if (this.#facts.representation.total !== undefined) {
      if (!this.#pieces.complete) this.#failure ??= this.#tooShort()
      return this.#pieces.complete
    }
    return this.#ended !== undefined && this.#failure === undefined
  }

  #expected(): number | undefined {
    return this.#facts.representation.total ?? this.#attempt.assignment.expectedLength
  }

  /** Bytes that nobody has taken yet. */
  #left(): number {
    return (this.#facts.representation.total ?? 0) - this.#received
  }

  #tooShort(): AttemptFailed {
    return new AttemptFailed(
      new LonghaulError(
        'NETWORK_CONNECTION_LOST',
        `${this.#address} gave ${this.#received} of ${this.#expected()} bytes and then ended; it goes on by itself.`,
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

  #now(): number {
    return this.#attempt.world.clock.steady()
  }

  get #address(): string {
    return maskUrl(this.#facts.answer.response.url)
  }
}

function finite(to: number): number | undefined {
  return Number.isFinite(to) ? to : undefined
}
