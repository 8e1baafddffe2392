/** Contenders in turn, round after round (A B C A B C …), and how they compare. */
import type { Sample } from './measure.ts'
import type { Bound, Finding, Result } from './row.ts'
import type { Stage } from './stage.ts'
import { median, pairwiseRatio } from './statistics.ts'

export interface Contender {
  readonly name: string
  /** As it is shown to people. */
  readonly command: string
  /** What is measured. */
  run(round: number): Promise<Sample>
  /** Afterwards: are the bytes right? It also removes them. */
  check(round: number): Promise<void>
}

export interface Comparison {
  readonly of: 'wall' | 'cpu'
  /** @default longhaul */
  readonly name?: string
  readonly against: string
  readonly bound?: Bound
}

export interface Race {
  readonly contenders: readonly Contender[]
  readonly comparisons: readonly Comparison[]
  readonly notes: readonly string[]
}

export async function race({ contenders, comparisons, notes }: Race, stage: Stage): Promise<Result> {
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round < stage.rounds; round++) {
    for (const contender of contenders) {
      stage.settle()
      samples.get(contender.name)!.push(await contender.run(round))
      await contender.check(round)
    }
  }
  const of = (name: string, what: keyof Sample): readonly number[] => samples.get(name)!.map((sample) => sample[what])
  return {
    findings: comparisons.map(({ of: what, name = 'longhaul', against, bound }): Finding => {
      const field = what === 'wall' ? 'wallMs' : 'cpuMs'
      return {
        what: `${what}, ${name === 'longhaul' ? '' : `${name} `}of ${against}`,
        value: pairwiseRatio(of(name, field), of(against, field)),
        ...(bound !== undefined && { bound }),
      }
    }),
    taken: contenders.map(({ name, command }) => ({
      name,
      command,
      wallMs: median(of(name, 'wallMs')),
      cpuMs: median(of(name, 'cpuMs')),
      rssBytes: Math.max(...of(name, 'rssBytes')),
    })),
    notes,
  }
}
