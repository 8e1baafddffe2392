/**
 * The launched app's side of a launch. The daemon gives a ticket in the environment; the app is recognised by its token in
 * the handshake of the session, not by its pid. For each session of the ticket the handler is called once; when the app says
 * that it is done, the daemon is told, and the library lets go, so that the process can end by itself.
 *
 * May touch: process.env, to read the ticket and to remove it, so that no child of the app takes itself for launched.
 */
import { LonghaulError } from '../contract/errors.ts'
import { type LaunchTicket, launchVariable } from '../contract/launch.ts'
import { isMainThread } from '../platform/this-process.ts'
import { linkTo } from './links.ts'

type Awaitable<T> = T | PromiseLike<T>
/** What the app does for a session it was launched for. */
export type LaunchHandler = (identifier: string, completionHandler: () => void) => Awaitable<void>

/** What is known of one session of the ticket. */
export interface Launch {
  readonly token: string
  readonly completed: boolean
  /** All its events were acknowledged; an app without a handler has nothing more to say than that. */
  eventsFinished(): void
}

class SessionLaunch implements Launch {
  readonly token: string
  readonly #identifier: string
  readonly #release: () => void
  #completed = false
  #hasHandler = false

  constructor(identifier: string, token: string) {
    this.#identifier = identifier
    this.token = token
    // Launched and not completed: the process stays.
    this.#release = linkTo(undefined).keepAlive.hold()
  }

  get completed(): boolean {
    return this.#completed
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
    const link = linkTo(undefined)
    void link
      .call('session.launchCompleted', { identifier: this.#identifier, launchToken: this.token })
      .catch((error: unknown) => {
        // The daemon learns it from the end of this process too.
        process.emitWarning(`The daemon could not be told that ${this.#identifier} is done: ${String(error)}`, {
          code: 'LONGHAUL_LAUNCH',
        })
      })
      .finally(this.#release)
  }
}

let launches: ReadonlyMap<string, SessionLaunch> | undefined

/** What this process was launched for in that session, if it was. */
export function launchOf(identifier: string): Launch | undefined {
  return readTicket().get(identifier)
}

/**
 * For an app that the daemon started: call it once, early. False when this process was not launched. Calls `handler` once
 * for each session that wants the app; open that session there, activate it, let the events come, and after
 * `didFinishEvents` call the completion handler, once, when everything that the app shows is up to date. A handler that does
 * not take the second parameter has called it when its promise resolves (parameters with a default, and rest parameters,
 * do not count). Then the process can end by itself.
 *
 * @throws NOT_MAIN_THREAD in a worker thread; the completion handler throws COMPLETION_HANDLER_REUSED when called twice
 * @example
 * const launched = handleEventsForBackgroundSession(async (identifier) => {
 *   await using session = await BackgroundSession.open({ identifier, delegate })
 *   await session.activate()
 *   await session.eventsFinished()
 * })
 */
export function handleEventsForBackgroundSession(handler: LaunchHandler): boolean {
  if (typeof handler !== 'function') {
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      'handleEventsForBackgroundSession: the handler is not a function. Nothing was done.',
    )
  }
  if (!isMainThread) {
    throw new LonghaulError(
      'NOT_MAIN_THREAD',
      'handleEventsForBackgroundSession was called in a worker thread. Nothing was done; the events wait for the main thread.',
    )
  }
  const found = readTicket()
  for (const launch of found.values()) {
    // What it throws is the app's own failure and ends the process like any other; the daemon launches again, later.
    if (!launch.hasHandler && !launch.completed) void launch.handle(handler)
  }
  return found.size > 0
}

function readTicket(): ReadonlyMap<string, SessionLaunch> {
  if (launches !== undefined) return launches
  const text = process.env[launchVariable]
  delete process.env[launchVariable]
  const ticket = text === undefined || !isMainThread ? undefined : parseTicket(text)
  launches = new Map(
    (ticket?.sessions ?? []).map((identifier) => [identifier, new SessionLaunch(identifier, ticket!.token)]),
  )
  return launches
}

function parseTicket(text: string): LaunchTicket | undefined {
  try {
    const value = JSON.parse(text) as Partial<LaunchTicket>
    return typeof value.token === 'string' && Array.isArray(value.sessions) ? (value as LaunchTicket) : undefined
  } catch {
    // Not the daemon's: somebody set the variable by hand.
    return undefined
  }
}
