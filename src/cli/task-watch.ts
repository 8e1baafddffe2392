/** Reports of some tasks, over restarts of the daemon: a resident of the link that starts its watches again on each connection. */
import type { Ask, Link, Resident } from '../client/link.ts'
import type { LonghaulError } from '../contract/errors.ts'
import type { ProgressJson, TaskRecord } from '../contract/task.ts'
import type { Notes } from '../contract/verbs.ts'

/** Mostly one answer has room for their records; what is left over comes as notes. */
const idsPerWatch = 200

export interface TaskWatchOptions {
  readonly ids: readonly string[]
  readonly intervalMs: number
  /** A whole record: at the start of the watch, again after each reconnection, and when more than progress changed. */
  readonly record: (task: TaskRecord) => void
  readonly progress: (id: string, progress: ProgressJson) => void
  /** There will be no connection again by itself. */
  readonly failed: (error: LonghaulError) => void
}

/** Returns a function that ends the watch. */
export async function watchRecords(link: Link, options: TaskWatchOptions): Promise<() => void> {
  const ends: (() => void)[] = []
  for (let at = 0; at < options.ids.length; at += idsPerWatch) {
    ends.push(await watchSome(link, options, options.ids.slice(at, at + idsPerWatch)))
  }
  return () => {
    for (const end of ends) end()
  }
}

async function watchSome(link: Link, options: TaskWatchOptions, ids: readonly string[]): Promise<() => void> {
  let number = -1
  // Tasks of which a note came while the answer was under way: one that overtakes it in the same turn is the newer one.
  const noted = new Set<string>()
  const again = async (ask: Ask): Promise<void> => {
    noted.clear()
    const { tasks } = await ask('watch.start', { watch: number, ids, intervalMs: options.intervalMs })
    for (const task of tasks) if (!noted.has(task.id)) options.record(task)
  }
  const resident: Resident = {
    again,
    failed: options.failed,
    note: (name, params) => {
      if (name !== 'progress') return
      const { id, progress, task } = params as Notes['progress']
      if (task !== undefined) noted.add(id)
      if (task === undefined) options.progress(id, progress)
      else options.record(task)
    },
  }
  number = link.addWatch(resident)
  try {
    await link.introduce(resident)
  } catch (error) {
    link.removeWatch(number)
    throw error
  }
  return () => {
    link.removeWatch(number)
    if (link.attached) link.ask('watch.stop', { watch: number }).catch(() => {})
  }
}
