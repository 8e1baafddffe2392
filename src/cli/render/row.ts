/** One task in one line: what `ls`, `get` and `watch` show of it. */
import { bytes, bytesOf, duration, percent, rate } from './numbers.ts'
import { stateText, styleOf } from './state.ts'
import type { StateFacts } from './state.ts'
import { nameOf } from './task-name.ts'
import { bar, cutMark, paint } from './terminal.ts'
import type { Style, Terminal } from './terminal.ts'
import { cut, cutName, fit, printable, right, width } from './text.ts'
import type { Words } from './words.ts'

/** The columns that rows above each other share. */
export interface Layout {
  readonly terminal: Terminal
  readonly words: Words
  readonly codeCells: number
  /** The widest name; a row gives it as much as there is room for. */
  readonly nameCells: number
}

const longestBar = 20
const shortestBar = 8
/** So much of a name is worth more than a longer bar. */
const goodNameCells = 16
const shareCells = 6
const narrowShareCells = 8
const rateCells = 11
const etaCells = 9
const sizeCells = 17
const hostCells = 18
/** Below so many columns of the terminal something is left out. */
const widths = { bar: 60, eta: 45, rate: 32, sizeAndHost: 120 }
const leastNameCells = 8

/** A line of at most `terminal.columns - 1` cells, so that no terminal wraps it. */
export function row(facts: StateFacts, layout: Layout, code: string): string {
  const { terminal } = layout
  const { columns } = terminal
  const cells = columns - 1
  const moving = movingParts(facts, layout)
  const taken = layout.codeCells + 2 + 2 + moving.reduce((sum, [text]) => sum + width(text), 0)
  const nameCells = Math.max(Math.min(leastNameCells, layout.nameCells), Math.min(layout.nameCells, cells - taken))
  const mark = cutMark(terminal)
  const name = fit(cutName(nameOf(facts.task), nameCells, mark), nameCells, mark)
  const state = stateText(facts, layout.words)
  const parts: Part[] = [[code.padEnd(layout.codeCells)], ['  '], [name], ['  ']]
  if (state === undefined) parts.push(...moving)
  else parts.push([printable(state), styleOf(facts.task)])
  return line(parts, cells, terminal)
}

type Part = readonly [text: string, style?: Style]

/** Bar, percent, rate, time left; the size and the host where there is room. The bar goes first, then the time left. */
function movingParts({ task }: StateFacts, { terminal, codeCells, nameCells }: Layout): readonly Part[] {
  const { fraction, received, total, rate: speed, etaMs } = task.progress
  const { columns } = terminal
  const mark = cutMark(terminal)
  const parts: Part[] = []
  const isWide = columns >= widths.bar
  const others = codeCells + 4 + Math.min(nameCells, goodNameCells) + shareCells + rateCells + etaCells
  const barCells = Math.max(shortestBar, Math.min(longestBar, columns - 1 - others))
  if (isWide && fraction !== undefined) parts.push([bar(terminal, fraction, barCells), 'cyan'])
  // Without a total there is no share: the bytes take its place.
  if (fraction === undefined) parts.push([right(bytes(received), isWide ? barCells + shareCells : narrowShareCells)])
  else parts.push([right(percent(fraction), isWide ? shareCells : narrowShareCells)])
  if (columns >= widths.rate) parts.push([right(rate(speed), rateCells)])
  if (columns >= widths.eta) parts.push([right(etaMs === undefined ? '' : duration(etaMs), etaCells)])
  if (columns >= widths.sizeAndHost) {
    parts.push([right(total === undefined ? '' : bytesOf(received, total), sizeCells)])
    const host = printable(URL.parse(task.currentRequest.url)?.host ?? '')
    parts.push(['  '], [fit(cutName(host, hostCells, mark), hostCells, mark), 'dim'])
  }
  return parts
}

/** The parts, cut at `cells`. */
function line(parts: readonly Part[], cells: number, terminal: Terminal): string {
  let text = ''
  let left = cells
  for (const [part, style] of parts) {
    const shown = cut(part, left, cutMark(terminal))
    text += style === undefined ? shown : paint(terminal, style, shown)
    left -= width(shown)
  }
  return text.trimEnd()
}
