// A range of seeds that is being run: which are done, what they found, and how to go on after an interruption.
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Verdict } from './run.ts'

export interface Failure {
  readonly seed: number
  readonly invariant: string
  readonly what: string
}

interface Kept {
  readonly from: number
  readonly seeds: number
  /** So many from the first on are run. */
  readonly done: number
  /** Run as well, beyond a gap: processes do not end in the order in which they began. */
  readonly beyond: readonly number[]
  readonly failures: readonly Failure[]
  readonly counts: Readonly<Record<string, number>>
  readonly steps: number
  readonly virtualMs: number
  readonly elapsedMs: number
  /** Of the source that they were run with. */
  readonly source: string
}

/** Failures in full; of the others, only how many there are. */
const failuresKept = 1000

export class Batch {
  readonly from: number
  readonly seeds: number
  readonly failures: Failure[]
  readonly counts: Map<string, number>
  steps: number
  virtualMs: number
  elapsedMs: number
  readonly #source: string
  readonly #beyond: Set<number>
  #done: number

  private constructor(kept: Kept) {
    this.from = kept.from
    this.seeds = kept.seeds
    this.failures = [...kept.failures]
    this.counts = new Map(Object.entries(kept.counts))
    this.steps = kept.steps
    this.virtualMs = kept.virtualMs
    this.elapsedMs = kept.elapsedMs
    this.#source = kept.source
    this.#beyond = new Set(kept.beyond)
    this.#done = kept.done
  }

  static fresh(from: number, seeds: number): Batch {
    const nothing = { done: 0, beyond: [], failures: [], counts: {}, steps: 0, virtualMs: 0, elapsedMs: 0 }
    return new Batch({ from, seeds, ...nothing, source: sourceHash() })
  }

  /** What an interrupted run left. @throws when there is nothing to go on with, or it ran other code */
  static resume(file: string): Batch {
    if (!existsSync(file)) throw new Error(`there is no run to go on with (${file})`)
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Kept
    if (kept.source !== sourceHash())
      throw new Error(
        `src/ or test/simulation/ has changed since seed ${kept.from + kept.done}, so what passed before says nothing now; ` +
          `begin anew: npm run simulate -- --seeds ${kept.seeds} --from ${kept.from}`,
      )
    return new Batch(kept)
  }

  get done(): number {
    return this.#done + this.#beyond.size
  }

  /** Those that are left, in order. */
  *left(): Iterable<number> {
    const skipped = new Set(this.#beyond)
    for (let i = this.#done; i < this.seeds; i++) if (!skipped.has(this.from + i)) yield this.from + i
  }

  add(seed: number, verdict: Verdict): void {
    this.#beyond.add(seed)
    while (this.#beyond.delete(this.from + this.#done)) this.#done++
    this.steps += verdict.steps
    this.virtualMs += verdict.virtualMs
    if (verdict.ok)
      for (const [what, n] of Object.entries(verdict.counts)) this.counts.set(what, (this.counts.get(what) ?? 0) + n)
    else if (this.failures.length < failuresKept)
      this.failures.push({ seed, invariant: verdict.invariant, what: verdict.what })
  }

  /** A crash at any point leaves the file as it was, or new. */
  save(file: string): void {
    const { from, seeds, failures, counts, steps, virtualMs, elapsedMs } = this
    const kept: Kept = {
      from,
      seeds,
      done: this.#done,
      beyond: [...this.#beyond],
      failures,
      counts: Object.fromEntries(counts),
      steps,
      virtualMs,
      elapsedMs,
      source: this.#source,
    }
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(`${file}.new`, JSON.stringify(kept))
    renameSync(`${file}.new`, file)
  }
}

function sourceHash(): string {
  const hash = createHash('sha256')
  for (const file of [...globSync('src/**/*.ts'), ...globSync('test/simulation/**/*.ts')].toSorted())
    if (!file.endsWith('.test.ts')) hash.update(`${file}\0`).update(readFileSync(file))
  return hash.digest('hex').slice(0, 16)
}
