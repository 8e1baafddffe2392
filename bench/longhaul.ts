/**
 * Longhaul as its user has it: the published command line against a daemon that already runs, with a home of its own. What it
 * takes is that of the command and of the daemon.
 */
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { BackgroundSession } from 'longhaul'
import type { Measured, Sample } from './measure.ts'
import { cpuMs, end, peakRssBytes, resetPeak } from './process-facts.ts'
import type { Payload, Stage } from './stage.ts'

export interface LonghaulOptions {
  /** What the daemon and its clients are started by, as `ip netns exec NAME`. @default nothing */
  readonly prefix?: readonly string[]
  /** Syncs do nothing: a control, not a product. @default real ones */
  readonly syncs?: 'none'
  /** The daemon's own ceilings. @default its defaults */
  readonly limits?: { readonly active: number; readonly connections: number }
}

export class Longhaul implements AsyncDisposable {
  readonly home: string
  readonly #stage: Stage
  readonly #options: LonghaulOptions
  readonly #env: Readonly<Record<string, string>>
  #kept: BackgroundSession | undefined

  /** Resolves when its daemon runs. @param name of its folder */
  static async start(stage: Stage, name: string, options: LonghaulOptions = {}): Promise<Longhaul> {
    const made = stage.use(new Longhaul(stage, name, options))
    await mkdir(made.home, { recursive: true })
    // The first one compiles, and keeps the result for the next.
    await made.startDaemon()
    await end(made.pid, 'SIGTERM')
    await made.startDaemon()
    await made.keep()
    return made
  }

  private constructor(stage: Stage, name: string, options: LonghaulOptions) {
    this.#stage = stage
    this.#options = options
    const folder = join(stage.folder, name)
    this.home = join(folder, 'home')
    const { PATH = '' } = process.env
    this.#env = { PATH, HOME: folder, LONGHAUL_HOME: this.home, NODE_NO_WARNINGS: '1', LANG: 'C.UTF-8' }
  }

  get pid(): number {
    return (JSON.parse(readFileSync(join(this.home, 'lock'), 'utf8')) as { readonly pid: number }).pid
  }

  /** As the first client of an app would start it. */
  async startDaemon(): Promise<void> {
    const { limits, syncs } = this.#options
    // For a look inside: LONGHAUL_BENCH_DAEMON_ARGS='--cpu-prof --cpu-prof-dir=/tmp/profiles'.
    const args = process.env['LONGHAUL_BENCH_DAEMON_ARGS']?.split(' ') ?? []
    const env = {
      ...(syncs === 'none' && { LD_PRELOAD: this.#stage.native.path('no-sync') }),
      ...(limits !== undefined && {
        LONGHAUL_MAXIMUM_ACTIVE_TASKS: String(limits.active),
        LONGHAUL_MAXIMUM_CONNECTIONS_PER_ORIGIN: String(limits.connections),
      }),
    }
    const starter = this.#stage.published.program('start-daemon.ts')
    await this.#command([process.execPath, starter, JSON.stringify({ args, env })])
  }

  /** A connection, so that it does not leave between the rounds. */
  async keep(): Promise<void> {
    const { BackgroundSession } = await import('longhaul')
    this.#kept = await BackgroundSession.open({
      identifier: 'bench.keep',
      daemon: { home: this.home, start: 'never' },
    })
  }

  /** The connection goes. */
  async letGo(): Promise<void> {
    await this.#kept?.close()
    this.#kept = undefined
  }

  /** `longhaul get URL -o FILE`, until the file is there. */
  async get(url: string, file: string, flags: readonly string[]): Promise<Sample> {
    return this.#withDaemon(() => this.command(['get', url, '-o', file, '-q', ...flags]))
  }

  /** What the command alone takes. */
  command(words: readonly string[]): Promise<Measured> {
    return this.#command([process.execPath, this.#stage.published.command, ...words])
  }

  /** A program that uses the library, of the folder `programs`. */
  async program(name: string, parameter: unknown): Promise<Measured> {
    const path = this.#stage.published.program(name)
    return this.#withDaemon(() => this.#command([process.execPath, path, JSON.stringify(parameter)]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.letGo()
    let pid: number
    try {
      ;({ pid } = this)
    } catch {
      // It never came to be, or has left.
      return
    }
    await end(pid, 'SIGTERM')
  }

  #command(argv: readonly string[]): Promise<Measured> {
    return this.#stage.run([...(this.#options.prefix ?? []), ...argv], { env: this.#env })
  }

  async #withDaemon(work: () => Promise<Measured>): Promise<Measured> {
    const { pid } = this
    resetPeak(pid)
    const before = cpuMs(pid)
    const client = await work()
    return {
      ...client,
      cpuMs: client.cpuMs + cpuMs(pid) - before,
      rssBytes: Math.max(client.rssBytes, peakRssBytes(pid)),
    }
  }
}

export interface WarmUp {
  readonly url: string
  readonly payload: Payload
  /** Of the file that is made. */
  readonly name: string
  /** PEM file. */
  readonly authority: string
}

/** Compiles what is compiled once, opens what is opened once: what is measured afterwards is warm. */
export async function warmUp(
  longhaul: Longhaul,
  { url, payload, name, authority }: WarmUp,
  stage: Stage,
): Promise<void> {
  const file = join(stage.folder, name)
  await longhaul.get(url, file, url.startsWith('https:') ? ['--ca', authority] : [])
  await stage.check(file, payload)
}
