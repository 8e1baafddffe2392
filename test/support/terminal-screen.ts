/**
 * A terminal of a few lines of code: keeps what a person would see, what has scrolled away, where the cursor is and whether it
 * can be seen. Knows what the live display uses: CR, LF (with CR, as a terminal driver gives it), cursor up, erase in line and
 * in display, colours, cursor visibility and synchronized updates. Anything else is an error, so that a test notices.
 */
import { width } from '../../src/cli/render/text.ts'

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
// oxlint-disable-next-line no-control-regex -- it is about control sequences
const piece = /\u001B\[(\??)([0-9;]*)([A-Za-z])|\r|\n|[^\u001B\r\n]+/gu

export class TerminalScreen {
  /** Rows, each as its cells; a wide sign takes one and leaves the next empty. */
  #rows: string[][] = [[]]
  readonly scrolledAway: string[] = []
  columns: number
  rows: number
  cursor = { row: 0, column: 0, visible: true }
  /** Between begin and end of a synchronized update. */
  updating = false
  /** Lines that were too long and went on in the next row. */
  wraps = 0

  constructor(columns: number, rows: number) {
    this.columns = columns
    this.rows = rows
  }

  /** What is seen, without blanks at the ends of lines and without empty lines below. */
  get lines(): readonly string[] {
    const lines = this.#rows.map((row) => textOf(row))
    while (lines.at(-1) === '') lines.pop()
    return lines
  }

  write = (text: string): void => {
    let seen = 0
    for (const match of text.matchAll(piece)) {
      seen += match[0].length
      if (match[3] !== undefined) this.#control(match[1]!, match[2]!, match[3])
      else if (match[0] === '\r') this.cursor.column = 0
      else if (match[0] === '\n') this.#newLine()
      else for (const { segment } of segmenter.segment(match[0])) this.#put(segment)
    }
    if (seen !== text.length)
      throw new Error(`a control sequence that this terminal does not know: ${JSON.stringify(text)}`)
  }

  /** As most terminals do: longer lines are broken into several. (Not undone when it becomes wider.) */
  resize(columns: number): void {
    const rows: string[][] = []
    this.#rows.forEach((row, index) => {
      if (index === this.cursor.row) this.cursor = { ...this.cursor, row: rows.length }
      const used = row.slice(0, textOf(row).length === 0 ? 0 : row.findLastIndex((cell) => cell !== ' ') + 1)
      for (let at = 0; at === 0 || at < used.length; at += columns) rows.push(used.slice(at, at + columns))
    })
    this.#rows = rows
    this.columns = columns
    while (this.#rows.length > this.rows) this.#scroll()
  }

  #control(mark: string, numbers: string, letter: string): void {
    if (mark === '?' && numbers === '25') this.cursor.visible = letter === 'h'
    else if (mark === '?' && numbers === '2026') this.updating = letter === 'h'
    else if (letter === 'A') this.cursor.row = Math.max(0, this.cursor.row - Number(numbers || 1))
    else if (letter === 'K' && numbers === '') this.#row().splice(this.cursor.column)
    else if (letter === 'J' && (numbers === '' || numbers === '0')) {
      this.#row().splice(this.cursor.column)
      this.#rows.splice(this.cursor.row + 1)
    } else if (letter !== 'm') throw new Error(`ESC [ ${mark}${numbers}${letter} is not known to this terminal`)
  }

  #row(): string[] {
    while (this.#rows.length <= this.cursor.row) this.#rows.push([])
    return this.#rows[this.cursor.row]!
  }

  #put(sign: string): void {
    const cells = width(sign)
    if (this.cursor.column + cells > this.columns) {
      this.wraps++
      this.#newLine()
    }
    const row = this.#row()
    while (row.length < this.cursor.column) row.push(' ')
    row.splice(this.cursor.column, cells, sign, ...(cells > 1 ? [''] : []))
    this.cursor.column += cells
  }

  #newLine(): void {
    this.cursor.column = 0
    this.cursor.row++
    this.#row()
    while (this.#rows.length > this.rows) this.#scroll()
  }

  #scroll(): void {
    this.scrolledAway.push(textOf(this.#rows.shift() ?? []))
    this.cursor.row = Math.max(0, this.cursor.row - 1)
  }
}

function textOf(row: readonly string[]): string {
  return row.join('').trimEnd()
}
