/** Which tasks a command is about: names (a short code, a file name, `session/12`, `@last`) or a filter. */
import type { Link } from '../client/link.ts'
import { LonghaulError } from '../contract/errors.ts'
import { nearest } from '../contract/nearest.ts'
import type { TaskCounts, TaskFilter, TaskRecord } from '../contract/task.ts'
import type { Flag, Input } from './command.ts'
import { nameOf, shortCodes } from './render/task-name.ts'

const groups: readonly (keyof TaskCounts)[] = ['suspended', 'held', 'queued', 'waiting', 'active', 'completed']

export const filterFlags: readonly Flag[] = [
  { name: 'session', value: 'NAME', help: 'only tasks of this session' },
  { name: 'state', value: 'STATE', choices: groups, help: `only those that are ${groups.join(', ')}` },
  { name: 'host', value: 'HOST', help: 'only tasks of this host' },
  { name: 'match', value: 'GLOB', help: 'file name or address, with * and ?' },
  { name: 'tag', value: 'TAG', help: 'only tasks with this tag' },
  { name: 'failed', help: 'only those that failed' },
]

export interface Selection {
  readonly session: string | undefined
  readonly filter: TaskFilter
  /** Whether any filter flag was given. */
  readonly narrowed: boolean
}

export function selectionOf(input: Input): Selection {
  const filter: TaskFilter = {
    group: input.value('state') as keyof TaskCounts | undefined,
    host: input.value('host'),
    match: input.value('match'),
    tag: input.value('tag'),
    outcome: input.has('failed') ? 'failed' : undefined,
  }
  const session = input.value('session')
  const given = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)) as TaskFilter
  return { session, filter: given, narrowed: session !== undefined || Object.keys(given).length > 0 }
}

/** The one task that `text` names. @throws NotFound; INVALID_ARGUMENT when it names several */
export async function findTask(link: Link, text: string): Promise<TaskRecord> {
  const found = await link.call('task.find', { text })
  if (found.length === 0) throw new NotFound(text)
  if (found.length > 1) {
    const codeOf = shortCodes(found.map((task) => task.id))
    const list = found.slice(0, 5).map((task) => `  ${codeOf(task.id)}  ${nameOf(task)}`)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `'${text}' names ${found.length} tasks. Nothing was done; name one of them:\n${list.join('\n')}`,
    )
  }
  return found[0]!
}

/** The tasks that the words name, each once. */
export async function findTasks(link: Link, words: readonly string[]): Promise<readonly TaskRecord[]> {
  const found = new Map<string, TaskRecord>()
  for (const word of words) {
    const task = await findTask(link, word)
    found.set(task.id, task)
  }
  return [...found.values()]
}

/** No such task; its own exit code. */
export class NotFound extends Error {
  override readonly name = 'NotFound'
  /** @param message what is not there, and where to look */
  constructor(text: string, message?: string) {
    super(message ?? `There is no task '${text}'. longhaul ls -a lists all of them.`)
  }
}

/** All tasks that fit, page by page. */
export async function* allTasks(link: Link, selection: Selection, completed: boolean): AsyncGenerator<TaskRecord> {
  let cursor: string | undefined
  const { session } = selection
  if (session !== undefined) await checkSession(link, session)
  do {
    const page = await link.call('task.page', {
      ...(session !== undefined && { session }),
      filter: selection.filter,
      completed,
      limit: 200,
      ...(cursor !== undefined && { cursor }),
    })
    yield* page.tasks
    cursor = page.cursor
  } while (cursor !== undefined)
}

/** @throws NotFound, with the nearest one that there is */
async function checkSession(link: Link, name: string): Promise<void> {
  const names = (await link.call('session.list', {})).map((session) => session.identifier)
  if (names.includes(name)) return
  const guess = nearest(name, names)
  const hint = guess === undefined ? `Sessions: ${names.join(', ') || 'none'}.` : `Did you mean ${guess}?`
  throw new NotFound(name, `There is no session '${name}'. ${hint}`)
}

/** Of the words if there are any, else of the filter (without one: of everything) that has not ended. */
export async function idsOf(link: Link, input: Input): Promise<readonly string[]> {
  if (input.words.length > 0) return (await findTasks(link, input.words)).map((task) => task.id)
  const ids: string[] = []
  for await (const task of allTasks(link, selectionOf(input), false)) ids.push(task.id)
  return ids
}
