/** Filters as a user writes them, checked; and reading page by page. */
import type { TaskFilter, TaskRecord } from '../contract/task.ts'
import { checkNames, invalid, isFields, requireFields, shown } from './known-names.ts'
import type { Link } from './link.ts'

const known: readonly (keyof TaskFilter)[] = ['ids', 'group', 'tag', 'host', 'match', 'outcome']
const groups: readonly string[] = ['suspended', 'held', 'queued', 'waiting', 'active', 'completed']
const outcomes: readonly string[] = ['succeeded', 'failed', 'cancelled']
const pageSize = 100

/** @throws INVALID_ARGUMENT */
export function checkFilter(
  filter: TaskFilter | undefined,
  consequence: string,
  more: readonly string[] = [],
): TaskFilter {
  if (filter === undefined) return {}
  requireFields(filter, 'filter', consequence)
  checkNames(filter, 'fields of a filter', { known: [...known, ...more] }, consequence)
  const { ids, group, tag, host, match, outcome } = filter
  if (ids !== undefined && !(Array.isArray(ids) && ids.every((id) => typeof id === 'string'))) {
    throw invalid('filter.ids', `${shown(ids)} is not an array of ids`, consequence)
  }
  if (group !== undefined && !groups.includes(group)) {
    throw invalid('filter.group', `${shown(group)} is not one of ${groups.join(', ')}`, consequence)
  }
  if (outcome !== undefined && !outcomes.includes(outcome)) {
    throw invalid('filter.outcome', `${shown(outcome)} is not one of ${outcomes.join(', ')}`, consequence)
  }
  for (const [name, value] of Object.entries({ tag, host, match })) {
    if (value !== undefined && typeof value !== 'string')
      throw invalid(`filter.${name}`, `${shown(value)} is not a text`, consequence)
  }
  // Only what is meant for the wire.
  return Object.fromEntries(
    Object.entries({ ids, group, tag, host, match, outcome }).filter(([, value]) => value !== undefined),
  )
}

/** A filter that must say something: to cancel is final, so "all" has to be written out. @throws INVALID_ARGUMENT */
export function checkFilterGiven(filter: unknown, consequence: string): void {
  if (!isFields(filter)) throw invalid('filter', "a filter is wanted; {} means all the session's tasks", consequence)
}

export interface PageQuestion {
  readonly session: string
  readonly filter: TaskFilter
  readonly completed: boolean
  readonly sinceMs?: number
}

/** All tasks that fit, page after page; each page is as new as its own answer. */
export async function* taskPages(link: Link, question: PageQuestion): AsyncGenerator<TaskRecord, void, undefined> {
  let cursor: string | undefined
  do {
    const page = await link.call('task.page', { ...question, limit: pageSize, ...(cursor !== undefined && { cursor }) })
    yield* page.tasks
    cursor = page.cursor
  } while (cursor !== undefined)
}
