/** The handle behind {@link DownloadTask}. */
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { Explanation } from '../contract/explanation.ts'
import { metricsFromJson } from '../contract/metrics.ts'
import type { RequestUpdate, TaskRecord, WaitOptions } from '../contract/task.ts'
import { durationMs, type DurationLike } from '../contract/units.ts'
import type { AddedTask, Change, TaskEnd } from '../contract/verbs.ts'
import { makeTaskId, type TaskId } from '../contract/words.ts'
import { explanationFromJson } from './explain.ts'
import { invalid } from './known-names.ts'
import type { Link } from './link.ts'
import { checkRequestUpdate, priorityOf } from './options.ts'
import { changedRequest } from './requests.ts'
import { languageOf } from './sentences.ts'
import { type Progress, progressOf, responseFacts, snapshotOf, type TaskSnapshot } from './snapshot.ts'
import type { AnyTask, DownloadResult, DownloadTask } from './task.ts'
import { unknownTask, watchTask } from './watch.ts'

/** Where a handle comes from: its session. */
export interface TaskSource<M> {
  readonly link: Link
  added(task: AddedTask): DownloadHandle<M>
}

/** A watch reports no faster than this, however small an interval is asked for. */
const shortestIntervalMs = 50

export class DownloadHandle<M> implements DownloadTask<M> {
  readonly id: TaskId
  readonly taskIdentifier: number
  readonly kind = 'download'
  readonly isNew: boolean
  readonly #source: TaskSource<M>
  #record: TaskRecord
  #snapshot: TaskSnapshot<M> | undefined
  /** Suspends that this handle knows of; with more than one, a lost `resume()` cannot be told from one that was counted. */
  #suspends: number

  constructor(source: TaskSource<M>, record: TaskRecord, isNew: boolean) {
    this.#source = source
    this.#record = record
    this.id = record.id
    this.taskIdentifier = record.taskIdentifier
    this.isNew = isNew
    this.#suspends = record.state === 'suspended' ? 1 : 0
  }

  get snapshot(): TaskSnapshot<M> {
    // Made when it is looked at: events bring many records that nobody looks at.
    this.#snapshot ??= snapshotOf<M>(this.#record)
    return this.#snapshot
  }

  /** @internal An answer or an event brought a newer record. */
  see(record: TaskRecord): void {
    // What comes late (an event of a while ago) does not turn a completed task back.
    if (this.#record.state === 'completed' && record.state !== 'completed') return
    this.#record = record
    this.#snapshot = undefined
  }

  /** @internal */
  seeProgress(progress: TaskRecord['progress']): void {
    this.see({ ...this.#record, progress })
  }

  async refresh(): Promise<TaskSnapshot<M>> {
    const record = await this.#link.call('task.get', { id: this.id })
    if (record === null) throw unknownTask(this.id)
    this.see(record)
    return this.snapshot
  }

  resume(): Promise<void> {
    return this.#nest('resume')
  }

  suspend(): Promise<void> {
    return this.#nest('suspend')
  }

  async cancel(): Promise<{ readonly cancelled: boolean }> {
    await this.#change({ kind: 'cancel' })
    const { task } = await this.#end()
    return { cancelled: task.error?.code === 'CANCELLED' }
  }

  hold(): Promise<void> {
    return this.#changeAndLook({ kind: 'hold' })
  }

  release(): Promise<void> {
    return this.#changeAndLook({ kind: 'release' })
  }

  tryNow(): Promise<void> {
    return this.#changeAndLook({ kind: 'tryNow' })
  }

  async retry(
    changes: Pick<RequestUpdate, 'url' | 'headers'> & { readonly to?: string | URL | undefined } = {},
  ): Promise<AnyTask<M>> {
    checkRequestUpdate(changes, ['to'])
    const { world } = this.#link
    const request = changedRequest(changes.url, changes.headers)
    const destination = changes.to === undefined ? undefined : await world.destinations().resolve(changes.to)
    const added = await this.#link.call('task.retry', {
      id: this.id,
      // Made here, so that the same call after a lost answer is the same task.
      newId: makeTaskId(world.clock.wall(), world.random.bytes(10)),
      ...request,
      ...(destination !== undefined && { destination }),
    })
    return this.#source.added(added)
  }

  async setPriority(priority: number): Promise<void> {
    if (priority === undefined) throw invalid('priority', 'a number from 0 to 1 is wanted', 'Nothing was changed.')
    await this.#changeAndLook({ kind: 'priority', priority: priorityOf(priority) })
  }

  async updateRequest(update: RequestUpdate): Promise<void> {
    checkRequestUpdate(update)
    const request = changedRequest(update.url, update.headers)
    await this.#changeAndLook({ kind: 'request', ...request, restart: update.restart ?? false })
  }

  async explain(): Promise<Explanation> {
    const language = languageOf(this.#link.world.process.env)
    return explanationFromJson(await this.#link.call('task.explain', { id: this.id }), language)
  }

  async *updates(
    options: WaitOptions & { readonly interval?: DurationLike | undefined } = {},
  ): AsyncGenerator<Progress, void, undefined> {
    const asked = options.interval === undefined ? 250 : durationMs(options.interval, 'interval')
    const watch = watchTask(this.#link, this.id, {
      intervalMs: Math.max(shortestIntervalMs, asked),
      signal: options.signal,
      seen: (record) => this.see(record),
    })
    for await (const progress of watch) {
      this.seeProgress(progress)
      yield progressOf(progress)
    }
  }

  async finished(options: WaitOptions = {}): Promise<DownloadResult> {
    return downloadResult(await this.#end(options.signal))
  }

  get #link(): Link {
    return this.#source.link
  }

  async #end(signal?: AbortSignal): Promise<TaskEnd> {
    const end = await this.#link.call('task.wait', { id: this.id }, { signal })
    this.see(end.task)
    return end
  }

  /** Setting what is set already does no harm, so these are asked again when the answer was lost. */
  async #change(change: Change): Promise<void> {
    await this.#link.call('task.change', { targets: { ids: [this.id] }, change }, { repeat: true })
  }

  async #changeAndLook(change: Change): Promise<void> {
    await this.#change(change)
    await this.refresh()
  }

  /**
   * `resume` and `suspend` count, so one whose answer was lost is not simply sent again: the state tells whether it was
   * done, unless suspends of this handle stand on top of each other. Then the caller has to know (DAEMON_UNAVAILABLE).
   */
  async #nest(kind: 'resume' | 'suspend'): Promise<void> {
    const before = this.#record.state
    try {
      await this.#link.call('task.change', { targets: { ids: [this.id] }, change: { kind } })
    } catch (error) {
      if (!isLonghaulError(error, 'DAEMON_UNAVAILABLE') || !error.retryable) throw error
      const { state } = await this.refresh().catch(() => {
        throw error
      })
      const isDone = kind === 'resume' ? state !== 'suspended' : state !== 'running'
      const isUnclear = kind === 'resume' ? !isDone && this.#suspends > 1 : before === 'suspended'
      if (isUnclear) throw error
      if (!isDone) await this.#link.call('task.change', { targets: { ids: [this.id] }, change: { kind } })
    }
    this.#suspends = Math.max(0, this.#suspends + (kind === 'suspend' ? 1 : -1))
    await this.refresh()
  }
}

/** What a finished download is to the app. @throws the task's own error */
export function downloadResult({ task, metrics }: TaskEnd): DownloadResult {
  if (task.error !== undefined) throw LonghaulError.fromJSON(task.error)
  const { result, response } = task
  if (result?.path === undefined) {
    throw new LonghaulError('FILE_DOES_NOT_EXIST', `The file of task ${task.id} is not in the spool any more.`, {
      task: task.id,
    })
  }
  return {
    path: result.path,
    bytes: result.bytes,
    // Without a byte fetched (`ifExists: 'skip'`) there is no answer of a server.
    response: responseFacts(response ?? { url: task.currentRequest.url, status: 0, headers: [] }),
    ...(result.digest !== undefined && { digest: result.digest }),
    lengthVerified: result.lengthVerified,
    notModified: result.notModified,
    metrics: metricsFromJson(metrics),
  }
}
