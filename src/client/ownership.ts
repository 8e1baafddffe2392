/**
 * Being the owner of a session: attach, get events, acknowledge, attach again after each break of the connection, until it
 * is closed or lost. Carries out what its {@link Inbox} decides; whose callbacks run is the consumer's affair.
 *
 *     attached (fence) -> active -> lost connection -> attached (new fence) -> …        ended: closed, taken over, invalid
 *
 * An acknowledgement is sent when the callback has settled and counts when the daemon has committed it. One whose answer was
 * lost with a connection is said again under the new fence, before events flow; to acknowledge twice does no harm.
 */
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { DurableEventJson, PassingEventJson } from '../contract/events.ts'
import type { Notes, OpenedSession, Params, Result } from '../contract/verbs.ts'
import { Inbox, type InboxAction, type InboxInput, slowAfterMs } from './inbox.ts'
import type { Launch } from './launched.ts'
import type { Ask, Link, Resident } from './link.ts'
import { inUseHere, invalid, takenOver } from './ownership-errors.ts'

/** What runs the app's code. */
export interface Consumer {
  /** Runs the callback of an event; what it rejects with counts as thrown. */
  run(event: DurableEventJson, signal: AbortSignal): Promise<void>
  pass(event: PassingEventJson): void
  /** The daemon has committed the acknowledgement. */
  acknowledged(event: DurableEventJson): void
  /** This process is not the owner any more, and did not ask for it. */
  lost(error: LonghaulError): void
}

export interface OwnershipOptions {
  readonly link: Link
  /** Without `own`, which is made here. */
  readonly open: Omit<Params<'session.open'>, 'own'>
  readonly methods: readonly string[]
  readonly takeover: boolean
  /** What this process was launched for; also when it has completed that, so that it is not taken for one that its user started. */
  readonly launch?: Pick<Launch, 'token' | 'completed' | 'finishSeen' | 'sawFinish'> | undefined
  readonly concurrency: number
  readonly consumer: Consumer
}

export interface Attached {
  readonly ownership: Ownership
  readonly opened: OpenedSession
}

/** How long an owner in the same process may finish its callbacks before it is taken over, as between processes. */
const takeoverMs = 5000
const acknowledgeAgainMs = 1000

export class Ownership implements Resident {
  readonly #options: OwnershipOptions
  readonly #link: Link
  readonly #identifier: string
  readonly #abort = new AbortController()
  readonly #inbox: Inbox
  /** Undefined until attached. */
  #fence: number | undefined
  #ended: LonghaulError | undefined
  readonly #running = new Map<number, Promise<void>>()
  readonly #toAcknowledge = new Set<number>()
  /** The journal could not take an acknowledgement a moment ago. */
  #waitsForJournal = false
  #flushing: Promise<void> | undefined

  private constructor(options: OwnershipOptions) {
    this.#options = options
    this.#link = options.link
    this.#identifier = options.open.identifier
    this.#inbox = new Inbox(options.concurrency)
  }

  /** @throws SESSION_IN_USE naming the owner's pid, what `session.open` rejects with, and why it ended before it began */
  static async attach(options: OwnershipOptions): Promise<Attached> {
    // Not after its turn: a takeover before it may wait for the very callback that asks.
    Ownership.#refuseIfOwned(options)
    return options.link.attaching.run(options.open.identifier, () => Ownership.#attachNow(options))
  }

  /** Between two objects of one process the daemon sees one connection only, so this rule is kept here. */
  static #refuseIfOwned({ link, open, takeover }: OwnershipOptions): void {
    const present = link.ownerOf(open.identifier)
    // One that is still being attached may come to nothing.
    if (!takeover && present instanceof Ownership && present.#fence !== undefined)
      throw inUseHere(open.identifier, link.world.process.pid)
  }

  static async #attachNow(options: OwnershipOptions): Promise<Attached> {
    const { link, open, takeover } = options
    Ownership.#refuseIfOwned(options)
    const present = link.ownerOf(open.identifier)
    if (present instanceof Ownership) await present.#yield()
    const ownership = new Ownership(options)
    // Registered first: no event may come between the answer and the registration.
    link.addOwner(open.identifier, ownership)
    try {
      const { fence, ...opened } = await link.call('session.open', ownership.#params(takeover))
      if (ownership.#ended !== undefined) {
        // The daemon must not keep an owner that nobody is.
        await link.ask('session.close', { identifier: open.identifier, fence: fence ?? 0 }).catch(() => {})
        throw ownership.#ended
      }
      ownership.#fence = fence ?? 0
      return { ownership, opened }
    } catch (error) {
      ownership.#finish(new LonghaulError('SESSION_IN_USE', `${open.identifier} was not attached.`))
      throw error
    }
  }

  /** Undefined while this process is the owner. */
  get ended(): LonghaulError | undefined {
    return this.#ended
  }

  /** @throws why it ended, if it has */
  async activate(): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended
    this.#step({ kind: 'activated' })
    // The fence of whatever connection it goes out on: to attach again gives a new one. Twice does no harm.
    const params = (): Params<'session.activate'> => {
      if (this.#ended !== undefined) throw this.#ended
      return { identifier: this.#identifier, fence: this.#fence ?? 0 }
    }
    await this.#link.call('session.activate', params, { repeat: true })
  }

  /** Callbacks go on running, but nothing is acknowledged any more; their events come again at the next attach. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return
    const fence = this.#fence
    const release = this.#link.world.keepAlive.hold()
    const flushed = this.#flush()
    this.#finish(
      new LonghaulError(
        'CANCELLED',
        `The session ${this.#identifier} was closed in this process; its transfers go on.`,
      ),
    )
    try {
      await flushed
      // A broken connection has ended the ownership already.
      if (fence !== undefined && this.#link.attached)
        await this.#link.ask('session.close', { identifier: this.#identifier, fence }).catch(() => {})
    } finally {
      release()
    }
  }

  // ---------------------------------------------------------------- what the link calls

  async again(ask: Ask): Promise<void> {
    if (this.#fence === undefined || this.#ended !== undefined) return
    try {
      // Its last event may have been acknowledged by a call whose answer was lost: opening would make the session anew.
      if (
        this.#isLastSettled() &&
        !(await ask('session.list', {})).some((each) => each.identifier === this.#identifier)
      ) {
        this.#finish(invalid(this.#identifier))
        return
      }
      const opened: Result<'session.open'> = await ask('session.open', this.#params(false, this.#fence))
      this.#fence = opened.fence ?? 0
      if (this.#hasEnded()) {
        // Closed while it was asked: the daemon must not keep an owner that nobody is.
        await ask('session.close', { identifier: this.#identifier, fence: this.#fence })
        return
      }
      this.#waitsForJournal = false
      this.#step({ kind: 'attached' })
      // Committed before events flow again, so that none comes again that was told to be acknowledged.
      await this.#flush()
      if (this.#hasEnded()) await ask('session.close', { identifier: this.#identifier, fence: this.#fence })
      else if (this.#inbox.active) await ask('session.activate', { identifier: this.#identifier, fence: this.#fence })
    } catch (error) {
      // A broken connection comes round again, and so does a journal that cannot be written just now; anything else is an answer,
      // and final.
      if (isLonghaulError(error, 'DAEMON_UNAVAILABLE')) throw error
      if (isLonghaulError(error, 'DISK_FULL') || isLonghaulError(error, 'JOURNAL_DAMAGED'))
        throw new LonghaulError('DAEMON_UNAVAILABLE', error.message, { cause: error })
      const why = isLonghaulError(error, 'SESSION_IN_USE') ? takenOver(this.#identifier, error) : asError(error)
      this.#loseTo(why)
    }
  }

  failed(error: LonghaulError): void {
    this.#loseTo(error)
  }

  note<N extends keyof Notes>(name: N, params: Notes[N]): void {
    if (this.#ended !== undefined) return
    if (name === 'event') {
      const { event } = params as Notes['event']
      if (event.kind === 'didFinishEvents') this.#options.launch?.sawFinish()
      this.#step({ kind: 'arrived', event })
    } else if (name === 'passing') this.#step({ kind: 'passed', event: (params as Notes['passing']).event })
    else if (name === 'ended') this.#loseTo(LonghaulError.fromJSON((params as Notes['ended']).error))
  }

  // ---------------------------------------------------------------- inside

  #params(takeover: boolean, fence?: number): Params<'session.open'> {
    const { open, methods, launch } = this.#options
    // To attach again is no new will: a configuration that was changed meanwhile is no reason to refuse.
    const base = fence === undefined ? open : { ...open, strictConfiguration: false }
    return {
      ...base,
      own: {
        methods,
        takeover,
        ...(fence !== undefined && { fence }),
        ...(launch !== undefined && { launchToken: launch.token }),
        ...((launch?.finishSeen === true || launch?.completed === true) && { finishSeen: true }),
      },
    }
  }

  #step(input: InboxInput): void {
    for (const action of this.#inbox.step(input)) this.#act(action)
  }

  #act(action: InboxAction): void {
    switch (action.do) {
      case 'run':
        this.#running.set(action.event.sequence, this.#run(action.event))
        return
      case 'pass':
        this.#options.consumer.pass(action.event)
        return
      case 'acknowledge':
        for (const sequence of action.sequences) this.#toAcknowledge.add(sequence)
        void this.#flush()
        return
      case 'refuse': {
        const { sequence, reason } = action
        void this.#tell('event.refuse', { session: this.#identifier, fence: this.#fence ?? 0, sequence, reason })
        return
      }
      case 'pause':
        this.#link.world.clock.timer(this.#link.world.clock.steady() + action.ms, () => {
          if (this.#ended === undefined) this.#step({ kind: 'again', sequence: action.sequence })
        })
        return
      case 'report':
        if (action.running) this.#warnSlow(action.sequence)
        void this.#tell('event.slow', {
          session: this.#identifier,
          fence: this.#fence ?? 0,
          sequence: action.sequence,
          running: action.running,
        })
    }
  }

  async #run(event: DurableEventJson): Promise<void> {
    const { sequence } = event
    const { clock, keepAlive } = this.#link.world
    const release = keepAlive.hold()
    const timer = clock.timer(clock.steady() + slowAfterMs, () => {
      if (this.#ended === undefined) this.#step({ kind: 'long', sequence })
    })
    let thrown: { readonly reason: unknown } | undefined
    try {
      await this.#options.consumer.run(event, this.#abort.signal)
    } catch (reason) {
      thrown = { reason }
    } finally {
      timer.cancel()
      this.#running.delete(sequence)
      release()
    }
    if (this.#ended !== undefined) return
    if (thrown === undefined) return this.#step({ kind: 'returned', sequence })
    const text = thrown.reason instanceof Error ? (thrown.reason.stack ?? thrown.reason.message) : String(thrown.reason)
    this.#link.world.warn(
      `The callback ${event.kind} of event ${sequence} (session ${this.#identifier}) threw; it is called again. ${text}`,
      'LONGHAUL_CALLBACK_THREW',
    )
    this.#step({ kind: 'threw', sequence, reason: text.slice(0, 2000) })
  }

  /** All that has settled in one turn goes in one call; one call at a time, so that a later one never overtakes. */
  #flush(): Promise<void> {
    this.#flushing ??= this.#sendAcknowledgements().finally(() => (this.#flushing = undefined))
    return this.#flushing
  }

  async #sendAcknowledgements(): Promise<void> {
    const release = this.#link.world.keepAlive.hold()
    try {
      // One turn, for callbacks that return at once.
      await Promise.resolve()
      while (this.#toAcknowledge.size > 0 && this.#fence !== undefined && !this.#waitsForJournal) {
        const sequences = [...this.#toAcknowledge]
        this.#toAcknowledge.clear()
        try {
          await this.#link.ask('event.acknowledge', { session: this.#identifier, fence: this.#fence, sequences })
        } catch (error) {
          this.#acknowledgeFailed(error, sequences)
          return
        }
        const done = sequences.map((sequence) => this.#inbox.entries.get(sequence)?.event)
        this.#step({ kind: 'acknowledged', sequences })
        for (const event of done) if (event !== undefined) this.#acknowledged(event)
      }
    } finally {
      release()
    }
  }

  #acknowledgeFailed(error: unknown, sequences: readonly number[]): void {
    // Lost with its connection: said again after the next attach. Fenced: the note `ended` says the rest.
    if (this.#ended !== undefined || !this.#link.attached) return
    if (isLonghaulError(error, 'SESSION_TAKEN_OVER') || isLonghaulError(error, 'SESSION_IN_USE')) return
    // The journal could not take it (a full disk, say): the daemon waits for it, so it is said until it counts.
    // Later ones wait behind it, or an event would come again after its task's completion was acknowledged.
    const later = [...this.#toAcknowledge]
    this.#toAcknowledge.clear()
    for (const sequence of [...sequences, ...later]) this.#toAcknowledge.add(sequence)
    this.#waitsForJournal = true
    this.#link.world.clock.timer(this.#link.world.clock.steady() + acknowledgeAgainMs, () => {
      this.#waitsForJournal = false
      if (this.#ended === undefined) void this.#flush()
    })
  }

  #acknowledged(event: DurableEventJson): void {
    this.#options.consumer.acknowledged(event)
    if (event.kind === 'didBecomeInvalid') this.#finish(invalid(this.#identifier))
  }

  async #tell<V extends 'event.refuse' | 'event.slow'>(verb: V, params: Params<V>): Promise<void> {
    // Only for the daemon's explanations: a new attachment begins anew with both.
    await this.#link.ask(verb, params).catch(() => {})
  }

  #warnSlow(sequence: number): void {
    const event = this.#inbox.entries.get(sequence)?.event
    if (event === undefined) return
    const of = event.task === undefined ? '' : ` of task ${event.task.id}`
    this.#link.world.warn(
      `The callback ${event.kind}${of} (session ${this.#identifier}, event ${sequence}) has not returned for ${slowAfterMs / 1000} s. Later events${of} wait for it.`,
      'LONGHAUL_SLOW_CALLBACK',
    )
  }

  /** A call, because the compiler takes it that no await changes a field. */
  #hasEnded(): boolean {
    return this.#ended !== undefined
  }

  #isLastSettled(): boolean {
    for (const entry of this.#inbox.entries.values()) {
      if (entry.event.kind === 'didBecomeInvalid' && entry.state === 'settled') return true
    }
    return false
  }

  /** Another object of this process takes over: as between processes, running callbacks get a moment. */
  async #yield(): Promise<void> {
    const { clock } = this.#link.world
    const enough = new AbortController()
    await Promise.race([
      Promise.allSettled(this.#running.values()),
      clock.sleep(takeoverMs, enough.signal).catch(() => {}),
    ])
    enough.abort()
    await this.#flush()
    const fence = this.#fence
    this.#loseTo(takenOver(this.#identifier))
    if (fence !== undefined)
      await this.#link.ask('session.close', { identifier: this.#identifier, fence }).catch(() => {})
  }

  #loseTo(error: LonghaulError): void {
    if (this.#ended !== undefined) return
    this.#finish(error)
    // Before that, whoever attaches is told.
    if (this.#fence !== undefined) this.#options.consumer.lost(error)
  }

  #finish(error: LonghaulError): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.#link.removeOwner(this.#identifier, this)
    this.#abort.abort(error)
  }
}

function asError(error: unknown): LonghaulError {
  return isLonghaulError(error) ? error : new LonghaulError('DAEMON_UNAVAILABLE', String(error), { cause: error })
}
