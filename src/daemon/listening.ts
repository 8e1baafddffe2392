/**
 * Where the daemon listens, for as long as it lives. The runtime folder of a login goes away with its last logout, and the
 * daemon may outlive that: without a socket no client reaches it, and none can start another one, because the instance lock
 * is held. So the socket is made again where it was, and where that cannot be, at the next place; clients find it by the
 * lock file, which is written again by `moved`.
 *
 * It is looked when the system reports a change in the socket's folder and when a client knocks that could not get in. Every few
 * seconds only while something is wrong, or where knocks cannot be heard: an idle daemon is not woken for nothing.
 */
import { type LocalListener, listenLocal } from '../wire/local-socket.ts'
import type { Channel } from '../world/channel.ts'
import type { Clock, Timer } from '../world/clock.ts'
import type { Log } from '../world/log.ts'

/** Ms; well below the time for which a client tries to reach its daemon. */
export const lookEveryMs = 5000

export interface ListeningOptions {
  /** Paths for the socket, best first. Asked anew for each move, because folders come and go. */
  readonly places: () => readonly string[]
  /** As for `listenLocal`. */
  readonly connected: (channel: Channel) => void
  /** Tells clients; `path` says where. */
  readonly moved: () => void
  /** Calls `heard` for each knock of a client; undefined: they cannot be heard, and `deaf` says that they no longer can. */
  readonly knocks: (heard: () => void, deaf: () => void) => Disposable | undefined
  readonly clock: Clock
  readonly log: Log
}

export class Listening {
  readonly #options: ListeningOptions
  /** Undefined only before `start` has resolved. */
  #listener: LocalListener | undefined
  #timer: Timer | undefined
  #moving: Promise<void> | undefined
  #isTold = true
  #isSomewhere = true
  #knocks: Disposable | undefined
  #closed = false

  private constructor(options: ListeningOptions) {
    this.#options = options
  }

  /** At the best place only: at the start, one that is refused is for a person to look at. @throws as `listenLocal` */
  static async start(options: ListeningOptions): Promise<Listening> {
    const listening = new Listening(options)
    listening.#listener = await listening.#listenAt(options.places()[0]!)
    listening.#hear()
    return listening
  }

  /** Where it listens now. */
  get path(): string {
    return this.#listener!.path
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#knocks?.[Symbol.dispose]()
    await this.#moving
    await this.#listener?.close()
  }

  #listenAt(path: string): Promise<LocalListener> {
    const { connected, log } = this.#options
    return listenLocal(path, { connected, log, lost: () => this.#move() })
  }

  #hear(): void {
    this.#knocks = this.#options.knocks(
      () => this.#look(),
      () => {
        this.#knocks = undefined
        this.#arm()
      },
    )
    this.#arm()
  }

  #look(): void {
    if (this.#closed) return
    if (!this.#isTold) this.#tell()
    this.#listener?.relisten().then(
      () => {
        this.#isSomewhere = true
      },
      () => this.#move(),
    )
  }

  /** For the next look by itself, if one is needed. */
  #arm(): void {
    const isNeeded = this.#knocks === undefined || !this.#isTold || !this.#isSomewhere
    if (!isNeeded || this.#closed || this.#timer !== undefined) return
    const { clock } = this.#options
    this.#timer = clock.timer(clock.steady() + lookEveryMs, () => {
      this.#timer = undefined
      this.#look()
      this.#arm()
    })
  }

  #move(): void {
    if (this.#closed) return
    this.#moving ??= this.#tryPlaces()
      .catch((error: unknown) => {
        this.#options.log.error('the daemon could not move its socket', { error })
        return false
      })
      .then((found) => {
        this.#moving = undefined
        this.#isSomewhere = found
        this.#arm()
      })
  }

  async #tryPlaces(): Promise<boolean> {
    const { places, log } = this.#options
    const from = this.#listener!
    for (const path of places()) {
      if (path === from.path) continue
      try {
        this.#listener = await this.#listenAt(path)
      } catch (error) {
        log.warn('the daemon cannot listen at this place either', { path, error })
        continue
      }
      await from.close()
      log.warn('the place of the socket is gone; the daemon listens at another one', { from: from.path, path })
      this.#tell()
      return true
    }
    // The next look tries again, beginning with where it was.
    log.error('the daemon can listen nowhere; no client reaches it', { path: from.path })
    return false
  }

  #tell(): void {
    if (this.#closed) return
    try {
      this.#options.moved()
      this.#isTold = true
    } catch (error) {
      // A full disk, say. The next look tries again.
      this.#isTold = false
      this.#options.log.error('clients could not be told where the daemon listens now', { path: this.path, error })
    }
  }
}
