// What `npm run simulate` prints: a line that moves on a terminal and sparse lines elsewhere, and the end of it in words. Fits
// 80 columns.
import { styleText } from 'node:util'
import type { Batch, Failure } from './batch.ts'

const out = process.stdout
const columns = 78
const barCells = 24
const redrawMs = 200
/** Elsewhere than on a terminal, a line each so many ms. */
const lineMs = 15_000
/** Failures that are told as they come; the others are only counted until the end. */
const toldAtOnce = 20
/** Failures of one invariant that are told one by one at the end. */
const toldOfEach = 3

export type Style = 'red' | 'green' | 'dim' | 'bold'

export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: out })
}

export function print(line = ''): void {
  out.write(`${line}\n`)
}

export function number(value: number): string {
  return Math.round(value).toLocaleString('en')
}

export function plural(count: number, one: string): string {
  return `${number(count)} ${one}${count === 1 ? '' : 's'}`
}

export function duration(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 48 * 3600) return `${(seconds / 3600).toFixed(1)} h`
  const days = seconds / 86_400
  return days < 365 ? `${Math.round(days)} days` : `${(days / 365.25).toFixed(1)} years`
}

/** Lines of at most `width`, cut between words where there are any. */
export function wrapped(text: string, indent: number, width: number = columns): string {
  const room = width - indent
  const lines: string[] = []
  let line = ''
  for (const word of text.replace(/\s+/g, ' ').split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line)
      line = ''
    }
    line += line === '' ? word : ` ${word}`
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`)
}

/** Of a batch, or of the search for a deliberate fault. */
export type Progress = Pick<Batch, 'seeds' | 'done' | 'failures'>

export class ProgressLine {
  readonly #batch: Progress
  readonly #startedMs: number
  readonly #doneBefore: number
  #toldMs: number
  #drawn = false

  constructor(batch: Progress, nowMs: number) {
    this.#batch = batch
    this.#startedMs = nowMs
    this.#doneBefore = batch.done
    this.#toldMs = out.isTTY ? -Infinity : nowMs
  }

  /** A failure is told at once, in a line of its own. */
  failed({ seed, invariant }: Failure): void {
    if (this.#batch.failures.length > toldAtOnce) return
    this.clear()
    print(`${styled('red', '✖')} ${seed}  ${invariant.slice(0, columns - 14)}`)
    if (out.isTTY) this.#toldMs = -Infinity
  }

  moved(nowMs: number): void {
    if (nowMs - this.#toldMs < (out.isTTY ? redrawMs : lineMs)) return
    this.#toldMs = nowMs
    const { seeds, done, failures } = this.#batch
    const elapsedMs = nowMs - this.#startedMs
    const perMs = (done - this.#doneBefore) / Math.max(1, elapsedMs)
    const words = [
      `${number(done)} of ${number(seeds)}`,
      `${(perMs * 1000).toFixed(perMs < 0.01 ? 1 : 0)}/s`,
      failures.length === 0 ? 'none failed' : styled('red', `${number(failures.length)} failed`),
      ...(perMs > 0 && done < seeds ? [`${duration((seeds - done) / perMs)} left`] : []),
    ].join('   ')
    if (!out.isTTY) return print(words)
    const full = Math.round((barCells * done) / seeds)
    out.write(`\r\x1b[2K  ${'━'.repeat(full)}${styled('dim', '─'.repeat(barCells - full))}  ${words}`)
    this.#drawn = true
  }

  clear(): void {
    if (this.#drawn) out.write('\r\x1b[2K')
    this.#drawn = false
  }
}

export function printEnd(batch: Batch, traceCommand: (seed: number) => string): void {
  const { seeds, done, failures, elapsedMs, virtualMs, steps, counts } = batch
  const time = `in ${duration(elapsedMs)}: ${duration(virtualMs)} of virtual time, ${number(steps)} steps`
  print()
  if (failures.length === 0)
    print(`${styled('green', '✔')} ${number(done)} of ${plural(seeds, 'seed')} passed ${time}.`)
  else print(`${styled('red', '✖')} ${number(failures.length)} of ${plural(done, 'seed')} failed ${time}.`)
  printCounts(counts)
  for (const [invariant, found] of Map.groupBy(failures, (failure) => failure.invariant)) {
    print(`\n${styled('bold', wrapped(`${invariant}: ${plural(found.length, 'seed')}`, 0))}`)
    for (const { seed, what } of found.slice(0, toldOfEach)) {
      print(`  ${seed}  ${wrapped(sentence(what), String(seed).length + 4)}`)
      print(styled('dim', `  ${' '.repeat(String(seed).length)}  ${traceCommand(seed)}`))
    }
    const others = found.slice(toldOfEach).map(({ seed }) => seed)
    if (others.length > 0)
      print(`  and ${wrapped(`${others.slice(0, 20).join(', ')}${others.length > 20 ? ', …' : ''}`, 6)}`)
  }
}

function printCounts(counts: ReadonlyMap<string, number>): void {
  if (counts.size === 0) return
  print()
  const cells = [...counts].toSorted(([a], [b]) => a.localeCompare(b))
  const half = Math.ceil(cells.length / 2)
  const cell = ([what, n]: readonly [string, number]): string =>
    `${what.slice(0, 26).padEnd(26)}${number(n).padStart(10)}`
  for (let i = 0; i < half; i++)
    print(`  ${[cells[i], cells[i + half]].flatMap((each) => (each === undefined ? [] : [cell(each)])).join('   ')}`)
}

/** The first line is what a person needs; a stack is in the trace. */
export function sentence(what: string): string {
  const [line = ''] = what.split('\n')
  return line.length > 300 ? `${line.slice(0, 299)}…` : line
}
