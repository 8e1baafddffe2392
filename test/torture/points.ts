/** Tries the points of a row, one fault each, in several lanes; a breach is noted with its point and ends nothing. */
import { mkdirSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Breach } from './breach.ts'
import type { Bench, Outcome } from './row.ts'
import type { Phase } from './story.ts'

/** What came of one point. `missed`: everything was over before the fault. */
export type Tried = { readonly hit: Phase } | 'missed'

export interface Points {
  /** Where to put the fault, in this order, until {@link mostMissed} missed. */
  readonly at: Iterable<number>
  /** A folder is made for each point, and is gone after it. */
  readonly try: (n: number, folder: string) => Promise<Tried>
  /** For messages and folders: short, of letters. */
  readonly name: string
  /** Ends with the first breach: enough for a control. @default false */
  readonly untilCaught?: boolean
}

/** The number of calls differs a little from run to run. */
const mostMissed = 2

export async function tryPoints(bench: Bench, { at, try: attempt, name, untilCaught = false }: Points): Promise<Outcome> {
  const left = at[Symbol.iterator]()
  const breaches: string[] = []
  const hits = new Map<Phase, number>()
  let missed = 0
  const over = (): boolean => missed >= mostMissed || (untilCaught && breaches.length > 0)
  const lane = async (): Promise<void> => {
    for (let next = left.next(); next.done !== true && !over(); next = left.next()) {
      const n = next.value
      // Short: the path of a socket has 103 bytes at most.
      const folder = join(realpathSync(bench.folder), `${name}${n}`)
      mkdirSync(folder)
      try {
        const tried = await attempt(n, folder)
        if (tried === 'missed') missed++
        else hits.set(tried.hit, (hits.get(tried.hit) ?? 0) + 1)
      } catch (error) {
        if (!(error instanceof Breach)) throw new Error(`${name}, point ${n}: ${String(error)}`, { cause: error })
        hits.set('breach', (hits.get('breach') ?? 0) + 1)
        breaches.push(`${name}, point ${n}: ${error.message}`)
        bench.say(`${name}, point ${n}: ${error.message}`)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    }
  }
  // All lanes end before anything is taken away from under them.
  const ends = await Promise.allSettled(Array.from({ length: bench.lanes }, lane))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  const points = [...hits.values()].reduce((sum, count) => sum + count, 0)
  const note = [...hits].map(([phase, count]) => `${phase} ${count}`).join(', ')
  return { points, breaches, note }
}

/** 1, 1 + step, … without end, or up to `most` numbers. */
export function* every(step: number, most: number = Number.POSITIVE_INFINITY): Generator<number> {
  for (let made = 0; made < most; made++) yield 1 + made * step
}
