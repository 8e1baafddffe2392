// Things in few words, for the trace.
import type { CommandInput } from '../../src/journal/journal.ts'
import type { Committed } from './journal.ts'

/** The fields of a line of the log; without stacks, which differ from run to run. */
export function plainFields(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(fields, (_, value: unknown) => {
    if (value instanceof Error) return value.message
    return typeof value === 'string' ? value.split('\n', 1)[0] : value
  })
}

export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** `suspend of DF2MW0`, `cancel of all that fit in session 1`. */
function changeInWords({ targets, change }: CommandInput<'change'>): string {
  const { kind } = change
  const what = kind === 'priority' ? `${kind} ${change.priority}` : kind === 'request' ? requestInWords(change) : kind
  const of =
    'ids' in targets
      ? targets.ids.map((id) => id.slice(-6)).join(', ')
      : `all that fit${targets.session === undefined ? '' : ` in session ${targets.session}`}`
  return `${what} of ${of}`
}

function requestInWords({ restart }: { readonly restart?: boolean | undefined }): string {
  return restart === true ? 'request, at once,' : 'request'
}

/** A group of commands and what came of them. */
export function groupInWords({ requests, answers }: Committed): string {
  return requests.map(({ name, input }, i) => commandInWords(name, input, answers[i])).join('; ')
}

function commandInWords(name: string, input: unknown, answer: unknown): string {
  const { task, id, session, fence, sequences, ranges, end } = input as Record<string, unknown>
  const words = [
    name,
    typeof task === 'string' ? task.slice(-6) : typeof id === 'string' ? id.slice(-6) : '',
    session === undefined ? '' : `session ${JSON.stringify(session)}`,
    fence === undefined ? '' : `fence ${JSON.stringify(fence)}`,
    sequences === undefined ? '' : `events ${JSON.stringify(sequences)}`,
    ranges === undefined ? '' : JSON.stringify(ranges),
    end === undefined ? '' : (end as { kind: string }).kind,
    name === 'change' ? changeInWords(input as CommandInput<'change'>) : '',
  ]
  const found = (answer as { ok?: { found?: string } | null; error?: unknown } | undefined) ?? {}
  if (found.error !== undefined) words.push(`refused (${(found.error as Error).message.slice(0, 60)})`)
  else if (found.ok?.found !== undefined) words.push(`-> ${found.ok.found}`)
  return words.filter((word) => word !== '').join(' ')
}
