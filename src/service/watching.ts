/**
 * Those who watch: each is told at its own interval what changed since, newest only. A commit costs by what it changed, not
 * by how many tasks there are or how many are watched.
 */
import type { Caller } from '../contract/caller.ts'
import type { ProgressJson, TaskRecord } from '../contract/task.ts'
import type { TaskId } from '../contract/words.ts'
import type { Journal } from '../journal/journal.ts'
import type { Clock, Timer } from '../world/clock.ts'
import type { Log } from '../world/log.ts'
import type { LiveFacts } from './progress.ts'

/** No one is told more often than this, but for the end of the one task that is watched. */
const leastIntervalMs = 50
/** After this long without bytes a speed is 0, which is news that no byte brings. */
const fadeMs = 3100

export interface WatchRequest {
  readonly watch: number
  readonly ids?: readonly TaskId[]
  readonly session?: string
  readonly intervalMs: number
}

interface Watch {
  readonly caller: Caller
  readonly request: WatchRequest
  readonly dirty: Map<TaskId, 'progress' | 'record'>
  /** Tasks that were last shown with a speed. */
  readonly moving: Set<TaskId>
  toldMs: number
  armed: { readonly atMs: number; readonly timer: Timer } | undefined
  ended: boolean
}

export interface WatchingParts {
  readonly clock: Clock
  readonly journal: Journal
  readonly log: Log
  live(task: TaskId): LiveFacts | undefined
  overlay(record: TaskRecord): TaskRecord
}

export class Watching {
  readonly #parts: WatchingParts
  readonly #byCaller = new Map<Caller, Map<number, Watch>>()
  readonly #byTask = new Map<TaskId, Set<Watch>>()
  readonly #bySession = new Map<string, Set<Watch>>()

  constructor(parts: WatchingParts) {
    this.#parts = parts
  }

  /** A number that is in use is watched anew. */
  start(caller: Caller, request: WatchRequest): void {
    this.stop(caller, request.watch)
    const watch: Watch = {
      caller,
      request,
      dirty: new Map(),
      moving: new Set(),
      toldMs: -Infinity,
      armed: undefined,
      ended: false,
    }
    let watches = this.#byCaller.get(caller)
    if (watches === undefined) this.#byCaller.set(caller, (watches = new Map<number, Watch>()))
    watches.set(request.watch, watch)
    for (const id of request.ids ?? []) addTo(this.#byTask, id, watch)
    if (request.session !== undefined) addTo(this.#bySession, request.session, watch)
  }

  stop(caller: Caller, number: number): void {
    const watches = this.#byCaller.get(caller)
    const watch = watches?.get(number)
    if (watch === undefined) return
    watches!.delete(number)
    if (watches!.size === 0) this.#byCaller.delete(caller)
    watch.ended = true
    watch.armed?.timer.cancel()
    for (const id of watch.request.ids ?? []) removeFrom(this.#byTask, id, watch)
    if (watch.request.session !== undefined) removeFrom(this.#bySession, watch.request.session, watch)
  }

  /** A task for which the answer that began the watch had no room is told as if it had changed. */
  show(caller: Caller, number: number, task: TaskId): void {
    const watch = this.#byCaller.get(caller)?.get(number)
    if (watch !== undefined) this.#mark(watch, task, 'record')
  }

  gone(caller: Caller): void {
    for (const number of this.#byCaller.get(caller)?.keys() ?? []) this.stop(caller, number)
  }

  stopAll(): void {
    for (const caller of this.#byCaller.keys()) this.gone(caller)
  }

  /** Bytes came, or the phase changed. */
  moved(task: TaskId, sessionName: string): void {
    for (const watch of this.#byTask.get(task) ?? []) this.#mark(watch, task, 'progress')
    for (const watch of this.#bySession.get(sessionName) ?? []) this.#mark(watch, task, 'progress')
  }

  /** Records changed in a commit; `ended` of them have completed. */
  changed(tasks: readonly TaskId[], ended: readonly TaskId[]): void {
    if (this.#byCaller.size === 0) return
    for (const task of tasks) {
      for (const watch of this.#byTask.get(task) ?? []) {
        this.#mark(watch, task, 'record')
        // Nothing else will follow, and somebody waits for just this.
        if (watch.request.ids?.length === 1 && ended.includes(task)) this.#arm(watch, this.#parts.clock.steady())
      }
      if (this.#bySession.size === 0) continue
      // Whose it is stands in the record, which is read when the watchers are told.
      const session = this.#parts.live(task)?.sessionName
      for (const [name, watches] of this.#bySession)
        if (session === undefined || session === name) for (const watch of watches) this.#mark(watch, task, 'record')
    }
  }

  #mark(watch: Watch, task: TaskId, what: 'progress' | 'record'): void {
    if (watch.dirty.get(task) !== 'record') watch.dirty.set(task, what)
    this.#arm(watch, watch.toldMs + Math.max(leastIntervalMs, watch.request.intervalMs))
  }

  #arm(watch: Watch, atMs: number): void {
    if (watch.ended || (watch.armed !== undefined && watch.armed.atMs <= atMs)) return
    watch.armed?.timer.cancel()
    const timer = this.#parts.clock.timer(atMs, () => {
      watch.armed = undefined
      this.#tell(watch).catch((error: unknown) => {
        this.#parts.log.warn('a watcher could not be told', { error: String(error) })
      })
    })
    watch.armed = { atMs, timer }
  }

  async #tell(watch: Watch): Promise<void> {
    watch.toldMs = this.#parts.clock.steady()
    const dirty = [...watch.dirty]
    watch.dirty.clear()
    for (const task of watch.moving) {
      const rate = this.#parts.live(task)?.progress.rate
      if (rate === undefined) watch.moving.delete(task)
      else if (rate === 0 && !dirty.some(([id]) => id === task)) dirty.push([task, 'progress'])
    }
    const changed: TaskId[] = []
    for (const [task, what] of dirty) {
      const live = this.#parts.live(task)
      if (what === 'record') changed.push(task)
      else if (live !== undefined) this.#say(watch, task, live.progress)
    }
    const records = await Promise.all(changed.map((id) => this.#parts.journal.getTask({ id })))
    for (const record of records) {
      if (record === undefined || watch.ended) continue
      if (watch.request.session !== undefined && record.session !== watch.request.session) continue
      const shown = this.#parts.overlay(record)
      this.#say(watch, shown.id, shown.progress, shown)
    }
    if (watch.moving.size > 0) this.#arm(watch, this.#parts.clock.steady() + fadeMs)
  }

  #say(watch: Watch, id: TaskId, progress: ProgressJson, task?: TaskRecord): void {
    if (progress.rate > 0) watch.moving.add(id)
    else watch.moving.delete(id)
    const { watch: number } = watch.request
    // A record must not be replaced by mere progress that comes after it: each has a key of its own.
    watch.caller.latest('progress', `${number}/${id}${task === undefined ? '' : '/record'}`, {
      watch: number,
      id,
      progress,
      ...(task !== undefined && { task }),
    })
  }
}

function addTo<K>(index: Map<K, Set<Watch>>, key: K, watch: Watch): void {
  const found = index.get(key)
  if (found === undefined) index.set(key, new Set([watch]))
  else found.add(watch)
}

function removeFrom<K>(index: Map<K, Set<Watch>>, key: K, watch: Watch): void {
  const found = index.get(key)
  found?.delete(watch)
  if (found?.size === 0) index.delete(key)
}
