/**
 * The launched app's side of a launch. The daemon gives a ticket in the environment; the app is recognised by its token in
 * the handshake of the session, not by its pid. For each session of the ticket the handler is called once; when the app says
 * that it is done, the daemon is told, and the library lets go, so that the process can end by itself.
 */
import { LonghaulError } from '../contract/errors.ts'
import type { LaunchTicket } from '../contract/launch.ts'
import type { Link } from './link.ts'

type Awaitable<T> = T | PromiseLike<T>
/** What the app does for a session it was launched for. */
export type LaunchHandler = (identifier: string, completionHandler: () => void) => Awaitable<void>

/** What is known of one session of the ticket. */
export interface Launch {
  readonly token: string
  readonly completed: boolean
  /** Its `didFinishEvents` has come; the daemon writes no other one for this launch, whoever of the app owns the session next. */
  readonly finishSeen: boolean
  sawFinish(): void
  /** All its events were acknowledged; an app without a handler has nothing more to say than that. */
  eventsFinished(): void
}

class SessionLaunch implements Launch {
  readonly token: string
  readonly #identifier: string
  readonly #link: Link
  readonly #release: () => void
  #completed = false
  #finishSeen = false
  #hasHandler = false

  constructor(identifier: string, token: string, link: Link) {
    this.#identifier = identifier
    this.token = token
    this.#link = link
    // Launched and not completed: the process stays.
    this.#release = link.world.keepAlive.hold()
  }

  get completed(): boolean {
    return this.#completed
  }

  get finishSeen(): boolean {
    return this.#finishSeen
  }

  sawFinish(): void {
    this.#finishSeen = true
  }

  get hasHandler(): boolean {
    return this.#hasHandler
  }

  eventsFinished(): void {
    if (!this.#hasHandler && !this.#completed) this.complete()
  }

  async handle(handler: LaunchHandler): Promise<void> {
    this.#hasHandler = true
    // After handleEventsForBackgroundSession has returned, so that its caller has heard `true` first.
    await Promise.resolve()
    await handler(this.#identifier, () => this.complete())
    if (handler.length < 2 && !this.#completed) this.complete()
  }

  complete(): void {
    if (this.#completed) {
      throw new LonghaulError(
        'COMPLETION_HANDLER_REUSED',
        `The completion handler of ${this.#identifier} was called a second time; the first call counts.`,
      )
    }
    this.#completed = true
    void this.#link
      .call('session.launchCompleted', { identifier: this.#identifier, launchToken: this.token })
      .catch((error: unknown) => {
        // The daemon learns it from the end of this process too.
        this.#link.world.warn(
          `The daemon could not be told that ${this.#identifier} is done: ${String(error)}`,
          'LONGHAUL_LAUNCH',
        )
      })
      .finally(this.#release)
  }
}

export class Launched {
  readonly #launches: ReadonlyMap<string, SessionLaunch>

  /**
   * @param ticket the text that the daemon put into the environment, if it did
   * @param link to the daemon that launched; asked for only if there is a ticket
   */
  constructor(ticket: string | undefined, link: () => Link) {
    const { token, sessions } = parseTicket(ticket) ?? { token: '', sessions: [] }
    this.#launches = new Map(sessions.map((identifier) => [identifier, new SessionLaunch(identifier, token, link())]))
  }

  /** What the app was launched for in that session, if it was. */
  of(identifier: string): Launch | undefined {
    return this.#launches.get(identifier)
  }

  /** Calls `handler` once for each session of the ticket. False: there is none. */
  handle(handler: LaunchHandler): boolean {
    for (const launch of this.#launches.values()) {
      // What it throws is the app's own failure and ends the process like any other; the daemon launches again, later.
      if (!launch.hasHandler && !launch.completed) void launch.handle(handler)
    }
    return this.#launches.size > 0
  }
}

function parseTicket(text: string | undefined): LaunchTicket | undefined {
  if (text === undefined) return undefined
  try {
    const value = JSON.parse(text) as Partial<LaunchTicket>
    return typeof value.token === 'string' && Array.isArray(value.sessions) ? (value as LaunchTicket) : undefined
  } catch {
    // Not the daemon's: somebody set the variable by hand.
    return undefined
  }
}
