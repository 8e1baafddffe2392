/** The name by which a person knows a task: its file's, else what the server or the address suggest. */
import type { RequestFacts, ResponseJson } from '../contract/task.ts'
import { maybe, parse, type TaskOptions } from './records.ts'
import type { TextRow } from './rows.ts'

/** What it is made of. */
export interface Names {
  /** Of a destination that is a file. */
  readonly chosen: string | null
  readonly suggested: string | null
  readonly url: string
}

/** Out of `task_text x`, without the rest of it: what an app keeps there may be big. */
export const nameColumns = `json_extract(x.options, '$.destination.name') as chosen,
  json_extract(x.response, '$.suggestedFilename') as suggested, json_extract(x.request, '$.url') as url`

/** Of a row that was read as a whole. */
export function namesOf(row: Pick<TextRow, 'options' | 'response' | 'request'>): Names {
  const { destination } = parse<TaskOptions>(row.options)
  return {
    chosen: destination.kind === 'file' ? destination.name : null,
    suggested: maybe<ResponseJson>(row.response)?.suggestedFilename ?? null,
    url: parse<RequestFacts>(row.request).url,
  }
}

export function fileName({ chosen, suggested, url }: Names): string {
  const path = URL.parse(url)?.pathname ?? ''
  return chosen ?? suggested ?? path.slice(path.lastIndexOf('/') + 1)
}
