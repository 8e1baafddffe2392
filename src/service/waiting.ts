/** Those who wait for the end of a task. A commit wakes only those whose task it ended. */
import { LonghaulError } from '../contract/errors.ts'
import type { TaskEnd } from '../contract/verbs.ts'
import type { TaskId } from '../contract/words.ts'
import type { Journal } from '../journal/journal.ts'

export class Waiting {
  readonly #journal: Journal
  readonly #waiters = new Map<TaskId, Set<PromiseWithResolvers<void>>>()

  constructor(journal: Journal) {
    this.#journal = journal
  }

  /**
   * How the task ended, once it has.
   * @throws `signal.reason` when aborted; INVALID_ARGUMENT when there is no such task
   */
  async end(id: TaskId, signal: AbortSignal): Promise<TaskEnd> {
    signal.throwIfAborted()
    // Listens before it looks: an end between the two is not missed.
    const waiter = Promise.withResolvers<void>()
    const abort = (): void => {
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the caller's own reason, whatever it is
      waiter.reject(signal.reason)
    }
    waiter.promise.catch(() => undefined)
    signal.addEventListener('abort', abort, { once: true })
    const waiters = this.#waiters.get(id) ?? new Set()
    this.#waiters.set(id, waiters.add(waiter))
    try {
      const ended = await this.#journal.taskEnd({ id })
      if (ended !== undefined) return ended
      if ((await this.#journal.getTask({ id })) === undefined)
        throw new LonghaulError(
          'INVALID_ARGUMENT',
          `There is no task ${id}; it may have been forgotten. Nothing was waited for.`,
        )
      await waiter.promise
      const found = await this.#journal.taskEnd({ id })
      if (found === undefined)
        throw new LonghaulError('INVALID_ARGUMENT', `The task ${id} ended and was forgotten at once.`)
      return found
    } finally {
      signal.removeEventListener('abort', abort)
      waiters.delete(waiter)
      if (waiters.size === 0 && this.#waiters.get(id) === waiters) this.#waiters.delete(id)
    }
  }

  ended(tasks: readonly TaskId[]): void {
    if (this.#waiters.size === 0) return
    for (const task of tasks) for (const waiter of this.#waiters.get(task) ?? []) waiter.resolve()
  }

  stop(): void {
    const error = new LonghaulError(
      'DAEMON_UNAVAILABLE',
      'The daemon stops; the task goes on when it is started again.',
    )
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter.reject(error)
  }
}
