/**
 * The display on a terminal: a line a task, redrawn in place at most ten times a second, counts below. It never scrolls:
 * tasks that end are written once above it and leave it.
 */
import type { TaskRecord } from '../../contract/task.ts'
import { duration, rate } from './numbers.ts'
import type { ProgressView, Seen } from './progress-view.ts'
import { row, shortCode } from './row.ts'
import { paint } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import { fit } from './text.ts'
import type { Totals, Words } from './words.ts'

const hideCursor = '\u001B[?25l'
const showCursor = '\u001B[?25h'
// Synchronized update (DEC mode 2026): the terminal shows a frame whole or not at all.
const beginFrame = '\u001B[?2026h'
const endFrame = '\u001B[?2026l'
const frameMs = 100

export interface LiveViewOptions {
  readonly terminal: () => Terminal
  readonly words: Words
  readonly write: (text: string) => void
  readonly wallMs: () => number
}

export class LiveView implements ProgressView {
  readonly #options: LiveViewOptions
  readonly #running = new Map<string, Seen>()
  readonly #ids = new Set<string>()
  #finished: Seen[] = []
  #drawn = 0
  #done = 0
  #failed = 0
  #timer: NodeJS.Timeout | undefined
  #ended = false

  constructor(options: LiveViewOptions) {
    this.#options = options
    options.write(hideCursor)
    this.#timer = setInterval(() => {
      this.#draw()
    }, frameMs)
  }

  begins(seen: Seen): void {
    this.#ids.add(seen.task.id)
    this.#place(seen)
  }

  changed(seen: Seen): void {
    this.#place(seen)
  }

  progressed(seen: Seen): void {
    this.#running.set(seen.task.id, seen)
  }

  ends(how: { readonly left: string } | object): void {
    if (this.#ended) return
    this.#ended = true
    clearInterval(this.#timer)
    this.#draw({ last: !('left' in how) })
    this.#options.write(showCursor)
  }

  #place(seen: Seen): void {
    if (seen.task.phase !== 'completed') {
      this.#running.set(seen.task.id, seen)
      return
    }
    if (!this.#running.delete(seen.task.id) && this.#finished.some((one) => one.task.id === seen.task.id)) return
    this.#finished.push(seen)
    if (seen.task.error === undefined) this.#done++
    else this.#failed++
  }

  #draw(how: { readonly last?: boolean } = {}): void {
    const terminal = this.#options.terminal()
    const lines = this.#finished.map((seen) => this.#line(seen, terminal))
    this.#finished = []
    const running = how.last === true ? [] : this.#frame(terminal)
    const up = this.#drawn > 0 ? `\u001B[${this.#drawn}A` : ''
    this.#options.write(
      `${beginFrame}${up}${[...lines, ...running].map((line) => `\r\u001B[2K${line}\n`).join('')}\u001B[0J${endFrame}`,
    )
    this.#drawn = running.length
  }

  #frame(terminal: Terminal): string[] {
    const order = { transferring: 0, verifying: 1, delivering: 1, connecting: 2, preparing: 2, waiting: 3 } as const
    const rank = (task: TaskRecord): number => order[task.phase as keyof typeof order] ?? 4
    const tasks = [...this.#running.values()].sort((a, b) => rank(a.task) - rank(b.task))
    const room = Math.max(1, terminal.rows - 4)
    const lines = tasks.slice(0, room).map((seen) => this.#line(seen, terminal))
    if (tasks.length > 1 || this.#done + this.#failed > 0)
      lines.push(fit(this.#totals(tasks), terminal.columns - 1).trimEnd())
    lines.push(paint(terminal, 'dim', fit(this.#options.words.keys, terminal.columns - 1).trimEnd()))
    return lines
  }

  #line(seen: Seen, terminal: Terminal): string {
    const wallMs = this.#options.wallMs()
    const facts = { ...seen, wallMs, silentMs: wallMs - seen.lastByteMs }
    return row(facts, terminal, this.#options.words, shortCode(seen.task.id, this.#ids))
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
      if (task.phase === 'queued') totals.queued++
      else if (task.phase === 'waiting') totals.waiting++
      else if (task.phase === 'held' || task.phase === 'suspended') totals.held++
      else totals.active++
      speed += task.progress.rate
      left =
        left === undefined || task.progress.total === undefined
          ? undefined
          : left + task.progress.total - task.progress.received
    }
    const eta = left === undefined || speed === 0 ? undefined : duration((left / speed) * 1000)
    return this.#options.words.totals(totals, rate(speed), eta)
  }
}
