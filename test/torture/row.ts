/** What a row of the matrix is, and what came of it. */
import { type FaultServer } from '../../src/testing/index.ts'
import type { Patch } from './patched-source.ts'

export interface Bench {
  readonly server: FaultServer
  /** Its own folder, removed after the row. */
  readonly folder: string
  /** How much is tried: everything, about a minute in all, or a few points for `npm test`. */
  readonly extent: Extent
  /** Aborted: somebody wants it to end, in good order. */
  readonly signal: AbortSignal
  /** Points that are tried at once. */
  readonly lanes: number
}

export type Extent = 'whole' | 'quick' | 'few'

export interface Row {
  readonly name: string
  /** `control`: a program or a disk that is broken on purpose, which must be caught. */
  readonly kind: 'row' | 'control'
  readonly proves: string
  /** What a control breaks in the program. */
  readonly patches?: readonly Patch[] | undefined
  /** Why this machine cannot run it: a command and its error. */
  impossible?(bench: Bench): Promise<string | undefined>
  run(bench: Bench): Promise<Outcome>
}

export interface Outcome {
  /** How many faults were made. */
  readonly points: number
  /** Each with the point at which it was seen. */
  readonly breaches: readonly string[]
  /** For the table. */
  readonly note?: string
}
