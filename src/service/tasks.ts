/** Verbs about tasks: added, changed, retried, waited for, watched. */
import { LonghaulError } from '../contract/errors.ts'
import type { NewTask, TaskRecord } from '../contract/task.ts'
import type { AddedTask, Result } from '../contract/verbs.ts'
import { fitting } from '../contract/weight.ts'
import type { TaskId } from '../contract/words.ts'
import type { CommandInput, Folders, Journal } from '../journal/journal.ts'
import { Chains } from './chains.ts'
import { checkDestinations } from './destinations.ts'
import { type Inside, sessionNamed, type Verbs } from './inside.ts'
import { now } from './moment.ts'
import { sealedRows } from './proxy-secrets.ts'

export type TaskVerb =
  | 'task.add'
  | 'task.enqueue'
  | 'task.change'
  | 'task.retry'
  | 'task.wait'
  | 'watch.start'
  | 'watch.stop'

/** How many tasks of a session are shown at the start of a watch; the rest is told as it changes. */
const watchedAtOnce = 500

export function taskVerbs(inside: Inside): Verbs<TaskVerb> {
  const { world, journal, progress, watching, waiting, transfers } = inside
  const chains = new Chains()
  const shown = ({ task, isNew }: AddedTask): AddedTask => ({ task: progress.overlay(task), isNew })
  return {
    'task.add': async ({ session, tasks }) => {
      const { id } = await sessionNamed(journal, session)
      const folders = await checkRows(inside, tasks)
      const rows = await sealedRows(world.vault, tasks)
      const added = await journal.addTasks({ session: id, tasks: rows, folders, at: now(world.clock) })
      return { tasks: added.tasks.map(shown) }
    },
    'task.enqueue': ({ session, tasks, follows }, { caller }) => {
      const enqueue = async (before?: Promise<unknown>): Promise<Result<'task.enqueue'>> => {
        const { id } = await sessionNamed(journal, session)
        const folders = await checkRows(inside, tasks)
        const rows = await sealedRows(world.vault, tasks)
        await before
        return journal.enqueueTasks({ session: id, tasks: rows, folders, at: now(world.clock) })
      }
      return follows === undefined ? enqueue() : chains.follow(caller, follows, enqueue)
    },
    'task.change': async ({ targets, change }) => {
      const at = now(world.clock)
      if ('ids' in targets) {
        const answer = await journal.change({ targets, change, at })
        if (change.kind === 'bandwidthLimit') transfers.limit(targets.ids, change.bytesPerSecond)
        return answer
      }
      const { session, filter } = targets
      const of = session === undefined ? {} : { session: (await sessionNamed(journal, session)).id }
      const answer = await journal.change({ targets: { ...of, filter }, change, at })
      if (change.kind === 'bandwidthLimit')
        for await (const ids of running(journal, { ...of, filter })) transfers.limit(ids, change.bytesPerSecond)
      return answer
    },
    'task.retry': async ({ id, newId, url, headers, authorization, destination }) => {
      const folders =
        destination && (await checkDestinations(world.files, [{ destination, ifExists: 'replace', mayExist: true }]))
      return shown(
        await journal.retryTask({
          id,
          newId,
          at: now(world.clock),
          ...(url !== undefined && { url }),
          ...(headers !== undefined && { headers }),
          ...(authorization !== undefined && { authorization }),
          ...(destination !== undefined && { destination }),
          ...(folders !== undefined && { folders }),
        }),
      )
    },
    'task.wait': ({ id }, { signal }) => waiting.end(id, signal),
    'watch.start': async (params, { caller, signal }) => {
      if (params.ids === undefined && params.session === undefined)
        throw new LonghaulError(
          'INVALID_ARGUMENT',
          'watch.start: neither ids nor a session is given. Nothing is watched.',
        )
      const session = params.session === undefined ? undefined : await sessionNamed(journal, params.session)
      // Nobody would end the watch of a connection that is gone.
      signal.throwIfAborted()
      // Listens before it looks: a change between the two is told.
      watching.start(caller, params)
      const records =
        session === undefined
          ? await getAll(inside, params.ids ?? [])
          : (await journal.page({ session: session.id, filter: {}, completed: false, limit: watchedAtOnce })).tasks
      const tasks = fitting(records.map((record) => progress.overlay(record)))
      for (const { id } of records.slice(tasks.length)) watching.show(caller, params.watch, id)
      return { tasks }
    },
    'watch.stop': ({ watch }, { caller }) => {
      watching.stop(caller, watch)
      return Promise.resolve(null)
    },
  }
}

/** Those of the filter that run. Page by page: few tasks can be much text. */
async function* running(
  journal: Journal,
  { session, filter }: Pick<CommandInput<'page'>, 'session' | 'filter'>,
): AsyncGenerator<readonly TaskId[]> {
  if (filter.group !== undefined && filter.group !== 'active') return
  let cursor: string | undefined
  do {
    const page = await journal.page({
      ...(session !== undefined && { session }),
      filter: { ...filter, group: 'active' },
      completed: false,
      limit: 1000,
      ...(cursor !== undefined && { cursor }),
    })
    yield page.tasks.map(({ id }) => id)
    cursor = page.cursor
  } while (cursor !== undefined)
}

async function getAll({ journal }: Inside, ids: readonly TaskId[]): Promise<readonly TaskRecord[]> {
  const found = await Promise.all(ids.map((id) => journal.getTask({ id })))
  return found.filter((record) => record !== undefined)
}

/** A repeat of a call whose answer was lost finds its own finished file at the destination; it must not be refused for it. */
async function checkRows({ world, journal }: Inside, tasks: readonly NewTask[]): Promise<Folders> {
  const rows = tasks.map(({ destination, ifExists, key }) => ({ destination, ifExists, mayExist: key !== undefined }))
  try {
    return await checkDestinations(world.files, rows)
  } catch (error) {
    const known = await Promise.all(tasks.map(({ id }) => journal.getTask({ id })))
    if (known.every((record) => record === undefined)) throw error
    const unchecked = { kind: 'spool' } as const
    return checkDestinations(
      world.files,
      rows.map((row, index) => (known[index] === undefined ? row : { ...row, destination: unchecked })),
    )
  }
}
