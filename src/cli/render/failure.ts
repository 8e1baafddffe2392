/** What became of a task that failed: what happened, what is kept, what to do. Below the display, once a task. */
import type { TaskRecord } from '../../contract/task.ts'
import { bytes } from './numbers.ts'
import { sheet } from './sheet.ts'
import { nameOf } from './task-name.ts'
import { paint } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import type { Words } from './words.ts'

export function failureText(task: TaskRecord, code: string, terminal: Terminal, words: Words): string {
  const { error } = task
  if (error === undefined) return ''
  const { labels } = words
  const { received, total } = task.progress
  const kept =
    received === 0
      ? words.nothingKept
      : words.keptOf(bytes(received), total === undefined ? undefined : bytes(total), undefined)
  return `${paint(terminal, 'bold', code)}  ${nameOf(task)}  ${paint(terminal, 'red', error.code)}\n${sheet(
    [
      [labels.what, error.message],
      ...(error.cause === undefined ? [] : [[labels.cause, error.cause.message] as const]),
      [labels.kept, kept],
      [labels.hint, error.hint],
      [labels.youCan, `longhaul retry ${code}   longhaul explain ${code}`, 'as is'],
    ],
    terminal,
  )}`
}
