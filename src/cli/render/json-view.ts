/**
 * `--json`: one object a line on stdout, additive within `v: 1`. Types: `task.created .state .progress .retry .completed`,
 * `error`, and `summary`, always last. What is unknown is absent, never -1.
 */
import { dateOf } from '../../client/explain.ts'
import type { TaskRecord } from '../../contract/task.ts'
import type { ProgressView, Seen, Summary } from './progress-view.ts'

const progressMs = 500

/** @param fields what is undefined is left out */
export function jsonLine(type: string, wallMs: number, fields: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ v: 1, type, time: new Date(wallMs).toISOString(), ...fields })}\n`
}

export interface JsonViewOptions {
  readonly write: (text: string) => void
  readonly wallMs: () => number
}

export class JsonView implements ProgressView {
  readonly #options: JsonViewOptions
  readonly #saidAt = new Map<string, number>()

  constructor(options: JsonViewOptions) {
    this.#options = options
  }

  begins(seen: Seen, isNew: boolean): void {
    const { task } = seen
    this.#say('task.created', task, { new: isNew, url: task.originalRequest.url, phase: task.phase })
    if (task.phase === 'completed') this.#completed(task)
    else if (task.phase === 'waiting') this.#waits(seen)
  }

  changed(seen: Seen, before: TaskRecord): void {
    const { task } = seen
    if (task.phase === 'completed') this.#completed(task)
    else if (task.phase === before.phase && task.attempts === before.attempts) return
    else if (task.phase !== 'waiting' || !this.#waits(seen))
      this.#say('task.state', task, { state: task.state, phase: task.phase })
  }

  progressed(seen: Seen): void {
    const { task } = seen
    const now = this.#options.wallMs()
    const last = this.#saidAt.get(task.id)
    if (last !== undefined && now - last < progressMs) return
    this.#saidAt.set(task.id, now)
    const { received, total, rate, etaMs } = task.progress
    this.#say('task.progress', task, { received, expected: total, rate, etaMs, phase: task.phase })
  }

  ends(how: { readonly summary: Summary } | { readonly left: string }): void {
    const fields =
      'summary' in how
        ? { ok: how.summary.succeeded, failed: how.summary.failed, exit: how.summary.exitCode }
        : { left: how.left }
    this.#options.write(jsonLine('summary', this.#options.wallMs(), fields))
  }

  /** False: it does not wait because of a failure. */
  #waits({ task, explanation }: Seen): boolean {
    if (explanation?.cause === undefined) return false
    const { cause, nextWakeUpMs } = explanation
    const nextAt = dateOf(nextWakeUpMs)?.toISOString()
    this.#say('task.retry', task, { attempt: task.attempts + 1, cause, nextAt, kept: task.progress.received })
    return true
  }

  #completed(task: TaskRecord): void {
    const { error, result, completedAtMs } = task
    this.#say('task.completed', task, {
      ok: error === undefined,
      path: result?.path,
      bytes: result?.bytes,
      ms: completedAtMs === undefined ? undefined : completedAtMs - task.createdAtMs,
      digest: result?.digest,
      lengthVerified: result?.lengthVerified,
      notModified: result?.notModified === true ? true : undefined,
      skipped: result?.skipped === true ? true : undefined,
      attempts: task.attempts,
      error,
    })
  }

  #say(type: string, task: TaskRecord, fields: Readonly<Record<string, unknown>>): void {
    this.#options.write(jsonLine(type, this.#options.wallMs(), { id: task.id, session: task.session, ...fields }))
  }
}
