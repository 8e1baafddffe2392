// Makes a failing plan small: leaves out parts of it, then makes its numbers simple, as long as it still fails in the same way
// (delta debugging, Zeller 1999). It knows nothing of what a plan means: every list of things is a list of removable parts.

export interface ShrinkLimits {
  /** @default 300 */
  readonly mostRuns?: number
  /** Real ms. @default 60 s */
  readonly mostMs?: number
  readonly tried?: (runs: number, parts: number) => void
}

/** Lists whose parts go first, as they make a run long; the others follow in the order in which they stand. */
const first = ['faults', 'diskFaults', 'journalFailures', 'breaks', 'files', 'apps', 'tasks', 'acts']
/** Numbers that say which run it is, or what the product is set to, rather than what happens. */
const untouched = new Set(['seed', 'limits'])

type Step = string | number
type Path = readonly Step[]

/** @param fails whether a plan still fails in the same way. @returns a plan for which it does; `plan` itself if none is smaller */
export async function shrink<P extends object>(
  plan: P,
  fails: (plan: P) => Promise<boolean>,
  limits: ShrinkLimits = {},
): Promise<P> {
  const { mostRuns = 300, mostMs = 60_000, tried } = limits
  const endAtMs = performance.now() + mostMs
  let runs = 0
  let best = plan
  const isOver = (): boolean => runs >= mostRuns || performance.now() >= endAtMs

  const keepIf = async (candidate: P): Promise<boolean> => {
    if (isOver()) return false
    runs++
    const stillFails = await fails(candidate)
    if (stillFails) best = candidate
    tried?.(runs, countParts(best))
    return stillFails
  }

  /** Leaves out halves, then quarters, … of one list. True: it became shorter. */
  const shorten = async (path: Path): Promise<boolean> => {
    const before = listAt(best, path).length
    for (let size = before; size >= 1 && !isOver(); size = Math.floor(size / 2)) {
      for (let from = 0; from < listAt(best, path).length && !isOver();) {
        const list = listAt(best, path)
        const shorter = [...list.slice(0, from), ...list.slice(from + size)]
        if (!(await keepIf(withValue(best, path, shorter)))) from += size
      }
    }
    return listAt(best, path).length < before
  }

  const simplify = async (path: Path): Promise<boolean> => {
    let changed = false
    for (const simple of simpler(valueAt(best, path) as number)) {
      if (isOver() || !(await keepIf(withValue(best, path, simple)))) continue
      changed = true
      break
    }
    return changed
  }

  for (let again = true; again && !isOver();) {
    again = false
    // Lists inside of a part that was left out are gone: looked up each time.
    for (let done = 0, paths = listPaths(best); done < paths.length; done++, paths = listPaths(best))
      if (await shorten(paths[done]!)) again = true
  }
  for (const path of numberPaths(best)) if (hasValue(best, path)) await simplify(path)
  return best
}

/** How many removable parts a plan has. */
export function countParts(plan: object): number {
  return listPaths(plan).reduce((sum, path) => sum + listAt(plan, path).length, 0)
}

function simpler(number: number): readonly number[] {
  const rough = Number(number.toPrecision(1))
  const candidates = [0, 1, Math.trunc(number / 2), rough]
  return [...new Set(candidates)].filter((each) => each !== number && Math.abs(each) <= Math.abs(number))
}

/** Of all lists that are not empty; a pair of numbers is no list of parts. */
function listPaths(plan: object): readonly Path[] {
  const found: { readonly path: Path; readonly rank: number }[] = []
  walk(plan, [], (value, path) => {
    if (!Array.isArray(value) || value.length === 0) return
    if (value.length === 2 && value.every((each) => typeof each === 'number')) return
    const rank = first.indexOf(String(path.at(-1)))
    found.push({ path, rank: rank < 0 ? first.length : rank })
  })
  return found.toSorted((a, b) => a.rank - b.rank).map(({ path }) => path)
}

function numberPaths(plan: object): readonly Path[] {
  const found: Path[] = []
  walk(plan, [], (value, path) => {
    if (typeof value === 'number' && !path.some((step) => untouched.has(String(step)))) found.push(path)
  })
  return found
}

function walk(value: unknown, path: Path, visit: (value: unknown, path: Path) => void): void {
  visit(value, path)
  if (Array.isArray(value)) value.forEach((each, i) => walk(each, [...path, i], visit))
  else if (typeof value === 'object' && value !== null)
    for (const [key, each] of Object.entries(value)) walk(each, [...path, key], visit)
}

function hasValue(plan: object, path: Path): boolean {
  return typeof valueAt(plan, path) === 'number'
}

function valueAt(plan: object, path: Path): unknown {
  let value: unknown = plan
  for (const step of path) value = (value as Readonly<Record<Step, unknown>> | undefined)?.[step]
  return value
}

function listAt(plan: object, path: Path): readonly unknown[] {
  return valueAt(plan, path) as readonly unknown[]
}

/** A copy in which only that one value is another. */
function withValue<P extends object>(plan: P, path: Path, value: unknown): P {
  const copy = structuredClone(plan)
  let holder = copy as Record<Step, unknown>
  for (const step of path.slice(0, -1)) holder = holder[step] as Record<Step, unknown>
  holder[path.at(-1)!] = value
  return copy
}
