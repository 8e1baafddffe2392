/** Tries the points of a row, one fault each, in several lanes with a home each; a breach is noted and ends nothing. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Breach } from './breach.ts'
import { Lives } from './lives.ts'
import type { Bench, Outcome } from './row.ts'
import { type Phase, Story } from './story.ts'

/** What came of one point. `missed`: everything was over before the fault. */
export type Tried = { readonly hit: Phase } | 'missed'

/** Where a fault is made: at the n-th call of a kind, or at the n-th of whatever the row counts. */
export interface Place {
  readonly call?: string
  readonly n: number
}

export interface Point extends Place {
  readonly lives: Lives
  /** Prepared, not told yet. */
  readonly story: Story
  /** For whatever else is written down; a path that is free. */
  readonly notes: string
}

export interface Points {
  /** For messages and files. */
  readonly name: string
  /** Where to put the faults, in this order. */
  readonly at: Iterable<Place>
  readonly try: (point: Point) => Promise<Tried>
  /** Of a control: ends with the first breach, and waits less long for what will not come. @default false */
  readonly untilCaught?: boolean
  /** Makes the ground for a lane. @default a folder of the bench */
  readonly ground?: (folder: string) => Promise<Ground>
}

/** Where homes and files lie. */
export interface Ground extends AsyncDisposable {
  readonly home: string
  readonly files: string
  /** Before a story begins: all that is there counts as old. */
  settled?(): Promise<void>
}

const controlPatienceMs = 4000
/** Then it is broken, and more of it tells nothing new. */
const mostBreaches = 10

export async function tryPoints(bench: Bench, points: Points): Promise<Outcome> {
  const { at, name, untilCaught = false, ground = inFolder } = points
  const left = at[Symbol.iterator]()
  const breaches: string[] = []
  const hits = new Map<Phase, number>()
  let missed = 0
  let [homes, stories] = [0, 0]
  const over = (): boolean => bench.signal.aborted || breaches.length >= (untilCaught ? 1 : mostBreaches)

  /** Until the points are used up, or a breach has made the home a strange one. */
  const age = async (): Promise<'over' | 'strange'> => {
    const home = ++homes
    await using where = await ground(join(bench.folder, `${home}`))
    await using lives = new Lives(where.home)
    for (let next = left.next(); next.done !== true; next = left.next()) {
      const { call, n } = next.value
      const point = call === undefined ? `point ${n}` : `${call} ${n}`
      const number = ++stories
      const story = new Story({
        server: bench.server,
        name: `${name.replaceAll(/\W/g, '-')}-${number}`,
        folder: join(where.files, `${number}`),
        facts: lives.facts,
        patienceMs: untilCaught ? controlPatienceMs : undefined,
      })
      story.prepare()
      await where.settled?.()
      try {
        const tried = await points.try({ ...next.value, lives, story, notes: join(bench.folder, `notes-${number}`) })
        if (tried === 'missed') missed++
        else hits.set(tried.hit, (hits.get(tried.hit) ?? 0) + 1)
      } catch (error) {
        if (!(error instanceof Breach)) throw new Error(`${name}, ${point}: ${String(error)}`, { cause: error })
        hits.set('breach', (hits.get('breach') ?? 0) + 1)
        breaches.push(`${point}: ${error.message}`)
        return over() ? 'over' : 'strange'
      }
      rmSync(story.folder, { recursive: true })
      if (over()) break
    }
    return 'over'
  }
  const lane = async (): Promise<void> => {
    while ((await age()) === 'strange');
  }
  // All lanes end before anything is taken away from under them.
  const ends = await Promise.allSettled(Array.from({ length: untilCaught ? 1 : bench.lanes }, lane))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  const made = [...hits.values()].reduce((sum, count) => sum + count, 0)
  const counts = [...hits, ...(missed > 0 ? [['not reached', missed]] : [])]
  return { points: made, breaches, note: counts.map(([what, count]) => `${what} ${count}`).join(', ') }
}

function inFolder(folder: string): Promise<Ground> {
  mkdirSync(folder)
  return Promise.resolve({
    home: join(folder, 'home'),
    files: join(folder, 'files'),
    [Symbol.asyncDispose]: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
  })
}

/** 1, 2, … */
export function upTo(most: number): readonly Place[] {
  return Array.from({ length: most }, (_, before) => ({ n: before + 1 }))
}

/** So many of them, evenly spread. */
export function spread<T>(all: readonly T[], most: number): readonly T[] {
  if (all.length <= most) return all
  return Array.from({ length: most }, (_, i) => all[Math.floor(((i + 0.5) * all.length) / most)]!)
}
