/**
 * Watches tasks until they have ended or the person leaves. Leaving (Ctrl-C, SIGTERM, SIGHUP, a closed reader) never touches
 * the transfers: this process is only a viewer.
 */
import type { Link } from '../client/link.ts'
import type { ExplanationJson } from '../contract/explanation.ts'
import type { ProgressJson, TaskRecord } from '../contract/task.ts'
import type { Phase } from '../contract/words.ts'
import type { Context } from './command.ts'
import { exitCodeOfAll, exitCodeOfSignal } from './exit-codes.ts'
import type { ProgressView, Seen } from './render/progress-view.ts'
import { watchRecords } from './task-watch.ts'
import { openView } from './view.ts'

/** Of no more tasks than a person reads is it asked why they are queued. */
const explained = 50

export interface Viewing {
  readonly ids: readonly string[]
  /** Ids of tasks that this run made; the others were found. */
  readonly fresh?: ReadonlySet<string>
  /** Stop after the first end. @default 'all' */
  readonly until?: 'first' | 'all'
  readonly timestamps?: boolean
}

export interface Viewed {
  readonly ended: readonly TaskRecord[]
  /** Name of the signal by which the person left; undefined: everything that was waited for has ended. */
  readonly left: string | undefined
  readonly exitCode: number
}

export async function watchTasks(context: Context, link: Link, viewing: Viewing): Promise<Viewed> {
  const done = Promise.withResolvers<string | undefined>()
  const opened = openView(context, { timestamps: viewing.timestamps === true })
  const follower = new Follower(context, link, opened.view, viewing, done)
  const release = link.world.keepAlive.hold()
  const leave = (): void => done.resolve(String(context.left.reason))
  context.left.addEventListener('abort', leave, { once: true })
  if (context.left.aborted) leave()
  let stop = (): void => {}
  try {
    stop = await watchRecords(link, {
      ids: viewing.ids,
      intervalMs: context.json ? 500 : 100,
      record: (task) => follower.record(task),
      progress: (id, progress) => follower.progress(id, progress),
      failed: (error) => done.reject(error),
    })
    const left = await done.promise
    const ended = follower.ended
    const failures = ended.flatMap((task) => (task.error === undefined ? [] : [task.error.code]))
    const exitCode = left === undefined ? exitCodeOfAll(failures) : exitCodeOfSignal(left)
    opened.view.ends(
      left === undefined
        ? { summary: { succeeded: ended.length - failures.length, failed: failures.length, exitCode } }
        : { left },
    )
    return { ended, left, exitCode }
  } catch (error) {
    opened.view.ends({ left: 'error' })
    throw error
  } finally {
    opened.close()
    context.left.removeEventListener('abort', leave)
    stop()
    release()
  }
}

/** Turns reports into what a view is told, each task's in order. */
class Follower {
  readonly #context: Context
  readonly #link: Link
  readonly #view: ProgressView
  readonly #viewing: Viewing
  readonly #done: PromiseWithResolvers<string | undefined>
  readonly #seen = new Map<string, Seen>()
  readonly #ended = new Map<string, TaskRecord>()
  /** One after the other: an explanation that is fetched for one record must not let a newer one overtake it. */
  #order: Promise<void> = Promise.resolve()

  constructor(
    context: Context,
    link: Link,
    view: ProgressView,
    viewing: Viewing,
    done: PromiseWithResolvers<string | undefined>,
  ) {
    this.#context = context
    this.#link = link
    this.#view = view
    this.#viewing = viewing
    this.#done = done
  }

  get ended(): readonly TaskRecord[] {
    return [...this.#ended.values()]
  }

  record(task: TaskRecord): void {
    this.#next(() => this.#take(task))
  }

  progress(id: string, progress: ProgressJson): void {
    this.#next(async () => {
      const one = this.#seen.get(id)
      if (one === undefined || this.#ended.has(id)) return
      if (progress.received !== one.task.progress.received) one.lastByteMs = this.#context.wallMs()
      one.task = { ...one.task, progress }
      if (one.goesOn === undefined) await this.#learn(one)
      this.#view.progressed(one)
    })
  }

  #next(run: () => void | Promise<void>): void {
    this.#order = this.#order.then(run).catch(this.#done.reject)
  }

  async #take(task: TaskRecord): Promise<void> {
    if (this.#ended.has(task.id)) return
    const known = this.#seen.get(task.id)
    const now: Seen = known ?? { task, lastByteMs: this.#context.wallMs() }
    const before = now.task
    now.task = task
    // A new attempt has its own silence.
    if (task.progress.received !== before.progress.received || task.phase !== before.phase)
      now.lastByteMs = this.#context.wallMs()
    now.explanation = undefined
    if (this.#isAsked(task)) now.explanation = whyOf(task, await this.#explanation(task.id))
    else if (runs(task)) {
      if (known === undefined || task.attempts !== before.attempts || !runs(before)) {
        // What a running task had only received may have been lost in a crash.
        if (known === undefined || runs(before)) now.kept = task.progress.received
        now.goesOn = now.kept === 0 ? false : undefined
      }
      if (now.goesOn === undefined) await this.#learn(now)
    }
    if (!runs(task)) now.kept = task.progress.received
    if (known === undefined) {
      this.#seen.set(task.id, now)
      this.#view.begins(now, this.#viewing.fresh?.has(task.id) ?? false)
    } else this.#view.changed(now, before)
    if (task.state !== 'completed') return
    this.#ended.set(task.id, task)
    const wanted = this.#viewing.until === 'first' ? 1 : this.#viewing.ids.length
    if (this.#ended.size >= wanted) this.#done.resolve(undefined)
  }

  /** Of queued ones each would be a question: only where there are few. */
  #isAsked(task: TaskRecord): boolean {
    return task.phase === 'waiting' || (task.phase === 'queued' && this.#viewing.ids.length <= explained)
  }

  /** Whether an attempt goes on from what was kept. How many bytes there are tells nothing: it may have begun anew and got past them. */
  async #learn(one: Seen): Promise<void> {
    const { id, attempts } = one.task
    const explanation = await this.#explanation(id)
    // The proof is recorded before bytes begin to come.
    if (explanation === undefined || !moving.includes(explanation.phase)) return
    const last = explanation.attempts.at(-1)
    if (last?.number === attempts) one.goesOn = last.proof !== undefined
  }

  /** Undefined where there is none: the line says only that it waits, and the next report brings another chance. */
  #explanation(id: string): Promise<ExplanationJson | undefined> {
    return this.#link.call('task.explain', { id }).catch(() => undefined)
  }
}

/**
 * It is asked for after the record came. Where the task has gone on meanwhile, it still tells why there was a wait; its times are those of
 * the next try, such as when that one counts as stalled.
 */
function whyOf(task: TaskRecord, explanation: ExplanationJson | undefined): ExplanationJson | undefined {
  if (explanation === undefined || explanation.phase === task.phase) return explanation
  const { nextWakeUpMs: _, ...rest } = explanation
  return { ...rest, blockers: [] }
}

const moving: readonly Phase[] = ['transferring', 'verifying', 'delivering']

function runs({ gate }: TaskRecord): boolean {
  return gate === 'active' || gate === 'publishing'
}
