// One run: the busy time with all its faults, then the calm in which everything has to come to its end.
import { Machine } from './machine.ts'
import type { Plan } from './plan.ts'
import { standing } from './rules/endings.ts'

export type Verdict = {
  readonly steps: number
  readonly virtualMs: number
  /** Of the trace: equal runs have equal ones. */
  readonly hash: string
} & (
  | { readonly ok: true; readonly counts: Readonly<Record<string, number>> }
  | { readonly ok: false; readonly invariant: string; readonly what: string; readonly atMs: number }
)

export interface RunOptions {
  readonly trace?: (line: string) => void
  /** A run that takes more is one that never ends. */
  readonly mostSteps?: number
}

/** How long the calm may take: a task that was parked waits an hour, and so does a launch that failed often. */
const calmMs = 4 * 3_600_000
const lookEveryMs = 30_000

export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<Verdict> {
  const { trace, mostSteps = 1_000_000 } = options
  const hash = new TraceHash()
  const machine = new Machine(plan, (line) => {
    hash.add(line)
    trace?.(line)
  })
  let stray: string | undefined
  const unhandled = (error: unknown): void => {
    stray ??= error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error)
  }
  process.on('unhandledRejection', unhandled)
  process.on('uncaughtException', unhandled)
  try {
    const { timeline } = machine
    const goOn = async (until: number): Promise<void> => {
      while (machine.broken === undefined && stray === undefined && timeline.steps < mostSteps)
        if (!(await machine.step(until))) return timeline.skipTo(until)
    }
    machine.begin()
    await goOn(plan.calmAtMs)
    if (machine.broken === undefined) machine.becomeCalm()
    const end = timeline.now + calmMs
    for (let quiet = 0; quiet < 3 && timeline.now < end && machine.broken === undefined;) {
      await goOn(timeline.now + lookEveryMs)
      if (stray !== undefined || timeline.steps >= mostSteps) break
      quiet = isOver(machine) ? quiet + 1 : 0
    }
    if (stray === undefined && timeline.steps < mostSteps) machine.atEnd()
    const measured = { steps: timeline.steps, virtualMs: Math.round(timeline.now), hash: hash.text }
    if (stray !== undefined) {
      return {
        ok: false,
        invariant: 'no failure is left unhandled',
        what: stray,
        atMs: measured.virtualMs,
        ...measured,
      }
    }
    if (timeline.steps >= mostSteps)
      return {
        ok: false,
        invariant: 'a run ends',
        what: `it took more than ${mostSteps} steps`,
        atMs: measured.virtualMs,
        ...measured,
      }
    const { broken } = machine
    if (broken !== undefined)
      return { ok: false, invariant: broken.rule, what: broken.what, atMs: broken.atMs, ...measured }
    return { ok: true, counts: machine.counts, ...measured }
  } finally {
    process.off('unhandledRejection', unhandled)
    process.off('uncaughtException', unhandled)
    machine.close()
  }
}

/** Whether nothing more will happen by itself. */
function isOver(machine: Machine): boolean {
  const { store } = machine
  return store.get('select 1 from event limit 1') === undefined && standing(store, machine.wall()).length === 0
}

/** FNV-1a over every line, in two halves. */
class TraceHash {
  #low = 0x811c9dc5
  #high = 0x1b873593
  add(line: string): void {
    for (let i = 0; i < line.length; i++) {
      this.#low = Math.imul(this.#low ^ line.charCodeAt(i), 0x01000193)
      this.#high = Math.imul(this.#high ^ line.charCodeAt(i), 0x85ebca6b) + i
    }
  }
  get text(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }
}
