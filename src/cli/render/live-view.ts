/**
 * The display on a terminal: a line a task, redrawn in place at most ten times a second, counts below. Tasks that end are
 * written once above it and leave it.
 */
import type { TaskRecord } from '../../contract/task.ts'
import { duration, rate } from './numbers.ts'
import type { ProgressView, Seen } from './progress-view.ts'
import { RedrawnLines } from './redrawn-lines.ts'
import { row } from './row.ts'
import type { Layout } from './row.ts'
import { nameOf, shortCode } from './task-name.ts'
import { cutMark, paint } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import { cut, width } from './text.ts'
import type { Totals, Words } from './words.ts'

const hideCursor = '\u001B[?25l'
const showCursor = '\u001B[?25h'
const frameMs = 100
/** Rows that are not tasks: the counts, the keys, the one of the cursor, and one to spare. */
const otherRows = 4

export interface LiveViewOptions {
  /** Asked for each frame: its size changes. */
  readonly terminal: () => Terminal
  readonly words: Words
  readonly write: (text: string) => void
  readonly wallMs: () => number
  /** Calls again and again, until the function that it returns is called. */
  readonly every: (ms: number, run: () => void) => () => void
}

export class LiveView implements ProgressView {
  readonly #options: LiveViewOptions
  readonly #lines: RedrawnLines
  readonly #running = new Map<string, Seen>()
  readonly #codes = new Map<string, string>()
  #nameCells = 0
  #finished: Seen[] = []
  #done = 0
  #failed = 0
  #stop: (() => void) | undefined

  constructor(options: LiveViewOptions) {
    this.#options = options
    this.#lines = new RedrawnLines(options.write)
    options.write(hideCursor)
    this.#stop = options.every(frameMs, () => this.#draw())
  }

  begins(seen: Seen): void {
    this.#codes.set(seen.task.id, shortCode(seen.task.id, this.#codes.keys()))
    this.#place(seen)
  }

  changed(seen: Seen): void {
    this.#place(seen)
  }

  progressed(seen: Seen): void {
    this.#running.set(seen.task.id, seen)
  }

  ends(how: { readonly left: string } | object): void {
    if (this.#stop === undefined) return
    // What still runs stays to be seen; that it can be left is no longer worth a line.
    this.#draw('left' in how ? { keys: false } : { running: false })
    this.restore()
  }

  suspended(): void {
    if (this.#stop !== undefined) this.#options.write(showCursor)
  }

  resumed(): void {
    if (this.#stop === undefined) return
    // The shell has written in between.
    this.#lines.forget()
    this.#options.write(hideCursor)
    this.#draw()
  }

  /** Whatever happened: the terminal is as it was. Can be called again. */
  restore(): void {
    if (this.#stop === undefined) return
    this.#stop()
    this.#stop = undefined
    this.#options.write(showCursor)
  }

  #place(seen: Seen): void {
    const { task } = seen
    // Names grow and never shrink here, so that the columns stand still.
    this.#nameCells = Math.max(this.#nameCells, width(nameOf(task)))
    if (task.phase !== 'completed') {
      this.#running.set(task.id, seen)
      return
    }
    this.#running.delete(task.id)
    this.#finished.push(seen)
    if (task.error === undefined) this.#done++
    else this.#failed++
  }

  #draw(how: { readonly running?: boolean; readonly keys?: boolean } = {}): void {
    const terminal = this.#options.terminal()
    const finished = this.#finished.map((seen) => this.#row(seen, terminal))
    this.#finished = []
    const lines = how.running === false ? [] : this.#frame(terminal, how.keys !== false)
    this.#lines.draw(finished, lines, terminal.columns)
  }

  #frame(terminal: Terminal, keys: boolean): string[] {
    const tasks = [...this.#running.values()].sort((a, b) => rankOf(a.task) - rankOf(b.task))
    const lines = tasks.slice(0, Math.max(1, terminal.rows - otherRows)).map((seen) => this.#row(seen, terminal))
    const below = (text: string): string => cut(text, terminal.columns - 1, cutMark(terminal))
    if (tasks.length > 1 || this.#done + this.#failed > 0) lines.push(below(this.#totals(tasks)))
    if (keys) lines.push(paint(terminal, 'dim', below(this.#options.words.keys)))
    return lines
  }

  #row(seen: Seen, terminal: Terminal): string {
    const wallMs = this.#options.wallMs()
    const { task, explanation } = seen
    const code = this.#codes.get(task.id) ?? shortCode(task.id)
    const layout: Layout = { terminal, words: this.#options.words, codeCells: code.length, nameCells: this.#nameCells }
    return row({ task, explanation, wallMs, silentMs: wallMs - seen.lastByteMs }, layout, code)
  }

  #totals(tasks: readonly Seen[]): string {
    const totals: { -readonly [K in keyof Totals]: number } = {
      active: 0,
      waiting: 0,
      queued: 0,
      held: 0,
      done: this.#done,
      failed: this.#failed,
    }
    let speed = 0
    let left: number | undefined = 0
    for (const { task } of tasks) {
      totals[countedAs(task)]++
      const { total, received } = task.progress
      if (task.phase === 'transferring') speed += task.progress.rate
      left = left === undefined || total === undefined ? undefined : left + total - received
    }
    const eta = left === undefined || speed === 0 ? undefined : duration((left / speed) * 1000)
    return this.#options.words.totals(totals, rate(speed), eta)
  }
}

/** What moves stands first; the order within is the one in which they were added. */
function rankOf({ phase }: TaskRecord): number {
  if (phase === 'transferring') return 0
  if (phase === 'verifying' || phase === 'delivering') return 1
  if (phase === 'connecting' || phase === 'preparing') return 2
  return phase === 'waiting' ? 3 : 4
}

function countedAs({ phase }: TaskRecord): 'active' | 'waiting' | 'queued' | 'held' {
  if (phase === 'queued' || phase === 'waiting' || phase === 'held') return phase
  return phase === 'suspended' ? 'held' : 'active'
}
