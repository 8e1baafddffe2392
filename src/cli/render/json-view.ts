/**
 * `--json`: one object a line on stdout, additive within `v: 1`. Types: `task.created .state .progress .retry .completed`,
 * `error`, and `summary`, always last. What is unknown is absent, never -1.
 */
import type { TaskRecord } from '../../contract/task.ts'
import type { ErrorJson } from '../../contract/errors.ts'
import type { ProgressView, Seen, Summary } from './progress-view.ts'

const progressMs = 500

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
  }

  changed(seen: Seen, before: TaskRecord): void {
    const { task } = seen
    if (task.phase === 'completed') return this.#completed(task)
    const cause = seen.why?.explanation.cause
    const wakes = seen.why?.explanation.nextWakeUpMs
    if (task.phase === 'waiting' && cause !== undefined) {
      const nextAt = wakes === undefined ? undefined : new Date(wakes).toISOString()
      return this.#say('task.retry', task, { attempt: task.attempts + 1, cause, nextAt, kept: task.progress.received })
    }
    if (task.phase !== before.phase) this.#say('task.state', task, { state: task.state, phase: task.phase })
  }

  progressed(seen: Seen): void {
    const { task } = seen
    const now = this.#options.wallMs()
    if (now - (this.#saidAt.get(task.id) ?? 0) < progressMs) return
    this.#saidAt.set(task.id, now)
    const { received, total, rate, etaMs } = task.progress
    this.#say('task.progress', task, { received, expected: total, rate, etaMs, phase: task.phase })
  }

  ends(how: { readonly summary: Summary } | { readonly left: string }): void {
    if ('summary' in how) {
      const { succeeded, failed, exitCode } = how.summary
      this.#options.write(jsonLine('summary', this.#options.wallMs(), { ok: succeeded, failed, exit: exitCode }))
    } else this.#options.write(jsonLine('summary', this.#options.wallMs(), { left: how.left }))
  }

  #completed(task: TaskRecord): void {
    const error: ErrorJson | undefined = task.error
    this.#say('task.completed', task, {
      ok: error === undefined,
      path: task.result?.path,
      bytes: task.result?.bytes,
      ms: task.completedAtMs === undefined ? undefined : task.completedAtMs - task.createdAtMs,
      digest: task.result?.digest,
      notModified: task.result?.notModified === true ? true : undefined,
      attempts: task.attempts,
      error,
    })
  }

  #say(type: string, task: TaskRecord, fields: Readonly<Record<string, unknown>>): void {
    this.#options.write(jsonLine(type, this.#options.wallMs(), { id: task.id, session: task.session, ...fields }))
  }
}
