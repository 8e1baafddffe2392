/**
 * Who owns a session: none -> attached (new fence, nothing flows) -> active -> none (closed, connection broken, taken over).
 *
 * One owner at a time. The fence is given by the journal, so an owner that was overtaken while its acknowledgement was on
 * its way is refused there, whatever this file believes. What is here lives in memory: after a restart of the daemon nobody
 * owns anything, and the clients attach again.
 */
import type { Caller } from '../contract/caller.ts'
import { LonghaulError } from '../contract/errors.ts'
import type { Journal, SessionFacts, SessionId } from '../journal/journal.ts'
import type { Clock } from '../world/clock.ts'
import type { Log } from '../world/log.ts'
import type { OwnRequest } from './delivery.ts'
import type { Pump } from './pump.ts'

/** How long a takeover waits for callbacks of the present owner that run. */
const takeoverWaitMs = 5000

export interface Owner {
  readonly caller: Caller
  readonly session: SessionId
  readonly identifier: string
  readonly fence: number
  readonly methods: readonly string[]
  /** Its window of events; stopped when it stops being the owner. */
  readonly pump: Pump
}

export interface OwnersOptions {
  readonly journal: Pick<Journal, 'attach' | 'detach'>
  readonly clock: Clock
  readonly log: Log
  readonly makePump: (owner: Omit<Owner, 'pump'>) => Pump
  /** Nobody owns the session any more, or an attach to one that nobody owns came to nothing. */
  readonly left: (session: SessionId) => void
}

export class Owners {
  readonly #options: OwnersOptions
  readonly #owners = new Map<SessionId, Owner>()
  /** One attach at a time for each session; the others wait here. */
  readonly #turns = new Map<SessionId, Promise<unknown>>()
  /** Callers whose connection ended while they were attaching. */
  readonly #gone = new WeakSet<Caller>()

  constructor(options: OwnersOptions) {
    this.#options = options
  }

  find(session: SessionId): Owner | undefined {
    return this.#owners.get(session)
  }

  /** Owned, or about to be: no launch is wanted. */
  isTaken(session: SessionId): boolean {
    return this.#owners.has(session) || this.#turns.has(session)
  }

  /** The owner, if it is this caller with this fence. @throws SESSION_TAKEN_OVER */
  require(caller: Caller, session: SessionFacts, fence: number): Owner {
    const owner = this.#owners.get(session.id)
    if (owner !== undefined && owner.caller === caller && owner.fence === fence) return owner
    throw takenOver(session.identifier, owner?.caller.pid)
  }

  /** @throws SESSION_IN_USE naming the present owner, SESSION_TAKEN_OVER to a former owner that was overtaken */
  attach(caller: Caller, session: SessionFacts, own: OwnRequest): Promise<Owner> {
    // Refused at once, not after the turn of a takeover that waits.
    this.#refuse(caller, session, own)
    const before = this.#turns.get(session.id) ?? Promise.resolve()
    const mine = before.then(
      () => this.#attachInTurn(caller, session, own),
      () => this.#attachInTurn(caller, session, own),
    )
    this.#turns.set(session.id, mine)
    const over = (): void => {
      if (this.#turns.get(session.id) !== mine) return
      this.#turns.delete(session.id)
      if (!this.#owners.has(session.id)) this.#options.left(session.id)
    }
    mine.then(over, over)
    return mine
  }

  async #attachInTurn(caller: Caller, session: SessionFacts, own: OwnRequest): Promise<Owner> {
    if (this.#gone.has(caller)) throw connectionGone(session.identifier)
    const present = this.#refuse(caller, session, own)
    const returns = present !== undefined && own.fence === present.fence
    if (present !== undefined && !returns) await this.#settle(present)
    if (this.#gone.has(caller)) {
      this.#owners.get(session.id)?.pump.resume()
      throw connectionGone(session.identifier)
    }
    let fence: number
    try {
      ;({ fence } = await this.#options.journal.attach({ session: session.id, pid: caller.pid, methods: own.methods }))
    } catch (error) {
      this.#owners.get(session.id)?.pump.resume()
      throw error
    }
    // From that commit on every acknowledgement with an older fence is refused; only now is the former owner told.
    const former = this.#owners.get(session.id)
    if (former !== undefined) {
      this.#remove(former)
      if (!returns)
        former.caller.note('ended', {
          session: session.identifier,
          error: takenOver(session.identifier, caller.pid).toJSON(),
        })
    }
    const facts = { caller, session: session.id, identifier: session.identifier, fence, methods: own.methods }
    const owner: Owner = { ...facts, pump: this.#options.makePump(facts) }
    if (this.#gone.has(caller)) {
      this.#detach(owner)
      throw connectionGone(session.identifier)
    }
    this.#owners.set(session.id, owner)
    return owner
  }

  /** Lets go of the session. A fence that is not the owner's does nothing: it was let go of already. */
  async close(caller: Caller, session: SessionFacts, fence: number): Promise<void> {
    const owner = this.#owners.get(session.id)
    if (owner === undefined || owner.caller !== caller || owner.fence !== fence) return
    this.#remove(owner)
    this.#options.left(owner.session)
    await this.#options.journal.detach({ session: owner.session, fence: owner.fence })
  }

  /** A broken connection ends every ownership at once. */
  gone(caller: Caller): void {
    this.#gone.add(caller)
    for (const owner of this.#owners.values()) {
      if (owner.caller !== caller) continue
      this.#remove(owner)
      this.#detach(owner)
      this.#options.left(owner.session)
    }
  }

  /** The journal knows this owner no more: the session is gone, or another one came. */
  forget(session: SessionId, owner: Owner): void {
    if (this.#owners.get(session) !== owner) return
    this.#remove(owner)
    this.#options.left(session)
  }

  stop(): void {
    for (const owner of this.#owners.values()) owner.pump.stop()
  }

  #remove(owner: Owner): void {
    owner.pump.stop()
    if (this.#owners.get(owner.session) === owner) this.#owners.delete(owner.session)
  }

  #detach(owner: Owner): void {
    this.#options.journal.detach({ session: owner.session, fence: owner.fence }).catch((error: unknown) => {
      // Only the pid that is shown is stale by that; the fence decides who may acknowledge.
      this.#options.log.warn('the end of an ownership was not recorded', { session: owner.identifier, error })
    })
  }

  /** The owner whom `own` may replace, if there is one; throws where it may not. */
  #refuse(caller: Caller, session: SessionFacts, own: OwnRequest): Owner | undefined {
    const present = this.#owners.get(session.id)
    if (present === undefined) return undefined
    // Its former connection has not been found broken yet; only the owner itself knows the fence.
    if (own.fence === present.fence && present.caller !== caller) return present
    // Somebody else came while it was away.
    if (own.fence !== undefined && !own.takeover) throw takenOver(session.identifier, present.caller.pid)
    if (present.caller === caller || !own.takeover) throw inUse(session.identifier, present, present.caller === caller)
    return present
  }

  /** Waits until no callback of the owner runs, it went away, or the time is over. Nothing new is sent to it meanwhile. */
  async #settle(owner: Owner): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { clock } = this.#options
    const limit = clock.timer(clock.steady() + takeoverWaitMs, resolve)
    void owner.pump.pause().then(resolve)
    await promise
    limit.cancel()
  }
}

function inUse(identifier: string, owner: Owner, bySame: boolean): LonghaulError {
  const { pid } = owner.caller
  const who = bySame ? 'this process already' : `process ${pid}`
  return new LonghaulError(
    'SESSION_IN_USE',
    `The session '${identifier}' is owned by ${who}; nothing was changed. Its events go on to their owner.`,
    {
      ownerPid: pid,
      hint: bySame
        ? 'Use the session object that is open, or BackgroundSession.shared().'
        : `Close it in process ${pid}, open it without a delegate, or open it with takeover: true.`,
    },
  )
}

function takenOver(identifier: string, byPid: number | undefined): LonghaulError {
  const by =
    byPid === undefined ? 'This process' : `Process ${byPid} owns the session '${identifier}' now: this process`
  return new LonghaulError(
    'SESSION_TAKEN_OVER',
    byPid === undefined
      ? `${by} does not own the session '${identifier}' any more; what it had not acknowledged is delivered again to the next owner.`
      : `${by} gets no more of its events, and what it had not acknowledged is delivered there.`,
    byPid === undefined ? {} : { ownerPid: byPid },
  )
}

function connectionGone(identifier: string): LonghaulError {
  return new LonghaulError('DAEMON_UNAVAILABLE', `The connection ended while '${identifier}' was being attached.`)
}
