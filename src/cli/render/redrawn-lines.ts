/**
 * Lines at the bottom of a terminal that are redrawn in place. What is written above them stays and scrolls with the
 * terminal; the lines themselves never make it scroll once they stand. Only lines that changed are written.
 */
import { width } from './text.ts'

// Synchronized update (DEC mode 2026): the terminal shows a frame whole or not at all. Others ignore it.
const beginFrame = '\u001B[?2026h'
const endFrame = '\u001B[?2026l'
/** Erasing what is right of the text comes after the text, so that nothing flickers where frames are not synchronized. */
const eraseRest = '\u001B[K'
const eraseBelow = '\u001B[0J'

export class RedrawnLines {
  readonly #write: (text: string) => void
  #lines: readonly string[] = []
  #columns = 0

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  /** @param above written once, before the lines; each line at most `columns - 1` cells */
  draw(above: readonly string[], lines: readonly string[], columns: number): void {
    const resized = columns !== this.#columns && this.#lines.length > 0
    const before = this.#lines
    const up = this.#up(columns)
    const inPlace = above.length === 0 && !resized && lines.length === before.length
    const unchanged = (line: string, index: number): boolean => inPlace && line === before[index]
    this.#lines = lines
    this.#columns = columns
    if (lines.every(unchanged) && inPlace) return
    const all = inPlace ? lines : [...above, ...lines]
    const text = all.map((line, index) => (unchanged(line, index) ? '\n' : `\r${line}${eraseRest}\n`)).join('')
    // After a resize nobody knows what the terminal made of the old lines: they are taken away first.
    this.#write(`${beginFrame}${up}${resized ? `\r${eraseBelow}` : ''}${text}${inPlace ? '' : eraseBelow}${endFrame}`)
  }

  /** Something else was written: the lines stay where they are, and the next ones begin at the cursor. */
  forget(): void {
    this.#lines = []
  }

  /** To the first of the lines. A terminal that became narrower has broken them into more. */
  #up(columns: number): string {
    const taken = this.#lines.map((line) =>
      columns < this.#columns ? Math.max(1, Math.ceil(width(line) / columns)) : 1,
    )
    const rows = taken.reduce((sum, each) => sum + each, 0)
    return rows === 0 ? '' : `\u001B[${rows}A`
  }
}
