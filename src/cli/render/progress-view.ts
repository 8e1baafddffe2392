/** How the progress of some tasks is shown; one implementation for a live terminal, one for lines, one for JSON. */
import type { ExplanationJson } from '../../contract/explanation.ts'
import type { TaskRecord } from '../../contract/task.ts'

export interface Seen {
  task: TaskRecord
  /** Wall ms of the last byte that was seen to arrive. */
  lastByteMs: number
  why?: { readonly sentence: string; readonly explanation: ExplanationJson } | undefined
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
  /** Everything shown is final. Called once, on every way out. `left`: the person went, the work goes on. */
  ends(how: { readonly summary: Summary } | { readonly left: string }): void
}
