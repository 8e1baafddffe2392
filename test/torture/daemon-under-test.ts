/**
 * A real daemon whose threads can be told apart, so that a fault can be put at the n-th system call of one of them: `main`
 * (answers and notes on the socket), `journal` (SQLite) and `pool` (all work on files, in one thread; see
 * fixtures/one-pool-thread.ts).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readLock } from '../../src/platform/lock-file.ts'

const preload = new URL('fixtures/one-pool-thread.ts', import.meta.url).href
const ownSource = fileURLToPath(new URL('../../src', import.meta.url))
const compileCache = fileURLToPath(new URL('../../node_modules/.cache/longhaul', import.meta.url))
/** A start is over by then, or something hangs. */
const startLimitMs = 20_000

export type ThreadName = 'main' | 'journal' | 'pool'

export interface DaemonOptions {
  readonly home: string
  /** The folder of the program. @default this project's src */
  readonly source?: string | undefined
  /** What it is started by, as `strace` and its arguments. @default nothing */
  readonly wrapper?: readonly string[] | undefined
}

export class DaemonUnderTest implements AsyncDisposable {
  readonly home: string
  /** Resolves when it has ended, by whatever. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  #over = false
  #said = ''

  /** Starts one and waits until it listens. @throws with its last words when it ended before */
  static async start(options: DaemonOptions): Promise<DaemonUnderTest> {
    const daemon = new DaemonUnderTest(options)
    const timer = setTimeout(() => void daemon.kill(), startLimitMs)
    await Promise.race([once(daemon.#child.stdout!, 'data'), daemon.ended])
    clearTimeout(timer)
    if (daemon.isOver) throw new Error(`the daemon ended at its start: ${daemon.lastWords}`)
    return daemon
  }

  private constructor({ home, source = ownSource, wrapper = [] }: DaemonOptions) {
    this.home = home
    const argv = [...wrapper, process.execPath, '--import', preload, join(source, 'daemon/main.ts'), '--home', home]
    this.#child = spawn(argv[0]!, argv.slice(1), {
      env: { PATH: process.env['PATH'], HOME: home, NODE_COMPILE_CACHE: compileCache, UV_THREADPOOL_SIZE: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child.stderr!.on('data', (bytes: Buffer) => (this.#said += bytes.toString()))
    this.ended = once(this.#child, 'exit').then(() => void (this.#over = true))
  }

  get isOver(): boolean {
    return this.#over
  }

  /** The process, also where it was started by a wrapper. */
  get pid(): number {
    return readLock(this.home)?.pid ?? this.#child.pid!
  }

  get socket(): string {
    const lock = readLock(this.home)
    if (lock === undefined) throw new Error(`no daemon is there: ${this.lastWords}`)
    return lock.socket
  }

  /** What it said on stderr, and the end of its log. */
  get lastWords(): string {
    let log = ''
    try {
      log = readFileSync(join(this.home, 'log', 'daemon.log'), 'utf8')
        .split('\n')
        .slice(-12)
        .join('\n')
    } catch {
      // It did not come as far as that.
    }
    return `${this.#said}\n${log}`.trim()
  }

  /** The id of one of its threads, by the name that Node and libuv give it. */
  thread(name: ThreadName): number {
    const { pid } = this
    if (name === 'main') return pid
    const wanted = name === 'journal' ? 'longhaul journa' : 'libuv-worker'
    const found = readdirSync(`/proc/${pid}/task`).filter(
      (id) => readFileSync(`/proc/${pid}/task/${id}/comm`, 'utf8').trim() === wanted,
    )
    if (found.length !== 1) throw new Error(`${found.length} threads are named ${wanted}, and one was to be there`)
    return Number(found[0])
  }

  /** SIGKILL, and gone when it resolves. */
  async kill(): Promise<void> {
    if (!this.#over) {
      try {
        // A wrapper that is killed would leave its child behind.
        process.kill(this.pid, 'SIGKILL')
      } catch {
        // It has just ended by itself.
      }
      await this.ended
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}
