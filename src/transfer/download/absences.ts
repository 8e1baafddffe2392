/**
 * How often in a row the place that served first failed in passing when a task asked it for the rest. It is waited for a few times,
 * for the kept bytes are worth more than a moment; one that stays away must not hold a download for ever. It lives in memory: a
 * daemon that starts anew waits anew.
 */
import type { TaskId } from '../../contract/words.ts'

const waitedFor = 3
const mostTasks = 10_000

/** Of one daemon, for all attempts. */
export class Absences {
  /** Failures in a row. The task that failed last stands last. */
  readonly #failures = new Map<TaskId, number>()

  get size(): number {
    return this.#failures.size
  }

  /** It failed once more. Whether it is to be waited for; if not, they are counted anew. */
  another(task: TaskId): boolean {
    const failures = (this.#failures.get(task) ?? 0) + 1
    this.#failures.delete(task)
    if (failures > waitedFor) return false
    this.#failures.set(task, failures)
    if (this.#failures.size > mostTasks) this.#failures.delete(this.#failures.keys().next().value!)
    return true
  }

  /** The task goes on, or has no bytes any more for which anything is waited for. */
  forget(task: TaskId): void {
    this.#failures.delete(task)
  }
}
