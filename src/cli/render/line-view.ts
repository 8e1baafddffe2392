/**
 * The display where nothing can be redrawn (a pipe, CI, `--plain`): a line for the start, for each 10 percent but at least 30 s
 * apart, for every change of state, and for the end. Labelled words only, for logs and for screen readers.
 */
import type { TaskRecord } from '../../contract/task.ts'
import { bytes, duration, rate } from './numbers.ts'
import type { ProgressView, Seen } from './progress-view.ts'
import { nameOf, shortCode, stateText } from './row.ts'
import { printable } from './text.ts'
import type { Words } from './words.ts'

const sparseMs = 30_000

export interface LineViewOptions {
  readonly words: Words
  readonly write: (text: string) => void
  readonly wallMs: () => number
  /** `--timestamps`: local time before each line. */
  readonly timestamps: boolean
}

interface Told {
  tenth: number
  atMs: number
  started: boolean
}

export class LineView implements ProgressView {
  readonly #options: LineViewOptions
  readonly #told = new Map<string, Told>()
  readonly #ids = new Set<string>()

  constructor(options: LineViewOptions) {
    this.#options = options
  }

  begins(seen: Seen): void {
    this.#ids.add(seen.task.id)
    this.#told.set(seen.task.id, {
      tenth: Math.floor((seen.task.progress.fraction ?? 0) * 10),
      atMs: this.#options.wallMs(),
      started: false,
    })
    this.#state(seen)
  }

  changed(seen: Seen, before: TaskRecord): void {
    const { task } = seen
    if (task.phase !== before.phase || (task.phase === 'waiting' && task.attempts !== before.attempts))
      this.#state(seen)
  }

  progressed(seen: Seen): void {
    const told = this.#told.get(seen.task.id)
    if (told === undefined) return
    this.#start(seen, told)
    const { fraction, received, total, rate: speed, etaMs } = seen.task.progress
    const now = this.#options.wallMs()
    const tenth = fraction === undefined ? told.tenth + 1 : Math.floor(fraction * 10)
    if (tenth <= told.tenth || tenth >= 10 || now - told.atMs < sparseMs) return
    told.tenth = fraction === undefined ? told.tenth : tenth
    told.atMs = now
    const { words } = this.#options
    this.#say(
      seen,
      fraction === undefined || total === undefined
        ? words.got(bytes(received), rate(speed))
        : words.percentOf(
            Math.floor(fraction * 100),
            bytes(received),
            bytes(total),
            rate(speed),
            etaMs === undefined ? undefined : duration(etaMs),
          ),
    )
  }

  ends(): void {}

  #start(seen: Seen, told: Told): void {
    if (told.started) return
    told.started = true
    const { received, total } = seen.task.progress
    const { words } = this.#options
    const begun = words.started(total === undefined ? undefined : bytes(total))
    this.#say(seen, received > 0 && seen.task.attempts > 1 ? `${words.resumed(bytes(received))}` : begun)
  }

  #state(seen: Seen): void {
    const { task, why } = seen
    const { words } = this.#options
    const told = this.#told.get(task.id)
    if (task.phase === 'transferring') {
      if (told !== undefined) {
        told.started = false
        if (task.progress.total !== undefined || task.progress.received > 0) this.#start(seen, told)
      }
      return
    }
    if (
      task.phase === 'connecting' ||
      task.phase === 'preparing' ||
      task.phase === 'verifying' ||
      task.phase === 'delivering'
    )
      return
    const cause = why?.explanation.cause
    const wakes = why?.explanation.nextWakeUpMs
    if (task.phase === 'waiting' && cause !== undefined && wakes !== undefined) {
      const wait = duration(wakes - this.#options.wallMs())
      this.#say(
        seen,
        words.retry(
          `${cause.message.split('\n')[0] ?? ''} (${cause.code})`,
          task.attempts + 1,
          wait,
          bytes(task.progress.received),
        ),
      )
      return
    }
    this.#say(seen, stateText({ ...seen, wallMs: this.#options.wallMs() }, words) ?? '')
  }

  #say(seen: Seen, text: string): void {
    const time = this.#options.timestamps ? `${new Date(this.#options.wallMs()).toLocaleString('sv-SE')} ` : ''
    this.#options.write(`${time}${shortCode(seen.task.id, this.#ids)} ${nameOf(seen.task)}: ${printable(text)}\n`)
  }
}
