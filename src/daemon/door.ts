/**
 * The socket's door: each connection is proved (handshake), then becomes a {@link Caller} whose verbs are checked and asked
 * of the service; when it closes, the service is told. May touch: the channels that it is given.
 *
 * A connection is unproved (for five seconds at most) -> open -> closed. Both kinds are limited in number: who cannot prove
 * himself must not be able to keep others out for longer than that.
 */
import type { Caller } from '../contract/caller.ts'
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import { type Notes, protocolVersions, type Verb } from '../contract/verbs.ts'
import type { Service } from '../service/service.ts'
import { type DaemonFacts, receive } from '../wire/handshake.ts'
import type { Handler, Peer } from '../wire/peer.ts'
import type { Channel } from '../world/channel.ts'
import type { Clock, Random } from '../world/clock.ts'
import type { Log } from '../world/log.ts'
import { checkParams, verbs } from './checks.ts'

/**
 * Calls of one connection that may be in progress. Most of them are waits for the end of a task, one for each `finished()`
 * of an app, and such a wait is small; what calls may hold together is limited in bytes as well.
 */
const maximumCalls = 1 << 16

export interface DoorOptions {
  readonly service: Pick<Service, 'call' | 'gone'>
  /** 32 bytes that only processes of this user can read. */
  readonly secret: Uint8Array
  readonly facts: DaemonFacts
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The number of open connections changed. */
  readonly changed: () => void
  /** @default 256 */
  readonly maximumConnections?: number
  /** @default 32 */
  readonly maximumUnproved?: number
}

export class Door {
  readonly #options: DoorOptions
  readonly #maximumConnections: number
  readonly #maximumUnproved: number
  readonly #unproved = new Set<Channel>()
  readonly #open = new Set<Peer>()
  #closed: Error | undefined

  constructor(options: DoorOptions) {
    this.#options = options
    this.#maximumConnections = options.maximumConnections ?? 256
    this.#maximumUnproved = options.maximumUnproved ?? 32
  }

  /** Connections that are proved and open. */
  get connections(): number {
    return this.#open.size
  }

  /** Also those that may still be proved. */
  get isBusy(): boolean {
    return this.#open.size + this.#unproved.size > 0
  }

  /** Takes a new connection. */
  connected(channel: Channel): void {
    const full = this.#closed ?? this.#tooMany()
    if (full !== undefined) {
      channel.close(full)
      return
    }
    void this.#serve(channel)
  }

  /** Closes every connection and takes no more. */
  close(why: Error): void {
    this.#closed = why
    for (const channel of this.#unproved) channel.close(why)
    for (const peer of this.#open) peer.close(why)
  }

  async #serve(channel: Channel): Promise<void> {
    const { secret, facts, clock, random, log, service } = this.#options
    this.#unproved.add(channel)
    let caller: SocketCaller | undefined
    try {
      const { peer } = await receive(channel, {
        secret,
        versions: protocolVersions,
        facts,
        clock,
        random,
        serve: ({ clientPid }) => {
          caller = new SocketCaller(clientPid, log)
          return { handlers: this.#handlers(caller), log, maximumCalls }
        },
      })
      // Before anything else is awaited: what it asked in the same packet is answered through it.
      caller?.open(peer)
      this.#open.add(peer)
      this.#unproved.delete(channel)
      this.#options.changed()
      const why = await peer.closed
      this.#open.delete(peer)
      log.debug('a connection closed', { pid: caller?.pid, why: why.message })
    } catch (error) {
      this.#unproved.delete(channel)
      // To connect and go away again is how somebody finds out whether a daemon is there.
      if (isLonghaulError(error, 'DAEMON_UNAVAILABLE')) log.debug('a connection ended before it was proved', { error })
      else log.warn('a connection was refused', { error })
    }
    if (caller !== undefined) service.gone(caller)
    this.#options.changed()
  }

  #handlers(caller: Caller): Readonly<Record<Verb, Handler>> {
    const { service } = this.#options
    const handler =
      (verb: Verb): Handler =>
      (params, { signal }) =>
        service.call(caller, verb, checkParams(verb, params), signal)
    return Object.fromEntries(verbs.map((verb) => [verb, handler(verb)])) as Record<Verb, Handler>
  }

  #tooMany(): LonghaulError | undefined {
    const unproved = this.#unproved.size >= this.#maximumUnproved
    if (!unproved && this.#open.size + this.#unproved.size < this.#maximumConnections) return undefined
    const why = unproved ? `${this.#unproved.size} that are not proved` : `${this.#open.size} connections`
    const error = new LonghaulError(
      'DAEMON_UNAVAILABLE',
      `The daemon has ${why}; a further one was closed. It can be made when another one ends.`,
    )
    this.#options.log.warn('a connection was not taken', { error })
    return error
  }
}

class SocketCaller implements Caller {
  readonly pid: number
  readonly #log: Log
  #peer: Peer | undefined

  constructor(pid: number, log: Log) {
    this.pid = pid
    this.#log = log
  }

  open(peer: Peer): void {
    this.#peer = peer
  }

  note<N extends keyof Notes>(name: N, params: Notes[N]): void {
    try {
      this.#peer?.note(name, params)
    } catch (error) {
      // An event that does not fit a frame is its sender's to deal with; nothing else is worth more than a line in the log.
      if (name === 'event') throw error
      this.#log.error('a note could not be sent', { note: name, pid: this.pid, error })
    }
  }

  latest<N extends keyof Notes>(name: N, key: string, params: Notes[N]): void {
    try {
      this.#peer?.latest(name, key, params)
    } catch (error) {
      this.#log.error('a note could not be sent', { note: name, pid: this.pid, error })
    }
  }
  whenRoom(send: () => void): void {
    this.#peer?.whenRoom(send)
  }
}
