/**
 * The connection to the daemon, one for each process and home, shared by all its sessions.
 *
 *     idle -> connecting -> proving -> attaching -> attached -> lost -> connecting -> …      closed from anywhere, for good
 *
 * idle: nobody needs the daemon. connecting: one is found, or started. proving: the handshake (both inside `dial`).
 * attaching: each resident (an owner, a watch) says again what the last connection knew; calls wait until that is done, so
 * they never overtake it. attached: calls go out. lost: the connection broke; while there are residents it is made again by
 * itself, else with the next call.
 *
 * A call whose answer was lost is asked again if that can do no harm ({@link repeatable}), else rejects with
 * DAEMON_UNAVAILABLE. Holding the process alive is the affair of those who wait, never of the socket.
 */
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { Notes, Params, Result, Verb } from '../contract/verbs.ts'
import type { Peer, PeerOptions } from '../wire/peer.ts'
import type { AppWorld } from '../world/app-world.ts'
import { InTurn } from './in-turn.ts'
import { repeatable } from './repeatable.ts'
import { orAborted } from './waiting.ts'

/** Finds or starts the daemon, connects and proves; the peer answers with the given notes. */
export type Dial = (notes: NonNullable<PeerOptions['notes']>) => Promise<Peer>

/** Asks once, on one connection. */
export type Ask = <V extends Verb>(verb: V, params: Params<V>, signal?: AbortSignal) => Promise<Result<V>>

/** Somebody who has something to say again on each new connection. */
export interface Resident {
  /** Rejects only when the connection broke; everything else it deals with itself. */
  again(ask: Ask): Promise<void>
  /** The connection broke; `again` follows. */
  lost?(): void
  /** There will be no connection again by itself. */
  failed(error: LonghaulError): void
  /** Notes about its session or watch. */
  note<N extends keyof Notes>(name: N, params: Notes[N]): void
}

export interface LinkOptions {
  readonly dial: Dial
  readonly world: AppWorld
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /** Whether it is asked again when the answer was lost. @default by the verb */
  readonly repeat?: boolean
  /** Whether the process stays alive for the answer. @default true */
  readonly keepAlive?: boolean
}

/**
 * Ms of pause before each further try, when a daemon that was there cannot be reached or says that it stops. The last holds for
 * all that follow.
 */
const pausesMs: readonly number[] = [0, 100, 250, 500, 1000]
/** Ms after which calls that wait for a daemon that was there reject. */
const patienceMs = 15_000
/** Ms of pause of residents, who go on trying after that. */
const longPausesMs: readonly number[] = [2000, 5000, 15_000, 30_000]
/** A call that was lost this often, each time soon after it was asked, may well be what kills the daemon. */
const repeatLimit = 5
/** Ms after which a loss has another reason than the call: one that waits outlives any number of daemons. */
const soonMs = 30_000

export class Link {
  /** Of the process whose link this is. */
  readonly world: AppWorld
  /** In which owners attach, by session: the daemon sees all objects of a process as one. */
  readonly attaching: InTurn = new InTurn()
  readonly #dial: Dial
  readonly #owners = new Map<string, Resident>()
  readonly #watches = new Map<number, Resident>()
  #peer: Peer | undefined
  /** The connection on which residents speak before it is everybody's. */
  #attaching: Peer | undefined
  #connecting: Promise<Peer> | undefined
  /** Whether there was a connection before: only then is a failure something that passes. */
  #known = false
  #trying = false
  #users = 0
  #calls = 0
  #nextWatch = 1
  #nextChain = 0

  constructor(options: LinkOptions) {
    this.#dial = options.dial
    this.world = options.world
  }

  get attached(): boolean {
    return this.#peer?.open === true
  }

  /** Somebody needs this link; the connection is closed when nobody does any more. */
  retain(): () => void {
    this.#users++
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#users--
      this.#closeIfUnused()
    }
  }

  /** Resolves once there is a connection on which all residents have spoken. */
  async ready(signal?: AbortSignal): Promise<void> {
    const release = this.world.keepAlive.hold()
    try {
      await this.#connected(signal)
    } finally {
      release()
    }
  }

  /**
   * Resolves once a resident that was just added has spoken: on the connection that stands, or, where that breaks or its daemon
   * stops before the answer, with all others on the next one.
   * @throws what `again` throws of a daemon that stays; as {@link ready}
   */
  async introduce(resident: Resident, signal?: AbortSignal): Promise<void> {
    const release = this.world.keepAlive.hold()
    try {
      const peer = this.#peer
      for (let lost = 1; peer?.open === true; lost++) {
        try {
          return await resident.again(askOn(peer))
        } catch (error) {
          if ((await lossOf(peer, error)) === undefined || signal?.aborted === true) throw error
          if (peer.open && lost >= repeatLimit) throw error
          if (peer.open) await this.#gone(peer, signal)
        }
      }
      // Every connection after that one begins with all residents.
      await this.#connected(signal)
    } finally {
      release()
    }
  }

  /**
   * Asks, over as many connections as it takes.
   * @param params what to ask; a function is asked anew for each connection, once residents have spoken on it
   * @throws what the daemon answers; DAEMON_UNAVAILABLE; `signal.reason`
   */
  async call<V extends Verb>(
    verb: V,
    params: Params<V> | (() => Params<V>),
    options: CallOptions = {},
  ): Promise<Result<V>> {
    const { signal } = options
    const mayRepeat = options.repeat ?? repeatable[verb]
    const release = options.keepAlive === false ? undefined : this.world.keepAlive.hold()
    this.#calls++
    try {
      for (let lost = 0, stopped = 0; ;) {
        const peer = await this.#connected(signal)
        const since = this.world.clock.steady()
        try {
          const asked = typeof params === 'function' ? params() : params
          return (await peer.call(verb, asked, signal)) as Result<V>
        } catch (error) {
          const isSoon = this.world.clock.steady() - since < soonMs
          const loss = await lossOf(peer, error)
          if (loss === undefined || signal?.aborted === true) throw error
          if (!mayRepeat) throw loss === 'broke' ? answerLost(verb, error) : error
          if (peer.open) await this.#gone(peer, signal)
          if (loss === 'stops' && !peer.open) {
            // One that said that it stops, and did, was not killed by the call; but there may always be one more of its kind.
            if (!isSoon) stopped = 0
            await this.world.clock.sleep(pauseMs(stopped++), signal)
            continue
          }
          lost = isSoon ? lost + 1 : 0
          if (lost >= repeatLimit) throw answerLost(verb, error)
        }
      }
    } finally {
      this.#calls--
      release?.()
      this.#closeIfUnused()
    }
  }

  /** Asks on the present connection only. @throws DAEMON_UNAVAILABLE when there is none */
  ask: Ask = async (verb, params, signal) => {
    const peer = this.#peer ?? this.#attaching
    if (peer?.open !== true)
      throw new LonghaulError('DAEMON_UNAVAILABLE', 'There is no connection to the daemon at this moment.')
    return askOn(peer)(verb, params, signal)
  }

  /** From now on `owner` says again what it has to, and gets the notes of its session. One owner a session. */
  addOwner(session: string, owner: Resident): void {
    this.#owners.set(session, owner)
  }

  removeOwner(session: string, owner: Resident): void {
    if (this.#owners.get(session) === owner) this.#owners.delete(session)
  }

  ownerOf(session: string): Resident | undefined {
    return this.#owners.get(session)
  }

  /** The number under which the daemon reports to this watch. */
  addWatch(watch: Resident): number {
    const number = this.#nextWatch++
    this.#watches.set(number, watch)
    return number
  }

  removeWatch(number: number): void {
    this.#watches.delete(number)
  }

  /** Tells apart the chains of calls that have to stay in order. */
  nextChain(): number {
    return this.#nextChain++
  }

  get #residents(): readonly Resident[] {
    return [...this.#owners.values(), ...this.#watches.values()]
  }

  async #connected(signal?: AbortSignal): Promise<Peer> {
    signal?.throwIfAborted()
    if (this.#peer?.open === true) return this.#peer
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
      // Whoever wanted it may have given up meanwhile.
      this.#closeIfUnused()
    })
    // The signal ends the wait of this caller, not the connecting that others wait for too.
    return orAborted(this.#connecting, signal)
  }

  async #connect(): Promise<Peer> {
    const until = this.world.clock.steady() + patienceMs
    for (let failures = 0; ; failures++) {
      try {
        return await this.#connectOnce()
      } catch (error) {
        const failure = ours(error)
        const passes = this.#known && canPass(failure)
        if (!passes || this.world.clock.steady() >= until) throw failure
        await this.world.clock.sleep(pauseMs(failures))
      }
    }
  }

  async #connectOnce(): Promise<Peer> {
    const peer = await this.#dial({
      event: (params) => this.#owners.get((params as Notes['event']).session)?.note('event', params as Notes['event']),
      passing: (params) =>
        this.#owners.get((params as Notes['passing']).session)?.note('passing', params as Notes['passing']),
      ended: (params) => this.#owners.get((params as Notes['ended']).session)?.note('ended', params as Notes['ended']),
      progress: (params) =>
        this.#watches.get((params as Notes['progress']).watch)?.note('progress', params as Notes['progress']),
    })
    peer.unref()
    this.#attaching = peer
    try {
      const ask = askOn(peer)
      const spoken = new Set<Resident>()
      // Looked for anew each time: one that comes meanwhile has to be heard on this connection too.
      for (
        let next = this.#residents[0];
        next !== undefined;
        next = this.#residents.find((each) => !spoken.has(each))
      ) {
        spoken.add(next)
        await next.again(ask)
      }
    } catch (error) {
      peer.close(
        new LonghaulError('DAEMON_UNAVAILABLE', 'The connection was given up: not everything could be said again.'),
      )
      throw error
    } finally {
      this.#attaching = undefined
    }
    if (!peer.open) throw await peer.closed
    this.#peer = peer
    this.#known = true
    void peer.closed.then(() => this.#lost(peer))
    return peer
  }

  #lost(peer: Peer): void {
    if (this.#peer !== peer) return
    this.#peer = undefined
    for (const resident of this.#residents) resident.lost?.()
    void this.#keepTrying()
  }

  /** Until a daemon that said that it stops has done so. */
  async #gone(peer: Peer, signal: AbortSignal | undefined): Promise<void> {
    const enough = new AbortController()
    try {
      await orAborted(
        Promise.race([peer.closed, this.world.clock.sleep(patienceMs, enough.signal).catch(() => {})]),
        signal,
      )
    } finally {
      enough.abort()
    }
  }

  /** Residents are connected again without anybody asking. Does not keep the process alive. */
  async #keepTrying(): Promise<void> {
    if (this.#trying) return
    this.#trying = true
    try {
      for (let round = 0; this.#residents.length > 0; round++) {
        try {
          await this.#connected()
          return
        } catch (error) {
          const failure = ours(error)
          if (!canPass(failure)) {
            for (const resident of this.#residents) resident.failed(failure)
            return
          }
          await this.world.clock.sleep(longPausesMs[Math.min(round, longPausesMs.length - 1)]!)
        }
      }
    } finally {
      this.#trying = false
    }
  }

  #closeIfUnused(): void {
    if (this.#users > 0 || this.#calls > 0 || this.#residents.length > 0) return
    const peer = this.#peer
    this.#peer = undefined
    this.#known = false
    peer?.close(new LonghaulError('DAEMON_UNAVAILABLE', 'The connection was closed: nothing in this process needs it.'))
  }
}

function pauseMs(before: number): number {
  return pausesMs[Math.min(before, pausesMs.length - 1)]!
}

function askOn(peer: Peer): Ask {
  return async <V extends Verb>(verb: V, params: Params<V>, signal?: AbortSignal): Promise<Result<V>> =>
    (await peer.call(verb, params, signal)) as Result<V>
}

/**
 * Why another daemon may be asked: the connection broke before the answer; or the daemon still answered, but only that it stops
 * and has changed nothing. Undefined for an answer of a daemon that stays.
 */
async function lossOf(peer: Peer, error: unknown): Promise<'broke' | 'stops' | undefined> {
  if (!peer.open && error === (await peer.closed)) return 'broke'
  return canPass(error) ? 'stops' : undefined
}

function canPass(error: unknown): boolean {
  return isLonghaulError(error, 'DAEMON_UNAVAILABLE') && error.retryable
}

/**
 * What we did not foresee. What the system refuses (too many files are open, say) may pass, so nobody is given up for it; a fault
 * of ours does not, and whoever tried again and again would hide it.
 */
function ours(error: unknown): LonghaulError {
  if (isLonghaulError(error)) return error
  if (isOfSystem(error))
    return new LonghaulError('DAEMON_UNAVAILABLE', `The daemon cannot be reached: ${String(error)}`, { cause: error })
  return new LonghaulError(
    'DAEMON_UNAVAILABLE',
    `The daemon cannot be reached, by a fault inside Longhaul: ${String(error)}`,
    { cause: error, retryable: false, hint: 'Report it, with the stack of its cause.' },
  )
}

/** Node gives codes also to what was called wrongly. */
function isOfSystem(error: unknown): boolean {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return false
  return !(error instanceof TypeError || error instanceof RangeError || error.code === 'ERR_ASSERTION')
}

function answerLost(verb: Verb, cause: unknown): LonghaulError {
  return new LonghaulError(
    'DAEMON_UNAVAILABLE',
    `The connection to the daemon broke before the answer to '${verb}' came; whether it was done is not known. Transfers go on.`,
    { cause, hint: 'Look at the state of what you changed, then do it again if it is needed.' },
  )
}
