/**
 * The window of events of one owner: takes durable events from the journal after the last one sent, at most
 * {@link windowSize} unacknowledged at once, and takes more at each acknowledgement. It lives as long as the ownership.
 *
 *     new -> flowing (activated) <-> paused (a takeover waits) -> stopped
 *
 * Never two takes at once, so events leave in order and none twice. A callback that was refused blocks its task: what else
 * that task has stays back, and neither counts against the window, or a few broken callbacks would stop everything.
 *
 * `didBecomeInvalid` is a session's last event, and with its acknowledgement the session and all that belongs to it goes. So
 * it is withheld until everything else is acknowledged; a blocked event keeps it, and the session, for the next attach.
 *
 * After a launch, when everything else is acknowledged or blocked, it has `didFinishEvents` written: once for each
 * launch. One that the app did not live to acknowledge is kept back until then and comes again under its number. An app that
 * its user started was not launched and is told of none: there it is acknowledged here, unseen.
 */
import type { Caller } from '../contract/caller.ts'
import type { DurableEventJson, PassingEventJson } from '../contract/events.ts'
import type { BlockerJson } from '../contract/explanation.ts'
import type { DurableKind, TaskId } from '../contract/words.ts'
import type { Journal, SessionId } from '../journal/journal.ts'
import type { Clock, Timer } from '../world/clock.ts'
import type { Log } from '../world/log.ts'
import type { PassingEventInput } from './delivery.ts'

const windowSize = 64
/** Ms after which a take is tried again when the journal refused it (a full disk, say). */
const retryMs = 1000
/** Names in `didFinishEvents.blocked`; a frame holds no more than a megabyte. */
const blockedNamed = 1000

export interface PumpOptions {
  readonly journal: Pick<Journal, 'takeEvents' | 'acknowledge' | 'queueDidFinishEvents'>
  readonly clock: Clock
  readonly log: Log
  readonly caller: Caller
  readonly session: SessionId
  readonly identifier: string
  readonly fence: number
  readonly methods: readonly string[]
}

interface Sent {
  readonly kind: DurableKind
  readonly task: TaskId | undefined
  slowSinceMs?: number
  refused?: string
}

export interface Acknowledged {
  readonly acknowledged: number
  /** `didBecomeInvalid` was among them: the session is no more. */
  readonly over: boolean
}

export class Pump {
  readonly #options: PumpOptions
  #state: 'new' | 'flowing' | 'paused' | 'stopped' = 'new'
  /** Sent, not acknowledged, and waited for. */
  readonly #open = new Map<number, Sent>()
  /** Sent, and not waited for before the next attach: refused, or of a task that is blocked. */
  readonly #blocked = new Map<number, Sent>()
  readonly #blockedTasks = new Set<TaskId>()
  /** `didFinishEvents` that an earlier launch was told and did not acknowledge: told again when everything else is over. */
  #leftover: (DurableEventJson & { readonly kind: 'didFinishEvents' }) | undefined
  /** `didBecomeInvalid`, taken and not sent yet. */
  #withheld: DurableEventJson | undefined
  #last = 0
  #taking = false
  #again = false
  /** The last take found nothing more. */
  #exhausted = false
  #retry: Timer | undefined
  #launched = false
  #finish: 'not yet' | 'queued' | 'acknowledged' = 'not yet'
  #quiet: PromiseWithResolvers<void> | undefined

  constructor(options: PumpOptions) {
    this.#options = options
  }

  /**
   * The owner came by a launch: it is owed one `didFinishEvents`. One that it has received on an earlier connection is not
   * written again; if its acknowledgement was lost, it comes once more. Before `activate`.
   */
  expectFinish(which: 'written' | 'not written'): void {
    this.#launched = true
    if (which === 'written') this.#finish = 'queued'
  }

  activate(): void {
    if (this.#state !== 'new') return
    this.#state = 'flowing'
    void this.#take()
  }

  /** There may be new events. */
  nudge(): void {
    this.#exhausted = false
    void this.#take()
  }

  /** Sends nothing more; resolves when nothing that was sent is open. */
  pause(): Promise<void> {
    if (this.#state === 'new' || this.#state === 'stopped') return Promise.resolve()
    this.#state = 'paused'
    this.#quiet ??= Promise.withResolvers()
    const { promise } = this.#quiet
    this.#settle()
    return promise
  }

  resume(): void {
    if (this.#state !== 'paused') return
    this.#state = 'flowing'
    // The next pause has a quiet of its own to wait for.
    this.#quiet = undefined
    this.nudge()
  }

  stop(): void {
    this.#state = 'stopped'
    this.#retry?.cancel()
    this.#quiet?.resolve()
  }

  /** True once `didFinishEvents` of this launch was acknowledged and nothing of the session is blocked. */
  get finishedCleanly(): boolean {
    return this.#finish === 'acknowledged' && this.#blocked.size === 0
  }

  get lastSent(): number {
    return this.#last
  }

  /** Undefined: the journal knows a newer owner. */
  async acknowledge(sequences: readonly number[]): Promise<Acknowledged | undefined> {
    const { journal, session, fence } = this.#options
    const answer = await journal.acknowledge({ session, fence, sequences, at: this.#now() })
    if (answer.found === 'fenced') return undefined
    let over = false
    for (const sequence of sequences) {
      const sent = this.#open.get(sequence) ?? this.#blocked.get(sequence)
      if (sent?.kind === 'didBecomeInvalid') over = true
      if (sent?.kind === 'didFinishEvents') this.#finish = 'acknowledged'
      this.#open.delete(sequence)
      this.#blocked.delete(sequence)
    }
    this.#settle()
    void this.#take()
    return { acknowledged: answer.acknowledged, over }
  }

  refuse(sequence: number, reason: string): void {
    const sent = this.#open.get(sequence)
    if (sent === undefined) return
    sent.refused = reason
    if (sent.task !== undefined) this.#blockedTasks.add(sent.task)
    for (const [other, { task }] of this.#open) {
      if (other === sequence || (task !== undefined && task === sent.task)) this.#block(other)
    }
    this.#settle()
    void this.#take()
  }

  slow(sequence: number, running: boolean): void {
    const sent = this.#open.get(sequence) ?? this.#blocked.get(sequence)
    if (sent === undefined) return
    if (!running) delete sent.slowSinceMs
    else sent.slowSinceMs ??= this.#options.clock.steady()
  }

  /** To the owner, if it is active and has the method; may be lost. */
  pass(event: PassingEventInput): void {
    const { caller, identifier, methods } = this.#options
    if (this.#state !== 'flowing' || !methods.includes(event.kind)) return
    const passing: PassingEventJson = { ...event, afterSequence: this.#last }
    caller.latest('passing', `${identifier} ${event.task} ${event.kind}`, { session: identifier, event: passing })
  }

  /** Callbacks of this task (or of the session) that run long or were refused. */
  blockers(task: TaskId): readonly BlockerJson[] {
    const now = this.#options.clock.steady()
    const found: BlockerJson[] = []
    for (const sent of [...this.#open.values(), ...this.#blocked.values()]) {
      if (sent.task !== task) continue
      const { kind, slowSinceMs, refused } = sent
      if (refused !== undefined) found.push({ code: 'callback', of: `${kind}, which failed: ${refused}` })
      else if (slowSinceMs !== undefined)
        found.push({
          code: 'callback',
          of: `${kind}, running for over ${Math.round((now - slowSinceMs) / 1000) + 10} s`,
        })
    }
    return found
  }

  async #take(): Promise<void> {
    this.#again = true
    if (this.#taking) return
    this.#taking = true
    try {
      while (this.#again && this.#wants()) {
        this.#again = false
        await this.#takeOnce()
      }
    } catch (error) {
      const { clock, log, identifier } = this.#options
      log.warn('events could not be taken from the journal; tried again', { session: identifier, error })
      if (this.#state !== 'stopped') this.#retry = clock.timer(clock.steady() + retryMs, () => void this.#take())
    } finally {
      this.#taking = false
    }
    this.#settle()
  }

  #wants(): boolean {
    return this.#state === 'flowing' && !this.#exhausted && this.#open.size < windowSize
  }

  async #takeOnce(): Promise<void> {
    const { journal, session, fence } = this.#options
    const after = this.#last
    // Set before the question: a nudge that comes while it is under way must not be overwritten by its answer.
    this.#exhausted = true
    let taken
    try {
      taken = await journal.takeEvents({ session, fence, after, limit: windowSize - this.#open.size })
    } catch (error) {
      this.#exhausted = false
      throw error
    }
    // Paused or stopped meanwhile: nothing was sent, so they are taken again, which only makes them `redelivered` early.
    if (this.#state !== 'flowing') {
      this.#exhausted = false
      return
    }
    if (taken.found === 'fenced') {
      this.stop()
      return
    }
    if (taken.more) {
      this.#exhausted = false
      this.#again = true
    }
    await this.#sendInTurn(taken.events)
  }

  /** One by one, as the owner reads: together they can be more than a connection may leave unread. */
  #sendInTurn(events: readonly DurableEventJson[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const left = events.values()
    const sendNext = (): void => {
      // Paused or stopped meanwhile: what is left is taken again.
      if (this.#state !== 'flowing') {
        this.#exhausted = false
        return resolve()
      }
      const event = left.next().value
      if (event === undefined) return resolve()
      this.#last = event.sequence
      this.#send(event)
      this.#options.caller.whenRoom(sendNext)
    }
    this.#options.caller.whenRoom(sendNext)
    return promise
  }

  #send(event: DurableEventJson): void {
    const { caller, identifier, log } = this.#options
    if (event.kind === 'didFinishEvents' && this.#finish !== 'queued') {
      // An app that its user started is told of no launch, and one that has finished of no other.
      if (this.#launched && this.#finish === 'not yet') this.#leftover = event
      else this.#discard(event.sequence)
      return
    }
    if (event.kind === 'didBecomeInvalid' && this.#open.size + this.#blocked.size + this.#blockedTasks.size > 0) {
      this.#withheld = event
      return
    }
    const task = event.task?.id
    const sent: Sent = { kind: event.kind, task }
    if (task !== undefined && this.#blockedTasks.has(task)) return
    this.#open.set(event.sequence, sent)
    try {
      caller.note('event', { session: identifier, event })
    } catch (error) {
      // Too large for a frame: it stays in the journal; the task's other events must not overtake it.
      log.error('an event could not be sent', { session: identifier, sequence: event.sequence, error })
      this.refuse(event.sequence, 'the event is too large to be sent')
    }
  }

  #discard(sequence: number): void {
    const { journal, session, fence, log, identifier } = this.#options
    journal.acknowledge({ session, fence, sequences: [sequence], at: this.#now() }).catch((error: unknown) => {
      log.warn('a didFinishEvents of an earlier launch was not discarded', { session: identifier, error })
    })
  }

  #block(sequence: number): void {
    const sent = this.#open.get(sequence)
    if (sent === undefined) return
    this.#open.delete(sequence)
    this.#blocked.set(sequence, sent)
  }

  /** Looks whether everything that was sent is over, and acts on it. */
  #settle(): void {
    if (this.#open.size > 0 || this.#taking) return
    const withheld = this.#withheld
    if (withheld !== undefined && this.#state === 'flowing') {
      this.#withheld = undefined
      this.#send(withheld)
      if (this.#open.size > 0) return
    }
    if (this.#state === 'paused') this.#quiet?.resolve()
    if (this.#state !== 'flowing' || !this.#exhausted || !this.#launched || this.#finish !== 'not yet') return
    this.#finish = 'queued'
    const { journal, session, fence, clock, log, identifier } = this.#options
    const blocked = [...this.#blockedTasks].slice(0, blockedNamed)
    const leftover = this.#leftover
    this.#leftover = undefined
    if (leftover !== undefined) {
      if (leftover.body.blocked.join() === blocked.join()) {
        this.#send(leftover)
        return
      }
      // What it says of blocked tasks is not so any more: another one says it anew.
      this.#discard(leftover.sequence)
    }
    journal.queueDidFinishEvents({ session, fence, at: this.#now(), blocked }).catch((error: unknown) => {
      log.warn('didFinishEvents could not be written; tried again', { session: identifier, error })
      this.#finish = 'not yet'
      this.#retry = clock.timer(clock.steady() + retryMs, () => this.#settle())
    })
  }

  #now(): { readonly steadyMs: number; readonly wallMs: number } {
    const { clock } = this.#options
    return { steadyMs: clock.steady(), wallMs: clock.wall() }
  }
}
