/** A sheet: labelled lines, one under the other. `explain`, `show`, `daemon status` and failures are written so. */
import { cutMark } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import { cut, fit, printable, width, wrap } from './text.ts'

/** An empty label continues the line above. `as is`: a row of a table or a command, cut where it does not fit. */
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
      const body =
        how === 'as is'
          ? cut(text, Math.max(20, cells - width(head)), cutMark(terminal))
          : wrap(printable(text), Math.max(20, cells - width(head)), indent)
      return `${head}${body}`.trimEnd()
    })
    .join('\n')
    .concat('\n')
}

/** Commands to choose from: on one line if they fit, else one under the other. */
export function commandLines(label: string, commands: readonly string[], terminal: Terminal): readonly SheetLine[] {
  const line = commands.join('   ')
  if (width(line) < Math.min(terminal.columns, widest) - 14) return [[label, line, 'as is']]
  return commands.map((command, index): SheetLine => [index === 0 ? label : '', command, 'as is'])
}
