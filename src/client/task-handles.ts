/** The handles of a session that are in use, so that events and answers reach the object that the app holds. */
import type { TaskRecord } from '../contract/task.ts'
import type { AddedTask } from '../contract/verbs.ts'
import type { TaskId } from '../contract/words.ts'
import { DownloadHandle, type TaskSource } from './download-handle.ts'
import type { Link } from './link.ts'

/** Handles that are remembered. Beyond that the oldest is forgotten: it works on, but events no longer refresh it. */
const kept = 1000

export class TaskHandles<M> implements TaskSource<M> {
  readonly link: Link
  readonly #handles = new Map<TaskId, DownloadHandle<M>>()

  constructor(link: Link) {
    this.link = link
  }

  /** The handle that there is, refreshed, else a new one. */
  handle(record: TaskRecord): DownloadHandle<M> {
    const found = this.#handles.get(record.id)
    if (found === undefined) return this.#remember(new DownloadHandle<M>(this, record, false))
    found.see(record)
    return found
  }

  /** For an answer that says whether the task is new: a handle says it for its life. */
  added({ task, isNew }: AddedTask): DownloadHandle<M> {
    const found = this.#handles.get(task.id)
    found?.see(task)
    if (found?.isNew === isNew) return found
    const handle = new DownloadHandle<M>(this, task, isNew)
    return found === undefined ? this.#remember(handle) : handle
  }

  get(id: TaskId): DownloadHandle<M> | undefined {
    return this.#handles.get(id)
  }

  forget(id: TaskId): void {
    this.#handles.delete(id)
  }

  #remember(handle: DownloadHandle<M>): DownloadHandle<M> {
    this.#handles.set(handle.id, handle)
    if (this.#handles.size > kept) this.forget(this.#handles.keys().next().value!)
    return handle
  }
}
