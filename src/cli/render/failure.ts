/** What became of a task that failed: what happened, what is kept, what to do. Below the display, once a task. */
import type { ErrorJson } from '../../contract/errors.ts'
import type { TaskRecord } from '../../contract/task.ts'
import { bytes } from './numbers.ts'
import { commandLines, sheet } from './sheet.ts'
import type { SheetLine } from './sheet.ts'
import { nameOf, withShortCodes } from './task-name.ts'
import { paint } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import type { Words } from './words.ts'

/** So much of what the server said is worth a look. */
const answerCharacters = 200

export function failureText(task: TaskRecord, code: string, terminal: Terminal, words: Words): string {
  const { error } = task
  if (error === undefined) return ''
  const { labels } = words
  const { received, total } = task.progress
  const all = total === undefined ? undefined : bytes(total)
  const kept = received === 0 ? words.nothingKept : words.keptOf(bytes(received), all, undefined)
  const answer = answerOf(error)
  const cause = error.cause?.message
  const ofNothing = received === 0 ? words.hintsOfNothing[error.code] : undefined
  const hint = (ofNothing ?? words.hints[error.code] ?? error.hint).replace('TASK', code)
  const lines: SheetLine[] = [
    [labels.what, withShortCodes(error.message)],
    ...(answer === '' ? [] : [[labels.answer, answer] as const]),
    ...(cause === undefined || cause === error.message ? [] : [[labels.cause, cause] as const]),
    [labels.kept, kept],
    [labels.hint, hint],
    ...commandLines(labels.youCan, [`longhaul retry ${code}`, `longhaul explain ${code}`], terminal),
  ]
  return `${paint(terminal, 'bold', code)}  ${nameOf(task)}  ${paint(terminal, 'red', error.code)}\n${sheet(lines, terminal)}`
}

/** The first words of the body that came with a status; empty when it is no text. */
function answerOf({ body }: ErrorJson): string {
  if (body === undefined) return ''
  const text = Buffer.from(body, 'base64')
    .subarray(0, 4 * answerCharacters)
    .toString('utf8')
  if (/[\0\uFFFD]/.test(text.slice(0, answerCharacters))) return ''
  // Of a page that only a browser can show, its title.
  const shown = /^\s*</.test(text) ? (/<title[^>]*>([^<]*)/i.exec(text)?.[1] ?? '') : text
  return shown.trim().replace(/\s+/g, ' ').slice(0, answerCharacters)
}
