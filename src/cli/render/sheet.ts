/** A sheet: labelled lines, one under the other. `explain`, `show`, `daemon status` and failures are written so. */
import { cutMark } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import { fit, printable, width, wrap } from './text.ts'

/** An empty label continues the line above. `as is`: a table row, neither wrapped nor escaped. */
export type SheetLine = readonly [label: string, text: string, how?: 'as is']

/** Wider text is hard to read. */
const widest = 100

export function sheet(lines: readonly SheetLine[], terminal: Terminal): string {
  const cells = Math.min(terminal.columns - 1, widest)
  const labelCells = Math.max(...lines.map(([label]) => width(label)), 8)
  const indent = ' '.repeat(labelCells + 4)
  return lines
    .map(([label, text, how]) => {
      const head = `  ${fit(label, labelCells, cutMark(terminal))}  `
      const body = how === 'as is' ? text : wrap(printable(text), Math.max(20, cells - width(head)), indent)
      return `${head}${body}`.trimEnd()
    })
    .join('\n')
    .concat('\n')
}
