/**
 * The connections over which one file comes. The first begins with the answer that is open, and may give the file to its end.
 * Others join it, each with proof, as long as that pays; then the first is held to its piece like the rest. Until one has joined,
 * nobody knows that the server gives ranges as it says, so the first is not let go of: at the end of its piece it goes on, or waits
 * for the decision.
 *
 * One that breaks off, or whose place another task needs, leaves its rest to the others. All is lost when the last one has broken
 * off. One that lags far behind when there is nothing else to fetch is relieved of its rest.
 */
import type { ByteRanges, Representation } from '../../contract/bytes.ts'
import type { Timer } from '../../world/clock.ts'
import { FileFailure } from '../../world/file-system.ts'
import { NetworkFailure } from '../../world/transport.ts'
import { asEnding, AttemptFailed, AttemptStopped } from '../endings.ts'
import type { Answer } from '../http/request.ts'
import type { OriginFacts } from '../origins.ts'
import type { Attempt } from './attempt.ts'
import { Crew } from './crew.ts'
import { canBeJoined, canGoOn, join, type JoiningFacts, type Wanted } from './joining.ts'
import { Lessons } from './lessons.ts'
import { type Claim, Pieces } from './pieces.ts'
import { Undecided } from './undecided.ts'

/** An open answer and the bytes that it is to give. */
export interface Giving {
  readonly answer: Answer
  readonly claim: Claim
  /** Exclusive end of what it gives; Infinity where only its end will tell. */
  readonly until: number
}

interface Connection {
  /** Tells it to end. */
  readonly stop: AbortController
  /** What it fetches, or fetched last. */
  claim: Claim
  /** Gives its place back. */
  readonly release: () => void
}

export interface ConnectionsFacts {
  readonly representation: Representation
  readonly joining: JoiningFacts
  /** The answer that is open. */
  readonly answer: Answer
  /** What is there and need not be fetched. */
  readonly had: ByteRanges
  /** Lays what an answer gives of its claim. Throws what broke it off. */
  readonly lay: (giving: Giving) => Promise<void>
}

/** Restarts without gain after which one connection alone fetches the file. */
const unstable = 3
/** So often it is looked whether one lags, while nothing else is left to fetch. */
const lookEveryMs = 1000
/** Bytes of a range for which the one connection that is left asks again and again. */
const leastAlone = 64 * 1024

export class Connections {
  readonly #attempt: Attempt
  readonly #facts: ConnectionsFacts
  /** Whether a range is asked for when another has come. */
  readonly #goesOn: boolean
  readonly #crew: Crew
  readonly #pieces: Pieces
  readonly #over = Promise.withResolvers<void>()
  /** Also those that were told to end and have not yet. */
  readonly #running = new Set<Connection>()
  #first: Connection | undefined
  /** What gives bytes now. */
  readonly #open = new Set<Giving>()
  readonly #lessons: Lessons
  /** What is asked for and not answered yet, and what ends the question. */
  readonly #asking = new Map<Claim, AbortController>()
  readonly #undecided: Undecided
  #joins = 0
  #look: Timer | undefined
  #failure: unknown
  #fatal: unknown

  constructor(attempt: Attempt, facts: ConnectionsFacts) {
    this.#attempt = attempt
    this.#facts = facts
    this.#undecided = new Undecided(attempt.world.clock)
    const { representation, joining, had } = facts
    this.#goesOn = canGoOn(representation, joining)
    this.#lessons = new Lessons(attempt.world, facts, this.#open)
    const { known } = this.#lessons
    const most = this.#most(known)
    this.#crew = new Crew(most, known?.connections)
    this.#pieces = new Pieces(had, representation.total, most, attempt.world.sizes)
  }

  /** Why none may go on. */
  get fatal(): unknown {
    return this.#fatal
  }

  /** Why one broke off: the last of them. */
  get failure(): unknown {
    return this.#failure
  }

  /** Whether bytes of more than one answer were laid. */
  get joined(): boolean {
    return this.#joins > 0
  }

  /** Every byte was taken; of a file whose end nobody knew, never. */
  get complete(): boolean {
    return this.#pieces.complete
  }

  /** Resolves when none runs any more. @param until exclusive end of what the open answer gives */
  async run(offset: number, until: number): Promise<void> {
    const { answer } = this.#facts
    const claim = this.#pieces.claimAll(offset, this.#now())
    this.#first = { stop: new AbortController(), claim, release: () => {} }
    this.#running.add(this.#first)
    void this.#work(this.#first, { answer, claim, until })
    this.#grow()
    await this.#over.promise
  }

  /** Ends all of them. */
  fail(why: unknown): void {
    this.#fatal ??= why ?? new AttemptStopped()
    for (const { stop } of this.#running) stop.abort()
    this.#facts.answer.close()
  }

  /** So many bytes of its claim came. */
  took(claim: Claim, bytes: number): void {
    this.#pieces.took(claim, bytes, this.#now())
    if (this.#undecided.has(claim)) this.#hasJoined(claim)
    if (this.#crew.took(bytes, this.#running.size, this.#now())) this.#grow()
  }

  /** What was taken of its claim has to be written first; meanwhile its connection waits. */
  keepsWaiting(claim: Claim, until: Promise<void>): void {
    this.#pieces.waits(claim, true, this.#now())
    const goes = (): void => this.#pieces.waits(claim, false, this.#now())
    until.then(goes, goes)
  }

  /** At the end of its piece: true if the next one is its as well. */
  async goesOn(claim: Claim): Promise<boolean> {
    while (!this.#pieces.extend(claim)) {
      if (!this.#mayBeJoined || this.#pieces.isRelieved(claim)) return false
      await this.#undecided.decision(() => this.#takeBack())
    }
    return this.#fatal === undefined
  }

  /** Opens further connections while more are wanted, allowed, and of use. */
  #grow(): void {
    while (this.#pieces.left >= this.#attempt.world.sizes.worthJoining && this.#add()) continue
  }

  /** One more, if it is wanted and allowed, and there is something for it to fetch. */
  #add(): boolean {
    if (this.#fatal !== undefined || this.#running.size >= this.#crew.wanted) return false
    if (!this.#pieces.offers(this.#now())) return false
    const release = this.#attempt.report.more(() => {
      // The last one is the task's own, whichever it was; it goes on without the permit.
      if (this.#staying > 1) this.#dismiss(connection)
      else connection.release()
    })
    if (release === undefined) return false
    const connection: Connection = { stop: new AbortController(), claim: this.#next()!, release }
    this.#running.add(connection)
    void this.#join(connection)
    return true
  }

  /** How many were not told to end. */
  get #staying(): number {
    return [...this.#running].filter(({ stop }) => !stop.signal.aborted).length
  }

  /** Tells it to end. Its rest is free at once: who stays may have nothing else to fetch, and not be there any more when it has ended. */
  #dismiss({ stop, claim }: Connection): void {
    this.#pieces.relieve(claim)
    this.#undecided.decided(claim)
    stop.abort()
  }

  /** What somebody idle is to ask for. Who is relieved by it may go. */
  #next(): Claim | undefined {
    const next = this.#pieces.next(this.#now())
    for (const { answer, claim } of this.#open) if (this.#pieces.isRelieved(claim)) answer.close()
    for (const [claim, question] of this.#asking) if (this.#pieces.isRelieved(claim)) question.abort()
    return next
  }

  async #join(connection: Connection): Promise<void> {
    const { claim } = connection
    this.#undecided.add(claim)
    let giving: Giving | undefined
    try {
      giving = await this.#ask(connection, claim)
    } catch (thrown) {
      this.#broke(thrown, connection)
    }
    if (giving === undefined) {
      this.#undecided.decided(claim)
      this.#ends(connection)
    } else {
      this.#crew.added(this.#now())
      await this.#work(connection, giving)
    }
  }

  /** The first byte of a further one has come. */
  #hasJoined(claim: Claim): void {
    this.#joins++
    for (const giving of this.#open) if (giving.claim === claim) this.#lessons.served(giving, this.#running.size)
    this.#undecided.decided(claim)
  }

  /** Fetches one range after another until nothing is left or fewer connections are wanted. */
  async #work(connection: Connection, first: Giving): Promise<void> {
    try {
      for (let giving: Giving | undefined = first; giving !== undefined;) {
        await this.#lay(giving)
        let claim = this.#nextOf(connection)
        // Its answer was no more than a gap, so that it has ended where one that reaches on would have waited.
        while (claim === undefined && connection === this.#first && this.#mayBeJoined) {
          await this.#undecided.decision(() => this.#takeBack())
          claim = this.#nextOf(connection)
        }
        giving = claim && (await this.#ask(connection, claim))
      }
    } catch (thrown) {
      this.#broke(thrown, connection)
    } finally {
      this.#ends(connection)
    }
  }

  /** What it is to ask for when it has fetched all that it was given; undefined: it may go. */
  #nextOf(connection: Connection): Claim | undefined {
    if (!this.#goesOn || connection.stop.signal.aborted) return undefined
    return this.#staying > this.#crew.wanted ? undefined : this.#next()
  }

  /** None has joined yet, and one may. */
  get #mayBeJoined(): boolean {
    return this.#fatal === undefined && this.#joins === 0 && !this.#undecided.none
  }

  async #lay(giving: Giving): Promise<void> {
    this.#open.add(giving)
    // Somebody may have been given it in the moment in which it was answered.
    if (this.#pieces.isRelieved(giving.claim)) giving.answer.close()
    try {
      await this.#facts.lay(giving)
    } catch (thrown) {
      // What it was to fetch comes from another: that its answer was closed is no failure.
      if (!this.#pieces.isRelieved(giving.claim) || !(thrown instanceof NetworkFailure)) throw thrown
    } finally {
      this.#open.delete(giving)
      giving.answer.close()
      this.#pieces.release(giving.claim)
      this.#undecided.decided(giving.claim)
    }
  }

  /** The questions that nobody has answered are given up: the first one fetches it all. */
  #takeBack(): void {
    this.#crew.alone()
    for (const connection of this.#running) if (connection !== this.#first) this.#dismiss(connection)
  }

  /** `undefined`: the server gave no such range; somebody else may. */
  async #ask(connection: Connection, claim: Claim): Promise<Giving | undefined> {
    connection.claim = claim
    const { joining, representation } = this.#facts
    // The last one asks whomever it can: if nobody gives the range, the attempt ends.
    if (this.#staying === 1) joining.firstPlace.refused = false
    const question = new AbortController()
    this.#asking.set(claim, question)
    try {
      const asked = AbortSignal.any([connection.stop.signal, question.signal])
      const joined = await join(joining, representation, this.#wanted(claim), asked)
      if (joined.kind === 'joined') return { answer: joined.answer, claim, until: joined.to }
      this.#pieces.release(claim)
      this.#failure = joined.failure
      if (joined.kind === 'too many') {
        const { failure } = joined.failure
        const { retryAfterMs, ofOrigin } = failure.kind === 'network' ? failure : {}
        this.#crew.refused(this.#running.size - 1, this.#now(), retryAfterMs)
        if (ofOrigin !== undefined) this.#lessons.refused(ofOrigin, this.#running.size - 1)
      } else {
        this.#crew.alone()
        if (joined.liar !== undefined) this.#lessons.lied(joined.liar)
      }
      const { task } = this.#attempt.assignment
      this.#attempt.world.log.info('a further connection was refused', { task, why: joined.failure.message })
      return undefined
    } catch (thrown) {
      this.#pieces.release(claim)
      // Another asks for it: that this one was taken back is no failure.
      if (question.signal.aborted) return undefined
      throw thrown
    } finally {
      this.#asking.delete(claim)
    }
  }

  /** The one that is left takes less: nobody else would fetch it. */
  #wanted({ from, to }: Claim): Wanted {
    const least = this.#staying > 1 ? this.#attempt.world.sizes.smallestPiece : leastAlone
    return { from, to, least: Math.min(to, from + least) }
  }

  #ends(connection: Connection): void {
    this.#running.delete(connection)
    connection.release()
    if (this.#fatal === undefined && this.#running.size > 0) {
      this.#grow()
      if (this.#joins > 0) this.#watch()
    }
    if (this.#running.size > 0) return
    this.#look?.cancel()
    this.#over.resolve()
  }

  /** Whoever has ended is needed again when one of the others lags. */
  #watch(): void {
    const { clock } = this.#attempt.world
    this.#look ??= clock.timer(clock.steady() + lookEveryMs, () => {
      this.#look = undefined
      this.#add()
      this.#watch()
    })
  }

  #broke(thrown: unknown, { stop }: Connection): void {
    if (this.#fatal !== undefined) return
    // What a disk refused of one was taken of its claim already, and nobody would fetch it again.
    if (thrown instanceof FileFailure) return this.fail(thrown)
    if (stop.signal.aborted && !this.#attempt.signal.aborted) return
    const ending = asEnding(thrown)
    // Whatever is not the network's fault would befall the others as well. Where more came than was announced, nobody knows
    // which of the two is true: the bytes may all be there, and the file be cut off.
    if (
      !(ending instanceof AttemptFailed) ||
      (ending.failure.kind !== 'network' && ending.failure.kind !== 'malformed') ||
      ending.error.code === 'LENGTH_MISMATCH'
    )
      this.fail(thrown)
    else {
      this.#failure = thrown
      // One that answers the first further question with an error, whichever, does not want more than one.
      if (this.#joins === 0 && ending.error.code === 'HTTP_STATUS') this.#crew.alone()
      else this.#crew.failed(this.#running.size - 1, this.#now())
    }
  }

  /** Never more than it is known to want, and one where its ranges are not what they seem. */
  #most(known: OriginFacts | undefined): number {
    const { restarts, policy } = this.#attempt.assignment
    const { representation, joining } = this.#facts
    if (!canBeJoined(representation, joining) || restarts >= unstable || known?.ranges === 'lies') return 1
    return Math.min(policy.maximumSegments, known?.refusedAbove ?? Infinity)
  }

  #now(): number {
    return this.#attempt.world.clock.steady()
  }
}
