import type { LonghaulError } from '../../contract/errors.ts'
import { paint } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import { printable, wrap } from './text.ts'
import type { Words } from './words.ts'

/** What happened, and what the person can do. */
export function errorText(error: LonghaulError, terminal: Terminal, words: Words): string {
  const cells = Math.min(terminal.columns, 100)
  const message = error.message.split('\n').map(printable)
  const [first = '', ...more] = message
  const lines = [
    paint(terminal, 'red', `${words.error} ${error.code}`),
    wrap(`  ${first}`, cells, '  '),
    ...more.map((line) => `  ${line}`),
  ]
  lines.push(wrap(`  ${words.whatYouCanDo}: ${error.hint}`, cells, '  '))
  return `${lines.join('\n')}\n`
}
