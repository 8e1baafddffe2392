/**
 * The display where nothing can be redrawn (a pipe, CI, `--plain`): a line for the start, for each 10 percent but at least 30 s
 * apart, for every change of state, and for the end. Labelled words only, for logs and for screen readers.
 */
import type { TaskRecord } from '../../contract/task.ts'
import { bytes, duration, rate, wholePart } from './numbers.ts'
import type { ProgressView, Seen } from './progress-view.ts'
import { causeText, stateText } from './state.ts'
import { nameOf, shortCode } from './task-name.ts'
import { printable } from './text.ts'
import type { Words } from './words.ts'

const sparseMs = 30_000

export interface LineViewOptions {
  readonly words: Words
  readonly write: (text: string) => void
  readonly wallMs: () => number
  /** Local time before each line. */
  readonly timestamps: boolean
}

/** What was said of a task. */
interface Told {
  readonly code: string
  tenth: number
  atMs: number
  started: boolean
  last: string
}

export class LineView implements ProgressView {
  readonly #options: LineViewOptions
  readonly #told = new Map<string, Told>()

  constructor(options: LineViewOptions) {
    this.#options = options
  }

  begins(seen: Seen): void {
    this.#told.set(seen.task.id, {
      code: shortCode(seen.task.id, this.#told.keys()),
      tenth: tenthOf(seen.task),
      atMs: this.#options.wallMs(),
      started: false,
      last: '',
    })
    this.#state(seen)
  }

  changed(seen: Seen, before: TaskRecord): void {
    const { task } = seen
    const told = this.#told.get(task.id)
    // A new attempt is told by its first byte.
    if (task.attempts !== before.attempts && told !== undefined) told.started = false
    const retries = task.phase === 'waiting' && task.attempts !== before.attempts
    if (task.phase !== before.phase || retries) this.#state(seen)
  }

  progressed(seen: Seen): void {
    const told = this.#told.get(seen.task.id)
    if (told === undefined) return
    this.#start(seen, told)
    const { fraction, received, total, rate: speed, etaMs } = seen.task.progress
    const now = this.#options.wallMs()
    const tenth = tenthOf(seen.task)
    // Without a total there are no tenths: every 30 s then.
    const due = fraction === undefined || (tenth > told.tenth && tenth < 10)
    if (!due || now - told.atMs < sparseMs) return
    told.tenth = tenth
    told.atMs = now
    const { words } = this.#options
    if (fraction === undefined || total === undefined) return this.#say(seen, words.got(bytes(received), rate(speed)))
    const left = etaMs === undefined ? undefined : duration(etaMs)
    this.#say(seen, words.percentOf(wholePart(fraction, 100), bytes(received), bytes(total), rate(speed), left))
  }

  ends(): void {}

  /** Once an attempt, when it is known whether it goes on, and how much there is to come or the first byte is there. */
  #start(seen: Seen, told: Told): void {
    const { received, total } = seen.task.progress
    if (told.started || seen.goesOn === undefined || (total === undefined && received === 0)) return
    told.started = true
    told.tenth = tenthOf(seen.task)
    told.atMs = this.#options.wallMs()
    const { words } = this.#options
    this.#say(
      seen,
      seen.goesOn
        ? words.resumed(bytes(seen.kept ?? received))
        : words.started(total === undefined ? undefined : bytes(total)),
    )
  }

  #state(seen: Seen): void {
    const { task, explanation } = seen
    const { words, wallMs } = this.#options
    const told = this.#told.get(task.id)
    switch (task.phase) {
      case 'preparing':
      case 'connecting':
      case 'verifying':
      case 'delivering':
        return
      case 'transferring':
        if (told !== undefined) this.#start(seen, told)
        return
      default:
    }
    const { cause, blockers = [], nextWakeUpMs } = explanation ?? {}
    // Where no time ends the wait, the next wake-up is a mere look whether it has ended. Where nothing blocks any more, it is over.
    const isTimed = blockers.some(({ untilMs }) => untilMs !== undefined)
    if (task.phase === 'waiting' && cause !== undefined && (isTimed || blockers.length === 0)) {
      const short = causeText(cause, words)
      const why = short === cause.code ? short : `${short} (${cause.code})`
      const wait = isTimed && nextWakeUpMs !== undefined ? duration(nextWakeUpMs - wallMs()) : undefined
      return this.#say(seen, words.retry(why, task.attempts + 1, wait, bytes(task.progress.received)))
    }
    const text = stateText({ task, explanation, wallMs: wallMs() }, words)
    if (text !== undefined) this.#say(seen, text)
  }

  #say(seen: Seen, text: string): void {
    const told = this.#told.get(seen.task.id)
    if (told?.last === text) return
    if (told !== undefined) told.last = text
    const now = new Date(this.#options.wallMs())
    const time = this.#options.timestamps ? `${now.toLocaleString('sv-SE')} ` : ''
    this.#options.write(`${time}${told?.code ?? ''} ${nameOf(seen.task)}: ${printable(text)}\n`)
  }
}

function tenthOf({ progress }: TaskRecord): number {
  return wholePart(progress.fraction ?? 0, 10)
}
