/** Watching one task: progress notes over as many connections as it takes, newest only, until the task has completed. */
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { ProgressJson, TaskRecord } from '../contract/task.ts'
import type { Notes } from '../contract/verbs.ts'
import type { Ask, Link, Resident } from './link.ts'

export interface WatchOptions {
  readonly intervalMs: number
  readonly signal?: AbortSignal | undefined
  /** Each record that came, before its progress is given. */
  readonly seen: (record: TaskRecord) => void
}

/** Ends by itself with the task. Leaving the loop stops the watch. @throws `signal.reason`, or why the daemon refused */
export async function* watchTask(
  link: Link,
  id: string,
  options: WatchOptions,
): AsyncGenerator<ProgressJson, void, undefined> {
  options.signal?.throwIfAborted()
  const watch = new TaskWatch(link, id, options)
  const releaseLink = link.retain()
  try {
    await watch.start()
    for (;;) {
      const progress = await watch.next()
      if (progress === undefined) return
      yield progress
    }
  } finally {
    watch.stop()
    releaseLink()
  }
}

class TaskWatch implements Resident {
  readonly #link: Link
  readonly #id: string
  readonly #options: WatchOptions
  readonly #number: number
  /** Notes that came; one of them is newer than the answer that it overtook in the same turn. */
  #notes = 0
  #latest: ProgressJson | undefined
  #over = false
  #failure: { readonly reason: unknown } | undefined
  #wake: (() => void) | undefined
  readonly #onAbort = (): void => this.#fail(this.#options.signal?.reason)

  constructor(link: Link, id: string, options: WatchOptions) {
    this.#link = link
    this.#id = id
    this.#options = options
    this.#number = link.addWatch(this)
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  start(): Promise<void> {
    return this.#link.introduce(this, this.#options.signal)
  }

  async again(ask: Ask): Promise<void> {
    const before = this.#notes
    try {
      const { tasks } = await ask('watch.start', {
        watch: this.#number,
        ids: [this.#id],
        intervalMs: this.#options.intervalMs,
      })
      const record = tasks.find((each) => each.id === this.#id)
      if (record === undefined) this.#fail(unknownTask(this.#id))
      else if (this.#notes === before) this.#see(record)
    } catch (error) {
      if (isLonghaulError(error, 'DAEMON_UNAVAILABLE')) throw error
      this.#fail(error)
    }
  }

  failed(error: LonghaulError): void {
    this.#fail(error)
  }

  note<N extends keyof Notes>(name: N, params: Notes[N]): void {
    if (name !== 'progress') return
    const { task, progress } = params as Notes['progress']
    this.#notes++
    if (task !== undefined) this.#see(task)
    this.#latest = progress
    this.#wake?.()
  }

  /** Undefined at the end of the task. */
  async next(): Promise<ProgressJson | undefined> {
    const release = this.#link.world.keepAlive.hold()
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure.reason
        const latest = this.#latest
        this.#latest = undefined
        if (latest !== undefined) return latest
        if (this.#over) return undefined
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#wake = resolve
        await promise
      }
    } finally {
      this.#wake = undefined
      release()
    }
  }

  stop(): void {
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#link.removeWatch(this.#number)
    // Forgotten with the connection otherwise.
    if (this.#link.attached) void this.#link.ask('watch.stop', { watch: this.#number }).catch(() => {})
  }

  #see(record: TaskRecord): void {
    this.#options.seen(record)
    this.#latest = record.progress
    if (record.state === 'completed') this.#over = true
    this.#wake?.()
  }

  #fail(reason: unknown): void {
    this.#failure ??= { reason }
    this.#wake?.()
  }
}

export function unknownTask(id: string): LonghaulError {
  return new LonghaulError(
    'INVALID_ARGUMENT',
    `The daemon has no task ${id}. Completed tasks are forgotten after 30 days; the file that it left is not touched.`,
  )
}
