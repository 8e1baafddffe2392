/** Which tasks a filter means. Looks at tasks in order of creation, so many at a time, and says where to go on. */
import type { RequestFacts, TaskFilter } from '../contract/task.ts'
import type { SessionId } from './journal.ts'
import { fileName, namesOf } from './file-name.ts'
import { groupOf, maybe, parse, recordColumns, recordTables, type RecordRow, type TaskOptions } from './records.ts'
import type { Store, Value } from './store.ts'
import { wildcard } from './wildcard.ts'

export interface Selection {
  readonly session?: SessionId | undefined
  readonly filter: TaskFilter
  readonly completed: 'only' | 'not' | 'too'
  /** Wall ms: created or completed since. */
  readonly sinceMs?: number | undefined
  /** Row ids greater than this. */
  readonly after: number
  /** Rows to look at. */
  readonly look: number
}

export interface Selected {
  readonly rows: readonly RecordRow[]
  /** The row looked at last; absent when there are no more. */
  readonly next?: number
}

export function select(store: Store, selection: Selection): Selected {
  const { filter } = selection
  const where: string[] = ['t.id > ?']
  const values: Value[] = [selection.after]
  const and = (condition: string, ...more: Value[]): void => {
    where.push(condition)
    values.push(...more)
  }
  if (selection.session !== undefined) and('t.session = ?', selection.session)
  if (filter.ids !== undefined) and('t.uid in (select value from json_each(?))', JSON.stringify(filter.ids))
  if (selection.completed !== 'too') and(selection.completed === 'only' ? `t.gate = 'done'` : `t.gate <> 'done'`)
  if (filter.outcome !== undefined) and('t.outcome = ?', filter.outcome)
  if (selection.sinceMs !== undefined) and('coalesce(t.completed_at, t.created_at) >= ?', selection.sinceMs)
  const found = store.all<RecordRow>(
    `select ${recordColumns} from ${recordTables} where ${where.join(' and ')} order by t.id limit ?`,
    ...values,
    selection.look,
  )
  const matches = filter.match === undefined ? undefined : wildcard(filter.match)
  const rows = found.filter((row) => fits(row, filter, matches))
  const last = found.length < selection.look ? undefined : found.at(-1)
  return last === undefined ? { rows } : { rows, next: last.id }
}

function fits(row: RecordRow, filter: TaskFilter, matches: ((text: string) => boolean) | undefined): boolean {
  if (filter.group !== undefined && groupOf(row.gate) !== filter.group) return false
  if (filter.tag === undefined && filter.host === undefined && matches === undefined) return true
  const options = parse<TaskOptions>(row.options)
  if (filter.tag !== undefined && !(options.tags ?? []).includes(filter.tag)) return false
  const { url } = maybe<RequestFacts>(row.current_request) ?? parse<RequestFacts>(row.request)
  if (filter.host !== undefined && !hostFits(url, filter.host)) return false
  return matches === undefined || matches(url) || matches(fileName(namesOf(row)))
}

function hostFits(url: string, host: string): boolean {
  const parsed = URL.parse(url)
  return parsed !== null && (parsed.hostname === host.toLowerCase() || parsed.host === host.toLowerCase())
}
