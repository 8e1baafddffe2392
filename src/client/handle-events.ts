/** Where an app that the daemon started says so, and what it does then. */
import { LonghaulError } from '../contract/errors.ts'
import type { LaunchHandler } from './launched.ts'
import { thisApp } from './this-app.ts'

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
  if (!thisApp.world.process.isMainThread) {
    throw new LonghaulError(
      'NOT_MAIN_THREAD',
      'handleEventsForBackgroundSession was called in a worker thread. Nothing was done; the events wait for the main thread.',
    )
  }
  return thisApp.launched.handle(handler)
}
