/** What every chapter of one attempt has at hand. */
import type { RestartCause } from '../../contract/bytes.ts'
import type { Clock, Timer } from '../../world/clock.ts'
import type { FileSystem, Folder } from '../../world/file-system.ts'
import type { Hasher } from '../../world/hasher.ts'
import type { Log } from '../../world/log.ts'
import type { Transport } from '../../world/transport.ts'
import type { Access } from '../access.ts'
import type { Assignment, Outcome, Report } from '../assignment.ts'
import { unfenced } from '../endings.ts'
import type { Room } from '../files/room.ts'
import type { Measures } from '../measures.ts'
import type { Throttle } from '../rates/throttle.ts'
import type { Origins } from '../origins.ts'
import type { Absences } from './absences.ts'
import type { Buffers } from './buffers.ts'
import type { PieceSizes } from './pieces.ts'

/** The parts of the world that a transfer touches. */
export interface TransferWorld {
  readonly transport: Transport
  readonly files: FileSystem
  readonly clock: Clock
  readonly hasher: Hasher
  readonly log: Log
  /** Of this attempt, for all its connections. */
  readonly throttle?: Throttle
  /** Of the session of this attempt. */
  readonly access?: Access
}

/** What is shared by all attempts of an engine besides. */
export interface AttemptWorld extends TransferWorld {
  readonly absences: Absences
  readonly buffers: Buffers
  readonly origins: Origins
  readonly room: Room
  readonly sizes: PieceSizes
}

export interface Attempt {
  /** Its `ifExists` is what holds for the file that is in the place; see `ownFile`. */
  readonly assignment: Assignment
  /** As the user gave it. */
  readonly asked: Assignment['ifExists']
  readonly report: Report
  readonly world: AttemptWorld
  readonly measures: Measures
  readonly progress: Progress
  readonly folder: Folder
  readonly signal: AbortSignal
  /** What the outcome has to know of an attempt that ended early. */
  readonly state: { progressed: boolean; intentRecorded: boolean }
}

/** The good end; what was measured is added by the engine. */
export type Finished = Omit<Extract<Outcome, { kind: 'finished' }>, 'measure'>

/** Records that kept bytes are given up. @throws AttemptFenced */
export async function restart(attempt: Attempt, why: string, because: RestartCause): Promise<void> {
  attempt.world.log.info('starts from zero', { task: attempt.assignment.task, why })
  unfenced(await attempt.report.restart(why, because))
  attempt.world.absences.forget(attempt.assignment.task)
}

type Phase = Parameters<Report['progress']>[0]['phase']
const everyMs = 100

/**
 * Tells how far it is, at most ten times a second and at each change of phase. The newest number is always told in the end:
 * a transfer that falls silent shows what it has.
 */
export class Progress {
  readonly #report: Report
  readonly #clock: Clock
  #phase: Phase | undefined
  #received: number
  #total: number | undefined
  #lastAt = -Infinity
  #late: Timer | undefined

  /** @param kept what is there before the first question, in bytes: it counts until it is given up */
  constructor(report: Report, clock: Clock, kept: { readonly bytes: number; readonly total: number | undefined }) {
    this.#report = report
    this.#clock = clock
    this.#received = kept.bytes
    this.#total = kept.total
  }

  /** How far it is, in bytes. */
  get bytes(): number {
    return this.#received
  }

  phase(phase: Phase): void {
    this.#phase = phase
    this.#tell()
  }

  /** Bytes begin to come, from this position on. */
  transferring(offset: number, total: number | undefined): void {
    this.#received = offset
    this.#total = total
    this.phase('transferring')
  }

  received(received: number, total: number | undefined): void {
    this.#received = received
    this.#total = total
    if (this.#late !== undefined) return
    if (this.#clock.steady() - this.#lastAt >= everyMs) this.#tell()
    else this.#late = this.#clock.timer(this.#lastAt + everyMs, () => this.#tell())
  }

  /** The attempt is over: what is late is told now. */
  stop(): void {
    if (this.#late !== undefined) this.#tell()
  }

  #tell(): void {
    this.#late?.cancel()
    this.#late = undefined
    if (this.#phase === undefined) return
    this.#lastAt = this.#clock.steady()
    this.#report.progress({
      phase: this.#phase,
      received: this.#received,
      ...(this.#total !== undefined && { total: this.#total }),
    })
  }
}
