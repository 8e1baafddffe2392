/** A sentence or two for a person, in lines that no terminal has to wrap. */
import type { Terminal } from './terminal.ts'
import { printable, wrap } from './text.ts'

/** Wider text is hard to read. */
const widest = 100

export function paragraph(text: string, terminal: Terminal): string {
  return `${wrap(printable(text), Math.min(terminal.columns - 1, widest))}\n`
}
