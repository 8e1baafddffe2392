// A process that runs plans, one after another, for whoever forked it (crew.ts). With `--fault NAME` the product is loaded with
// that deliberate fault. What breaks here in an unforeseen way is the verdict of the run that was under way.
import { parseArgs } from 'node:util'
import type { Plan } from './plan.ts'
import type { RunOptions, Verdict } from './run.ts'
import { faultOf, putFault } from './with-fault.ts'

export type Job = ({ readonly seed: number } | { readonly plan: Plan }) & {
  readonly trace: 'with trace' | 'no trace'
  readonly mostSteps?: number
}

export type Word =
  | { readonly lines: readonly string[] }
  | { readonly verdict: Verdict }
  /** It cannot work at all. */
  | { readonly useless: string }

const { values } = parseArgs({ options: { fault: { type: 'string' } } })
const say = (word: Word, then: () => void = () => {}): void => void process.send?.(word, undefined, undefined, then)

const { makePlan, runPlan } = await load()

async function load(): Promise<{
  readonly makePlan: (seed: number) => Plan
  readonly runPlan: (plan: Plan, options?: RunOptions) => Promise<Verdict>
}> {
  try {
    const isIn = values.fault === undefined ? () => true : putFault(faultOf(values.fault))
    const loaded = { ...(await import('./make-plan.ts')), ...(await import('./run.ts')) }
    if (!isIn()) throw new Error(`the simulation does not use ${faultOf(values.fault!).file}`)
    return loaded
  } catch (error) {
    say({ useless: error instanceof Error ? (error.stack ?? error.message) : String(error) }, () => process.exit(1))
    return new Promise(() => {})
  }
}

let broken = false

/** What a run leaves behind breaks when it is over. */
function broke(error: unknown): void {
  // While a run is under way it listens itself.
  if (broken || process.listenerCount('unhandledRejection') > 1) return
  broken = true
  say({ verdict: brokenBy(error) }, () => process.exit(1))
}

/** So that what a run left behind is told of that run. */
const afterwards = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

function brokenBy(error: unknown): Verdict {
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { ok: false, invariant: 'a run does not break', what, atMs: 0, steps: 0, virtualMs: 0, hash: 'broken' }
}

async function run(job: Job): Promise<void> {
  let lines: string[] = []
  const trace = (line: string): void => {
    lines.push(line)
    if (lines.length < 500) return
    say({ lines })
    lines = []
  }
  let verdict: Verdict
  try {
    const plan = 'plan' in job ? job.plan : makePlan(job.seed)
    verdict = await runPlan(plan, {
      ...(job.trace === 'with trace' && { trace }),
      ...(job.mostSteps !== undefined && { mostSteps: job.mostSteps }),
    })
  } catch (error) {
    verdict = brokenBy(error)
  }
  if (lines.length > 0) say({ lines })
  await afterwards()
  if (!broken) say({ verdict })
}

process.on('unhandledRejection', broke)
process.on('uncaughtException', broke)
process.on('message', (job: Job) => void run(job))
process.on('disconnect', () => process.exit())
