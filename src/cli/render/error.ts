/** Errors of a command as a whole. What became of a task is told by `failure.ts`. */
import { errorTable } from '../../contract/errors.ts'
import type { LonghaulError } from '../../contract/errors.ts'
import { withShortCodes } from './task-name.ts'
import { paint } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import { printable, width, wrap } from './text.ts'
import type { Words } from './words.ts'

/** What happened, to which file, what is kept (all in the message), the code, and what the person can do. */
export function errorText(error: LonghaulError, terminal: Terminal, words: Words): string {
  const cells = Math.min(terminal.columns - 1, 100)
  const [first = '', ...more] = withShortCodes(error.message).split('\n').map(printable)
  const lines = [
    `${paint(terminal, 'red', 'longhaul:')} ${wrap(`${first} (${error.code})`, cells - 10, '  ')}`,
    // A list, or what a daemon said when it died: as it is where it fits.
    ...more.map((line) => `  ${width(line) > cells - 2 ? wrap(line, cells - 4, '    ') : line}`),
  ]
  // Of this code the message says all.
  if (error.code !== 'INVALID_ARGUMENT' || error.hint !== errorTable.INVALID_ARGUMENT.hint)
    lines.push(`  ${wrap(`${words.labels.youCan}: ${printable(error.hint)}`, cells - 2, '  ')}`)
  return `${lines.join('\n')}\n`
}
