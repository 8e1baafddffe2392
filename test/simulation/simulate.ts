// `npm run simulate`: runs many seeds, or shows one. See README.md.
//
//   --seeds N       how many (500)             --from S     the first; else fresh ones, by the clock
//   --jobs J        processes (all cores)      --resume     go on with the run that was interrupted
//   --state FILE    what to go on with         --trace X    one run in full: a seed, or a file with a plan
//   --fault NAME    with a deliberate fault    --faults     which there are
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Batch } from './batch.ts'
import { runSeeds } from './crew.ts'
import { deliberateFaults } from './faults.ts'
import { number, plural, print, printEnd, ProgressLine, sentence, styled, wrapped } from './screen.ts'
import { showTrace } from './show-trace.ts'
import { faultOf } from './with-fault.ts'

const folder = 'node_modules/.cache/simulation'
const saveEveryMs = 2000

// As in `… | head`: nobody reads any more.
process.stdout.on('error', () => process.exit(1))

let values: ReturnType<typeof readOptions>
try {
  values = readOptions()
  process.exitCode = await main()
} catch (error) {
  print(`${styled('red', '✖')} ${wrapped(error instanceof Error ? error.message : String(error), 2)}`)
  process.exitCode = 2
}

function readOptions() {
  return parseArgs({
    options: {
      seeds: { type: 'string' },
      from: { type: 'string' },
      jobs: { type: 'string' },
      resume: { type: 'boolean', default: false },
      state: { type: 'string', default: `${folder}/run.json` },
      trace: { type: 'string' },
      fault: { type: 'string' },
      faults: { type: 'boolean', default: false },
    },
  }).values
}

function main(): Promise<number> {
  if (values.faults) return Promise.resolve(listFaults())
  if (values.trace !== undefined)
    return showTrace(values.trace, values.fault, folder).then((passed) => (passed ? 0 : 1))
  if (values.fault !== undefined) return hunt(values.fault)
  return runBatch()
}

function whole(name: 'seeds' | 'from' | 'jobs', otherwise: number): number {
  const text = values[name]
  if (text === undefined) return otherwise
  if (!/^\d+$/.test(text) || (name !== 'from' && Number(text) === 0))
    throw new Error(`--${name} takes a whole number, not ${JSON.stringify(text)}`)
  return Number(text)
}

/** Seeds that nobody has run, most likely. */
function freshSeed(): number {
  return Math.floor(Date.now() / 100) % 1_000_000_000
}

async function runBatch(): Promise<number> {
  const { state } = values
  const jobs = whole('jobs', availableParallelism())
  const batch = values.resume ? Batch.resume(state) : Batch.fresh(whole('from', freshSeed()), whole('seeds', 500))
  const last = batch.from + batch.seeds - 1
  const before = batch.done === 0 ? '' : `, ${number(batch.done)} of them done before`
  print(
    `Seeds ${batch.from} to ${last} (${number(batch.seeds)}${before}) in ${plural(jobs, 'process')}`.replace(
      'processs',
      'processes',
    ),
  )

  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort()
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  const startedMs = performance.now()
  const spentMs = batch.elapsedMs
  const progress = new ProgressLine(batch, startedMs)
  let savedMs = startedMs
  const save = (nowMs: number): void => {
    savedMs = nowMs
    batch.elapsedMs = spentMs + nowMs - startedMs
    batch.save(state)
  }
  await runSeeds({
    jobs,
    seeds: batch.left(),
    signal: interrupted.signal,
    ran: (seed, verdict) => {
      batch.add(seed, verdict)
      if (!verdict.ok) progress.failed({ seed, ...verdict })
      const nowMs = performance.now()
      progress.moved(nowMs)
      if (nowMs - savedMs >= saveEveryMs) save(nowMs)
      return 'go on'
    },
  })
  save(performance.now())
  progress.clear()
  process.off('SIGINT', interrupt)
  process.off('SIGTERM', interrupt)

  printEnd(batch, (seed) => `npm run simulate -- --trace ${seed}`)
  if (interrupted.signal.aborted) {
    print(`\nInterrupted; ${number(batch.seeds - batch.done)} are left. To go on:`)
    const where = values.state === `${folder}/run.json` ? '' : ` --state ${values.state}`
    print(`  npm run simulate -- --resume${where}`)
    return 130
  }
  return batch.failures.length > 0 ? 1 : 0
}

/** With a deliberate fault: it is well when a seed fails. */
async function hunt(name: string): Promise<number> {
  const fault = faultOf(name)
  const seeds = whole('seeds', 2000)
  const from = whole('from', 1)
  print(`${styled('bold', fault.name)} in ${fault.file}: ${wrapped(fault.says, 2)}`)
  const search = { seeds, done: 0, failures: [] }
  let caught: string | undefined
  const progress = new ProgressLine(search, performance.now())
  await runSeeds({
    fault: name,
    jobs: whole('jobs', availableParallelism()),
    seeds: Array.from({ length: seeds }, (_, i) => from + i),
    ran: (seed, verdict) => {
      search.done++
      progress.moved(performance.now())
      if (verdict.ok || (fault.by !== undefined && verdict.invariant !== fault.by)) return 'go on'
      caught = `seed ${seed}: ${verdict.invariant}\n  ${wrapped(sentence(verdict.what), 2)}\n  ${styled('dim', `npm run simulate -- --trace ${seed} --fault ${name}`)}`
      return 'stop'
    },
  })
  progress.clear()
  print(
    caught === undefined
      ? `${styled('red', '✖')} not caught in ${plural(search.done, 'seed')}`
      : `${styled('green', '✔')} caught after ${plural(search.done, 'seed')}, by ${caught}`,
  )
  return caught === undefined ? 1 : 0
}

function listFaults(): number {
  for (const { name, says, file } of deliberateFaults) {
    print(styled('bold', name))
    print(`  ${wrapped(says, 2)}\n  ${styled('dim', existsSync(file) ? file : `${file} (gone)`)}`)
  }
  return 0
}
