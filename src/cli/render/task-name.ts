/** How a person knows a task: by the last characters of its id, and by the name of its file. */
import type { TaskRecord } from '../../contract/task.ts'
import { printable } from './text.ts'

/** The last 4 characters of the id, or more where another task of `others` shares them. */
export function shortCode(id: string, others: Iterable<string> = []): string {
  const rest = [...others].filter((other) => other !== id)
  for (let length = 4; length < id.length; length++) {
    const code = id.slice(-length)
    if (!rest.some((other) => other.endsWith(code))) return code
  }
  return id
}

/** Names many tasks at once; {@link shortCode} compares each with all. */
export function shortCodes(ids: Iterable<string>): (id: string) => string {
  const all = [...new Set(ids)]
  const codes = new Map<string, string>()
  let length = 4
  let open = all
  while (open.length > 0) {
    const groups = Map.groupBy(open, (id) => id.slice(-length))
    open = []
    for (const [code, sharing] of groups) {
      if (sharing.length === 1 || length >= 26) codes.set(sharing[0]!, code)
      else open.push(...sharing)
    }
    length++
  }
  return (id) => codes.get(id) ?? shortCode(id)
}

/** The file at the destination, else the server's name, else the last part of the address. Safe to show. */
export function nameOf(task: TaskRecord): string {
  const path = task.result?.path
  if (path !== undefined) return printable(path.slice(path.lastIndexOf('/') + 1))
  if (task.destination.kind === 'file') return printable(task.destination.name)
  const suggested = task.response?.suggestedFilename
  if (suggested !== undefined) return printable(suggested)
  const url = URL.parse(task.currentRequest.url)
  const last = (url?.pathname ?? '').split('/').at(-1)!
  return printable(last === '' ? (url?.host ?? task.id) : decoded(last))
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** A message of the daemon's, in which a task is named by its short code as everywhere on the command line. */
export function withShortCodes(message: string): string {
  return message.replace(
    /\b([Tt]ask )([0-9A-HJKMNP-TV-Z]{26})\b/g,
    (_all, task: string, id: string) => task + shortCode(id),
  )
}
