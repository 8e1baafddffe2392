/** What a benchmark row is, what it finds, and how that is judged. */
import type { Stage } from './stage.ts'

/** What has to be reached, and what is hoped for. A value at most as high is good. */
export interface Bound {
  readonly must: number
  readonly aim: number
}

/** One number that a row is about. */
export interface Finding {
  /** As in 'wall, of curl'. */
  readonly what: string
  readonly value: number
  /** Ratios have none. */
  readonly unit?: string
  /** Without one it is told and not judged. */
  readonly bound?: Bound
}

/** What one command took, the median of its rounds. */
export interface Taken {
  readonly name: string
  readonly command: string
  readonly wallMs: number
  readonly cpuMs: number
  /** Of the largest process. */
  readonly rssBytes: number
}

export interface Result {
  readonly findings: readonly Finding[]
  readonly taken: readonly Taken[]
  /** What a reader of the numbers has to know. */
  readonly notes: readonly string[]
}

export interface Row {
  readonly name: string
  /** One line. */
  readonly what: string
  /** Programs on the PATH, and 'root'. */
  readonly needs: readonly string[]
  run(stage: Stage): Promise<Result>
}

export type Verdict = 'aim' | 'ok' | 'missed'

export function verdictOf({ value, bound }: Finding): Verdict | undefined {
  if (bound === undefined) return undefined
  if (value <= bound.aim) return 'aim'
  return value <= bound.must ? 'ok' : 'missed'
}
