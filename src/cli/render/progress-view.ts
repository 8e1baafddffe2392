/** How the progress of some tasks is shown; one implementation for a live terminal, one for lines, one for JSON. */
import type { ExplanationJson } from '../../contract/explanation.ts'
import type { TaskRecord } from '../../contract/task.ts'

export interface Seen {
  task: TaskRecord
  /** Wall ms of the last byte that was seen to arrive. */
  lastByteMs: number
  /** Of a task that waits, or is queued. */
  explanation?: ExplanationJson | undefined
  /** Bytes that were safe when the present attempt began; what had only arrived may have been lost in a crash. */
  kept?: number | undefined
  /** Whether that attempt goes on from them, by the word of the daemon; undefined while it is not known. */
  goesOn?: boolean | undefined
}

export interface Summary {
  readonly succeeded: number
  readonly failed: number
  readonly exitCode: number
}

export interface ProgressView {
  /** A task of this display, as it is when the display begins. */
  begins(seen: Seen, isNew: boolean): void
  /** More than progress changed: phase, state, attempt, response. */
  changed(seen: Seen, before: TaskRecord): void
  progressed(seen: Seen): void
  /** Everything shown is final. Called once. `left`: the person went (or an error came), the work goes on. */
  ends(how: { readonly summary: Summary } | { readonly left: string }): void
  /** This process is about to be stopped (Ctrl-Z), and goes on (`fg`). */
  suspended?(): void
  resumed?(): void
  /** Gives the terminal back, on every way out that did not call `ends`. */
  restore?(): void
}
