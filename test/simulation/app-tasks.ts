// How a simulated app adds its tasks, whenever it starts: what is due at once, the rest when its time comes. With a key as often
// as it likes, without one only once, whatever came of it.
import type { BackgroundSession } from '../../src/client/session.ts'
import type { DownloadTask } from '../../src/client/task.ts'
import { isLonghaulError, type LonghaulError } from '../../src/contract/errors.ts'
import type { DigestAlgorithm } from '../../src/contract/digests.ts'
import type { BatchRow } from '../../src/contract/task.ts'
import type { AppMemory } from './app-memory.ts'
import type { AppPlan, TaskPlan } from './app-plan.ts'
import type { Internet } from './internet.ts'
import type { Life } from './life.ts'

export interface AppTasksOptions {
  readonly plan: AppPlan
  readonly memory: AppMemory
  readonly life: Life
  readonly calm: boolean
  readonly digestOf: Internet['digestOf']
  readonly session: () => BackgroundSession<number> | undefined
  readonly at: (moment: number, run: () => Promise<void>) => void
  readonly accepted: (task: string, index: number) => void
  readonly refused: (index: number, error: LonghaulError) => void
  readonly note: (what: string) => void
  /** What may not come at that place is a failure. */
  readonly judge: (where: string, error: unknown, allowed?: readonly string[]) => void
  readonly fail: (where: string, error: unknown) => void
}

export class AppTasks {
  readonly #options: AppTasksOptions

  constructor(options: AppTasksOptions) {
    this.#options = options
  }

  async addAll(): Promise<void> {
    const { timeline } = this.#options.life
    const isDue = ({ atMs }: TaskPlan): boolean => this.#options.calm || atMs <= timeline.now
    const wanted = this.#options.plan.tasks
      .map((task, index) => ({ task, index }))
      .filter(({ index }) => this.#isWanted(index))
    for (const { task, index } of wanted) if (!isDue(task)) this.#options.at(task.atMs, () => this.#add(index))
    const due = wanted.filter(({ task }) => isDue(task))
    const batch = due.filter(({ task }) => task.batch === true)
    if (batch.length > 0) await this.#enqueue(batch.map(({ index }) => index))
    for (const { task, index } of due) if (task.batch !== true) await this.#add(index)
  }

  #isWanted(index: number): boolean {
    if (this.#options.plan.tasks[index]!.key !== undefined) return true
    return !this.#options.calm && !this.#options.memory.asked.has(index)
  }

  async #add(index: number): Promise<void> {
    const { start, key, batch } = this.#options.plan.tasks[index]!
    if (batch === true) return this.#enqueue([index])
    for (;;) {
      const session = this.#options.session()
      const row = this.#row(index)
      if (session === undefined || row === undefined) return
      const { url, ...options } = row
      this.#options.memory.asked.add(index)
      try {
        const task = await (start ? session.download(url, options) : session.downloadTask(url, options))
        this.accepted(index, task)
        return
      } catch (error) {
        if (this.#isRefused(index, error, session) || key === undefined) return
        await this.#options.life.clock.sleep(2000)
      }
    }
  }

  async #enqueue(indexes: readonly number[]): Promise<void> {
    for (;;) {
      const session = this.#options.session()
      const rows = indexes.map((index) => this.#row(index)).filter((row) => row !== undefined)
      if (session === undefined || rows.length === 0) return
      try {
        const { added, existing } = await session.enqueue(rows, { start: true })
        if (added + existing !== rows.length)
          this.#options.fail(
            'enqueue',
            new Error(`${rows.length} rows gave ${added} new tasks and ${existing} that were there`),
          )
        // A key may have been that of an earlier task too, which had failed: which of the two it is now is not told.
        for (const list of [session.tasks(), session.history()])
          for await (const { id, key, metadata } of list) {
            const task = key === undefined || !indexes.includes(metadata) ? undefined : await session.task(id)
            if (task !== undefined) this.#has(metadata, task)
          }
        return
      } catch (error) {
        if (this.#isRefused(indexes[0]!, error, session)) return
        await this.#options.life.clock.sleep(2000)
      }
    }
  }

  /** Undefined: what it comes after was not accepted. */
  #row(index: number): BatchRow<number> | undefined {
    const { life, digestOf } = this.#options
    const { url, to, ifExists, key, digest, priority, after, begins, deadline, maximumAttempts } =
      this.#options.plan.tasks[index]!
    const before = after === undefined ? undefined : this.#options.memory.ids.get(after)
    if (after !== undefined && before === undefined) return undefined
    return {
      url,
      metadata: index,
      ...(to !== undefined && { to }),
      ...(ifExists !== undefined && { ifExists }),
      ...(key !== undefined && { key }),
      ...(digest !== undefined && { expectedDigest: digests(digest).map((each) => `${each}:${digestOf(url, each)}`) }),
      ...(priority !== undefined && { priority }),
      ...(before !== undefined && { after: [before] }),
      ...(begins !== undefined && { earliestBeginDate: new Date(life.clock.wall() + begins) }),
      ...(deadline !== undefined && { timeoutIntervalForResource: `${deadline}ms` }),
      ...(maximumAttempts !== undefined && { retry: { maximumAttempts } }),
    }
  }

  accepted(index: number, task: DownloadTask<number>): void {
    const { keys, retried } = this.#options.memory
    const before = keys.get(index)
    if (before !== undefined && before !== task.id && !retried.has(before)) void this.#checkOther(before, task)
    if (this.#options.plan.tasks[index]!.key !== undefined) keys.set(index, task.id)
    this.#has(index, task)
  }

  #has(index: number, task: DownloadTask<number>): void {
    this.#options.memory.ids.set(index, task.id)
    this.#options.accepted(task.id, index)
    if (this.#options.plan.tasks[index]!.awaited) void this.#await(task)
  }

  /** Only where the earlier one has failed may a key give another task. */
  async #checkOther(before: string, task: DownloadTask<number>): Promise<void> {
    try {
      const earlier = await this.#options.session()?.task(before)
      if (earlier !== undefined && earlier.snapshot.error === undefined)
        this.#options.fail('download', new Error(`the key of task ${before} gave ${task.id}`))
    } catch (error) {
      this.#options.judge('the earlier task of a key', error, ['INVALID_ARGUMENT'])
    }
  }

  async #await(task: DownloadTask<number>): Promise<void> {
    try {
      const { bytes, path } = await task.finished()
      this.#options.note(`heard that task ${task.id.slice(-6)} has finished: ${bytes} bytes at ${path}`)
    } catch (error) {
      this.#options.note(`heard that task ${task.id.slice(-6)} has ended: ${String((error as LonghaulError).code)}`)
      // An invalidated session takes its tasks along.
      this.#options.judge('finished', error, this.#options.memory.invalidates ? ['INVALID_ARGUMENT'] : [])
    }
  }

  /** False: it may be asked again. */
  #isRefused(index: number, error: unknown, session: BackgroundSession<number>): boolean {
    const mayBeGone = this.#options.memory.invalidates || session !== this.#options.session()
    this.#options.judge('add', error, mayBeGone ? ['INVALID_ARGUMENT'] : [])
    this.#options.refused(index, error as LonghaulError)
    return !isLonghaulError(error, 'DAEMON_UNAVAILABLE') && !isLonghaulError(error, 'JOURNAL_DAMAGED')
  }
}

function digests(asked: NonNullable<TaskPlan['digest']>): readonly DigestAlgorithm[] {
  // A list of which all was left out when a plan was made shorter still has to expect something.
  return asked === true || asked.length === 0 ? ['sha-256'] : asked
}
