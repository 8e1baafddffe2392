/**
 * Watches tasks until they have ended or the person leaves. Leaving (Ctrl-C, SIGTERM, SIGHUP, a closed reader) never touches
 * the transfers: this process is only a viewer.
 */
import type { Link } from '../client/link.ts'
import { sentenceOf } from '../client/explain.ts'
import type { ProgressJson } from '../contract/task.ts'
import type { TaskRecord } from '../contract/task.ts'
import type { Context } from './command.ts'
import { exitCodeOfAll, exitCodes } from './exit-codes.ts'
import { JsonView } from './render/json-view.ts'
import { LineView } from './render/line-view.ts'
import { LiveView } from './render/live-view.ts'
import type { ProgressView, Seen } from './render/progress-view.ts'
import { terminalOf } from './render/terminal.ts'
import { watchRecords } from './task-watch.ts'

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

export function viewOf(context: Context, options: { readonly timestamps?: boolean } = {}): ProgressView {
  const wallMs = (): number => Date.now()
  if (context.json) return new JsonView({ write: context.out, wallMs })
  if (context.quiet) return { begins() {}, changed() {}, progressed() {}, ends() {} }
  if (context.terminal.live) {
    const terminal = (): ReturnType<typeof terminalOf> => ({
      ...context.terminal,
      columns: process.stderr.columns,
      rows: process.stderr.rows,
    })
    return new LiveView({ terminal, words: context.words, write: context.err, wallMs })
  }
  return new LineView({ words: context.words, write: context.err, wallMs, timestamps: options.timestamps === true })
}

export async function watchTasks(context: Context, link: Link, viewing: Viewing): Promise<Viewed> {
  const view = viewOf(context, viewing)
  const seen = new Map<string, Seen>()
  const ended = new Map<string, TaskRecord>()
  const done = Promise.withResolvers<string | undefined>()
  const enough = (): boolean => ended.size >= (viewing.until === 'first' ? 1 : viewing.ids.length)

  const explained = async (one: Seen): Promise<void> => {
    const explanation = await link.call('task.explain', { id: one.task.id })
    one.why = { explanation, sentence: sentenceOf(explanation, context.terminal.language) }
  }
  const take = async (task: TaskRecord): Promise<void> => {
    if (ended.has(task.id)) return
    const known = seen.get(task.id)
    const now: Seen = known ?? { task, lastByteMs: Date.now() }
    const before = now.task
    now.task = task
    if (task.progress.received !== before.progress.received) now.lastByteMs = Date.now()
    now.why = undefined
    // Without a reason the line says only that it waits; the next record brings another chance.
    if (task.phase === 'waiting') await explained(now).catch(() => {})
    if (known === undefined) {
      seen.set(task.id, now)
      view.begins(now, viewing.fresh?.has(task.id) ?? false)
    } else view.changed(now, before)
    if (task.state === 'completed') ended.set(task.id, task)
    if (enough()) done.resolve(undefined)
  }
  const progressed = (id: string, progress: ProgressJson): void => {
    const one = seen.get(id)
    if (one === undefined || ended.has(id)) return
    if (progress.received !== one.task.progress.received) one.lastByteMs = Date.now()
    one.task = { ...one.task, progress }
    view.progressed(one)
  }

  // One after the other: an explanation that is fetched for one record must not let a newer one overtake it.
  let order: Promise<void> = Promise.resolve()
  const release = link.keepAlive.hold()
  const stop = await watchRecords(link, {
    ids: viewing.ids,
    intervalMs: context.json ? 500 : 100,
    record: (task) => {
      order = order.then(() => take(task))
    },
    progress: (id, progress) => {
      order = order.then(() => progressed(id, progress))
    },
    failed: (error) => done.reject(error),
  })
  const leave = (): void => done.resolve(String(context.left.reason))
  context.left.addEventListener('abort', leave, { once: true })
  if (context.left.aborted) leave()

  try {
    const left = await done.promise
    const records = [...ended.values()]
    const failures = records.flatMap((task) => (task.error === undefined ? [] : [task.error.code]))
    const exitCode = left === undefined ? exitCodeOfAll(failures) : exitCodeOfSignal(left)
    view.ends(
      left === undefined
        ? { summary: { succeeded: records.length - failures.length, failed: failures.length, exitCode } }
        : { left },
    )
    return { ended: records, left, exitCode }
  } catch (error) {
    view.ends({ left: 'error' })
    throw error
  } finally {
    context.left.removeEventListener('abort', leave)
    stop()
    release()
  }
}

export function exitCodeOfSignal(name: string): number {
  if (name === 'SIGTERM' || name === 'SIGHUP') return exitCodes.terminated
  return name === 'SIGPIPE' ? exitCodes.readerClosed : exitCodes.interrupted
}
