/** Tries the points of a row, one fault each, in several lanes with a home each; a breach is noted and ends nothing. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Breach } from './breach.ts'
import { Lives } from './lives.ts'
import type { Bench, Outcome } from './row.ts'
import { type Phase, Story } from './story.ts'

/** What came of one point. `missed`: everything was over before the fault. */
export type Tried = { readonly hit: Phase } | 'missed'

export interface Point {
  readonly n: number
  readonly lives: Lives
  /** Prepared, not told yet. */
  readonly story: Story
  /** For whatever else is written down; a path that is free. */
  readonly notes: string
}

export interface Points {
  /** For messages and files. */
  readonly name: string
  /** Where to put the fault, in this order, until {@link mostMissed} missed. */
  readonly at: Iterable<number>
  readonly try: (point: Point) => Promise<Tried>
  /** Of a control: ends with the first breach, and waits less long for what will not come. @default false */
  readonly untilCaught?: boolean
  /** Makes the place for a lane. @default a folder of the bench */
  readonly place?: (folder: string) => Promise<Place>
}

/** Where homes and files lie. */
export interface Place extends AsyncDisposable {
  readonly home: string
  readonly files: string
  /** Before a story begins: all that is there counts as old. */
  settled?(): Promise<void>
}

/** The number of calls differs a little from run to run. */
const mostMissed = 2
const controlPatienceMs = 4000
/** Then it is broken, and more of it tells nothing new. */
const mostBreaches = 10

export async function tryPoints(bench: Bench, points: Points): Promise<Outcome> {
  const { at, name, untilCaught = false, place = inFolder } = points
  const left = at[Symbol.iterator]()
  const breaches: string[] = []
  const hits = new Map<Phase, number>()
  let missed = 0
  let homes = 0
  const over = (): boolean => missed >= mostMissed || breaches.length >= (untilCaught ? 1 : mostBreaches)

  /** Until the points are used up, or a breach has made the home a strange one. */
  const age = async (): Promise<'over' | 'strange'> => {
    await using where = await place(join(bench.folder, `${++homes}`))
    await using lives = new Lives(where.home)
    for (let next = left.next(); next.done !== true; next = left.next()) {
      const n = next.value
      const story = new Story({
        server: bench.server,
        name: `${name.replaceAll(/\W/g, '-')}-${n}`,
        folder: join(where.files, `${n}`),
        facts: lives.facts,
        patienceMs: untilCaught ? controlPatienceMs : undefined,
      })
      story.prepare()
      await where.settled?.()
      try {
        const tried = await points.try({ n, lives, story, notes: join(bench.folder, `${homes}-${n}`) })
        if (tried === 'missed') missed++
        else hits.set(tried.hit, (hits.get(tried.hit) ?? 0) + 1)
      } catch (error) {
        if (!(error instanceof Breach)) throw new Error(`${name}, point ${n}: ${String(error)}`, { cause: error })
        hits.set('breach', (hits.get('breach') ?? 0) + 1)
        breaches.push(`point ${n}: ${error.message}`)
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
  return { points: made, breaches, note: [...hits].map(([phase, count]) => `${phase} ${count}`).join(', ') }
}

function inFolder(folder: string): Promise<Place> {
  mkdirSync(folder)
  return Promise.resolve({
    home: join(folder, 'home'),
    files: join(folder, 'files'),
    [Symbol.asyncDispose]: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
  })
}

/** 1, 1 + step, … without end, or up to `most` numbers. */
export function* every(step: number, most: number = Number.POSITIVE_INFINITY): Generator<number> {
  for (let made = 0; made < most; made++) yield 1 + made * step
}
