/**
 * Writing that must not be lost while the journal cannot be written (a full disk, most of the time): it is tried again each
 * second until it is committed. Attempts that run go on meanwhile; their checkpoints wait here, and the engine stops by
 * itself when too many bytes are not safe.
 */
import { isLonghaulError } from '../contract/errors.ts'
import type { Journal } from '../journal/journal.ts'
import type { Clock } from '../world/clock.ts'

/** How long to wait for the journal before it is tried again. */
export const journalRetryMs = 1000

/** Whether the journal as a whole is in trouble, rather than this one command refused. */
function isJournalTrouble(journal: Journal, error: unknown): boolean {
  return (
    journal.problem !== undefined || isLonghaulError(error, 'DISK_FULL') || isLonghaulError(error, 'JOURNAL_DAMAGED')
  )
}

export class Recording {
  readonly #journal: Journal
  readonly #clock: Clock
  readonly #ended = new AbortController()

  constructor(journal: Journal, clock: Clock) {
    this.#journal = journal
    this.#clock = clock
  }

  /**
   * The answer of `command` once it is committed; undefined when {@link end} came first.
   * @throws what the command was refused with
   */
  async record<T>(command: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        return await command()
      } catch (error) {
        if (this.#ended.signal.aborted) return undefined
        if (!isJournalTrouble(this.#journal, error)) throw error
      }
      try {
        await this.#clock.sleep(journalRetryMs, this.#ended.signal)
      } catch {
        return undefined
      }
    }
  }

  /** Nothing is tried again from now on: the daemon ends, and the next life finds what is committed. */
  end(): void {
    this.#ended.abort()
  }
}
