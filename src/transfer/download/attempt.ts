/** What every chapter of one attempt has at hand. */
import type { Clock } from '../../world/clock.ts'
import type { FileSystem, Folder } from '../../world/file-system.ts'
import type { Hasher } from '../../world/hasher.ts'
import type { Log } from '../../world/log.ts'
import type { Transport } from '../../world/transport.ts'
import type { Assignment, Report } from '../assignment.ts'
import { unfenced } from '../endings.ts'
import type { Measures } from '../measures.ts'

/** The parts of the world that a transfer touches. */
export interface TransferWorld {
  readonly transport: Transport
  readonly files: FileSystem
  readonly clock: Clock
  readonly hasher: Hasher
  readonly log: Log
}

export interface Attempt {
  readonly assignment: Assignment
  readonly report: Report
  readonly world: TransferWorld
  readonly measures: Measures
  readonly progress: Progress
  readonly folder: Folder
  readonly signal: AbortSignal
  /** What the outcome has to know of an attempt that ended early. */
  readonly state: { progressed: boolean; intentRecorded: boolean }
}

/** Records that kept bytes are given up. @throws AttemptFenced */
export async function restart(attempt: Attempt, why: string): Promise<void> {
  attempt.world.log.info('starts from zero', { task: attempt.assignment.task, why })
  unfenced(await attempt.report.restart(why))
}

type Phase = Parameters<Report['progress']>[0]['phase']
const everyMs = 100

/** Tells how far it is, at most ten times a second and at each change of phase. */
export class Progress {
  readonly #report: Report
  readonly #clock: Clock
  #phase: Phase | undefined
  #received = 0
  #total: number | undefined
  #lastAt = -Infinity

  constructor(report: Report, clock: Clock) {
    this.#report = report
    this.#clock = clock
  }

  phase(phase: Phase): void {
    this.#phase = phase
    this.#tell(this.#clock.steady())
  }

  received(received: number, total: number | undefined): void {
    this.#received = received
    this.#total = total
    const now = this.#clock.steady()
    if (now - this.#lastAt >= everyMs) this.#tell(now)
  }

  #tell(now: number): void {
    if (this.#phase === undefined) return
    this.#lastAt = now
    this.#report.progress({
      phase: this.#phase,
      received: this.#received,
      ...(this.#total !== undefined && { total: this.#total }),
    })
  }
}
