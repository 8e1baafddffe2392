// Processes that run plans. A run that ends its process, or does not end itself, fails like any other, and a new process goes
// on with the next. Nothing of the product is imported here.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Verdict } from './run.ts'
import type { Job, Word } from './worker.ts'

export interface Ran {
  readonly verdict: Verdict
  readonly lines: readonly string[]
}

export interface HandOptions {
  /** Name of a deliberate fault. */
  readonly fault?: string | undefined
  /** Real ms that one run may take. @default 60 s */
  readonly patienceMs?: number
}

const workerFile = fileURLToPath(new URL('./worker.ts', import.meta.url))
/** Runs that one process does, so that none grows old and large. */
const runsOfAProcess = 1000
const keptOutput = 4000

/** One process, replaced when it ends. One run at a time. */
export class Hand {
  readonly #options: HandOptions
  #child: ChildProcess | undefined
  #runs = 0
  #stopped = false
  /** Stops to wait for the run that is under way. */
  #forget: () => void = () => {}

  constructor(options: HandOptions = {}) {
    this.#options = options
  }

  /** @throws when the process cannot work at all: a fault that does not fit, a mistake in the simulation */
  run(job: Job): Promise<Ran> {
    const { patienceMs = 60_000 } = this.#options
    const child = this.#ready()
    const lines: string[] = []
    let output = ''
    const hear = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-keptOutput)
    }
    return new Promise<Ran>((resolve, reject) => {
      this.#forget = () => {
        clearTimeout(patience)
        child.off('message', listen)
        child.off('exit', exited)
        child.stderr?.off('data', hear)
      }
      const settle = (then: () => void): void => {
        this.#forget()
        then()
      }
      const fail = (invariant: string, what: string): void =>
        settle(() => {
          this.#end(child)
          const nothing = { atMs: 0, steps: 0, virtualMs: 0, hash: invariant }
          resolve({ verdict: { ok: false, invariant, what, ...nothing }, lines })
        })
      const listen = (word: Word): void => {
        if ('lines' in word) for (const line of word.lines) lines.push(line)
        else if ('verdict' in word) settle(() => resolve({ verdict: word.verdict, lines }))
        else
          settle(() => {
            this.#end(child)
            reject(new Error(word.useless))
          })
      }
      const exited = (code: number | null, signal: string | null): void =>
        fail('a run does not end its process', `it ended with ${signal ?? `code ${code}`}. ${output.trim()}`.trim())
      const patience = setTimeout(() => fail('a run ends', `it had not ended after ${patienceMs} ms`), patienceMs)
      child.on('message', listen)
      child.on('exit', exited)
      child.stderr?.on('data', hear)
      child.send(job)
    })
  }

  /** A run that is under way never settles. */
  stop(): void {
    this.#stopped = true
    this.#forget()
    if (this.#child !== undefined) this.#end(this.#child)
  }

  #ready(): ChildProcess {
    if (this.#stopped) throw new Error('it was stopped')
    const present = this.#child
    if (present !== undefined && present.connected && present.exitCode === null && this.#runs++ < runsOfAProcess)
      return present
    if (present !== undefined) this.#end(present)
    const { fault } = this.#options
    this.#runs = 1
    this.#child = fork(workerFile, fault === undefined ? [] : ['--fault', fault], {
      execArgv: ['--conditions=longhaul-source', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // A Ctrl-C is for us alone; a child whose parent is gone ends by itself.
      detached: true,
    })
    return this.#child
  }

  #end(child: ChildProcess): void {
    if (this.#child === child) this.#child = undefined
    child.removeAllListeners()
    child.on('error', () => {})
    child.kill('SIGKILL')
  }
}

export interface CrewOptions extends HandOptions {
  readonly jobs: number
  /** In order; a run is begun when a process is free. */
  readonly seeds: Iterable<number>
  /** `stop`: no other run is begun, and those under way are given up. */
  readonly ran: (seed: number, verdict: Verdict) => 'go on' | 'stop'
  readonly signal?: AbortSignal
}

/** Runs seeds on several processes, until they are all run or it is told to stop. */
export async function runSeeds(options: CrewOptions): Promise<void> {
  const { jobs, seeds, ran, signal, ...hand } = options
  const left = seeds[Symbol.iterator]()
  const hands = Array.from({ length: jobs }, () => new Hand(hand))
  const stopped = Promise.withResolvers<void>()
  let stop = false
  const giveUp = (): void => {
    stop = true
    for (const each of hands) each.stop()
    stopped.resolve()
  }
  signal?.addEventListener('abort', giveUp, { once: true })
  const work = async (worker: Hand): Promise<void> => {
    for (let next = left.next(); next.done !== true && !isStopped(); next = left.next()) {
      const { verdict } = await worker.run({ seed: next.value, trace: 'no trace' })
      if (!isStopped() && ran(next.value, verdict) === 'stop') giveUp()
    }
  }
  // A call, because the compiler takes it that no await changes a variable.
  const isStopped = (): boolean => stop
  try {
    if (signal?.aborted === true) return
    await Promise.race([stopped.promise, Promise.all(hands.map(work))])
  } finally {
    signal?.removeEventListener('abort', giveUp)
    for (const each of hands) each.stop()
  }
}
