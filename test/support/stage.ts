/**
 * The stage of a scenario: a home of its own, apps in processes of their own that use the public library ({@link AppScript}),
 * the daemon that they start by themselves, and what is needed to end any of them at a chosen moment. Nothing is left behind:
 * leaving the stage ends every process that was started on it, by its pid, and removes the folder.
 *
 *     await using stage = await Stage.open()
 *     const app = await stage.start({ identifier: 'com.example.app', launch: {} })
 *     const id = await app.run(async ({ session }, url) => (await session.download(url)).id, url)
 *     app.kill()
 *     await stage.event('didComplete')
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { LonghaulError } from 'longhaul'
import { type LockFacts, readLock } from '../../src/platform/lock-file.ts'
import { type Report, Reports } from './reports.ts'
import type { AppContext, AppScript, Asked } from './stage-app.ts'
import { temporaryFolder } from './temporary-folder.ts'

export type { Report } from './reports.ts'
export type { AppContext, AppScript } from './stage-app.ts'

const appProgram = fileURLToPath(new URL('stage-app.ts', import.meta.url))
const daemonProgram = fileURLToPath(new URL('../../src/daemon/main.ts', import.meta.url))
const commandProgram = fileURLToPath(new URL('../../bin/longhaul.js', import.meta.url))
const condition = '--conditions=longhaul-source'
/** A clean stop is over by then, or something hangs. */
const stopLimitMs = 10_000

// Sockets of a test lie in its own folder, and its daemons are not units of the tester's service manager.
delete process.env['XDG_RUNTIME_DIR']

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Ran extends Ended {
  readonly stdout: string
  readonly stderr: string
}

/** What a function that was sent threw there. */
export class ThrownThere extends Error {
  override readonly name = 'ThrownThere'
  declare readonly code?: LonghaulError['code']
  constructor(thrown: { readonly message: string }) {
    super(thrown.message)
    Object.assign(this, thrown)
  }
}

export class App {
  readonly pid: number
  readonly ended: Promise<Ended>
  readonly #child: ChildProcess
  readonly #reports: Reports
  #asked = 0
  #over = false
  #output = ''

  constructor(child: ChildProcess, reports: Reports) {
    this.#child = child
    this.#reports = reports
    this.pid = child.pid!
    this.ended = once(child, 'exit').then(([code, signal]: unknown[]) => {
      this.#over = true
      reports.nudge()
      return { code: code as number | null, signal: signal as NodeJS.Signals | null }
    })
    // What is written to one that was killed.
    child.stdin!.on('error', () => {})
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (bytes: Buffer) => (this.#output += bytes.toString()))
  }

  /** What it printed. */
  get output(): string {
    return this.#output
  }

  /**
   * Runs a function in the app and resolves with what it returned. The text of the function is sent, so it sees its arguments
   * and nothing else of the test. @throws what it threw there; an Error when the app ended before it answered
   */
  async run<A extends readonly unknown[], R>(
    sent: (context: AppContext, ...given: A) => R | Promise<R>,
    ...given: A
  ): Promise<R> {
    const number = ++this.#asked
    const asked: Asked = { number, run: sent.toString(), given }
    this.#child.stdin!.write(`${JSON.stringify(asked)}\n`)
    const isAnswer = ({ pid, answer }: Report): boolean => pid === this.pid && answer === number
    await this.#reports.until(
      () => this.#over || this.#reports.all.some(isAnswer),
      `the answer of app ${this.pid} to ${sent.toString().slice(0, 200)}`,
    )
    const answer = this.#reports.all.find(isAnswer)
    if (answer === undefined) throw new Error(`app ${this.pid} ended before it answered. It printed: ${this.#output}`)
    const { value, thrown } = answer.fields as { readonly value?: R; readonly thrown?: { readonly message: string } }
    if (thrown !== undefined) throw new ThrownThere(thrown)
    return value as R
  }

  /** SIGKILL, and gone when it resolves. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  /** `process.exit()`, as a user who closes the window: nothing is let go of in good order. */
  async exit(): Promise<Ended> {
    await this.run(() => void setImmediate(() => process.exit(0)))
    return this.ended
  }

  /** Lets go of what only holds it for the test; it ends by itself if nothing of Longhaul keeps it. */
  async leave(): Promise<Ended> {
    await this.run(({ leave }) => leave())
    return this.ended
  }

  /** Resolves when it is ready. @throws when it ended before */
  async ready(): Promise<this> {
    const isReady = ({ pid, what, name }: Report): boolean => pid === this.pid && what === 'said' && name === 'ready'
    await this.#reports.until(() => this.#over || this.#reports.all.some(isReady), `app ${this.pid} ready`)
    if (!this.#reports.all.some(isReady)) throw new Error(`app ${this.pid} ended at its start: ${this.#output}`)
    return this
  }
}

export class Stage implements AsyncDisposable {
  readonly folder: string
  readonly home: string
  /** For what is downloaded. */
  readonly files: string
  readonly reports: Reports
  readonly #children = new Set<ChildProcess>()

  static async open(): Promise<Stage> {
    const folder = await temporaryFolder()
    await mkdir(join(folder, 'files'))
    return new Stage(folder)
  }

  private constructor(folder: string) {
    this.folder = folder
    this.home = join(folder, 'home')
    this.files = join(folder, 'files')
    this.reports = new Reports(join(folder, 'reports'), () => `The daemon's log ends with:\n${this.log(20)}`)
  }

  /** The environment of everything here: what a user's program would have, and no more. */
  get environment(): Readonly<Record<string, string>> {
    const compiled = process.env['NODE_COMPILE_CACHE']
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: this.folder,
      LANG: 'C',
      LONGHAUL_HOME: this.home,
      ...(compiled !== undefined && { NODE_COMPILE_CACHE: compiled }),
    }
  }

  path(name: string): string {
    return join(this.files, name)
  }

  /** Names of all that lies where files are downloaded to, partial files included. */
  async listed(): Promise<readonly string[]> {
    return (await readdir(this.files)).toSorted()
  }

  /** Lower-case hex SHA-256. */
  async digest(path: string): Promise<string> {
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
  }

  /** The last lines of the daemon's log. */
  log(lines = 100): string {
    try {
      return readFileSync(join(this.home, 'log', 'daemon.log'), 'utf8')
        .split('\n')
        .slice(-lines)
        .join('\n')
    } catch {
      return '(there is none)'
    }
  }

  // ------------------------------------------------------------------------------------------------------- apps

  /** Starts an app and waits until it has done what its script says at once. */
  async start(script: Omit<AppScript, 'reports'> = {}): Promise<App> {
    return this.launch(script).ready()
  }

  /** Starts an app that may end before it is ready. */
  launch(script: Omit<AppScript, 'reports'> = {}, env: Readonly<Record<string, string>> = {}): App {
    const whole: AppScript = { ...script, reports: this.reports.path }
    const child = this.#spawn([condition, appProgram, JSON.stringify(whole)], 'pipe', env)
    return new App(child, this.reports)
  }

  /** Runs the command to its end. */
  async longhaul(...words: readonly string[]): Promise<Ran> {
    return this.command(...words).ran
  }

  /** Starts the command. */
  command(...words: readonly string[]): { readonly child: ChildProcess; readonly ran: Promise<Ran> } {
    const child = this.#spawn([condition, commandProgram, ...words], 'ignore')
    let [stdout, stderr] = ['', '']
    child.stdout!.on('data', (bytes: Buffer) => (stdout += bytes.toString()))
    child.stderr!.on('data', (bytes: Buffer) => (stderr += bytes.toString()))
    const ran = once(child, 'close').then(([code, signal]: unknown[]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout,
      stderr,
    }))
    return { child, ran }
  }

  #spawn(args: readonly string[], stdin: 'pipe' | 'ignore', env: Readonly<Record<string, string>> = {}): ChildProcess {
    const child = spawn(process.execPath, args, {
      cwd: this.files,
      env: { ...this.environment, ...env },
      stdio: [stdin, 'pipe', 'pipe'],
    })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  // ------------------------------------------------------------------------------------------------------- what they told

  /** The first event of this name (that fits), whoever received it. */
  event(name: string, fits: (report: Report) => boolean = () => true): Promise<Report> {
    return this.reports.first(
      (report) => (report.what === 'event' || report.what === 'passing') && report.name === name && fits(report),
      name,
    )
  }

  /** Durable events so far, in the order in which they were received. */
  events(fits: (report: Report) => boolean = () => true): readonly Report[] {
    return this.reports.which((report) => report.what === 'event' && fits(report))
  }

  // ------------------------------------------------------------------------------------------------------- the daemon

  /** Of the daemon that runs, as its lock file says. */
  get daemon(): LockFacts | undefined {
    const lock = readLock(this.home)
    return lock !== undefined && isRunning(lock.pid) && belongs(lock.pid, this.home) ? lock : undefined
  }

  /** Resolves with the daemon when it is there, and is another one than `than`. */
  async newDaemon(than?: number): Promise<LockFacts> {
    const limit = performance.now() + 20_000
    for (;;) {
      const found = this.daemon
      if (found !== undefined && found.pid !== than) return found
      if (performance.now() > limit) throw new Error(`no daemon came. Its log ends with:\n${this.log(20)}`)
      await pause(5)
    }
  }

  /** Resolves when so many processes of daemons are there, ready or not, those included that are not needed and leave. */
  async daemonProcesses(fits: (count: number) => boolean): Promise<void> {
    const limit = performance.now() + 20_000
    for (;;) {
      const found = processesOf(this.folder).filter(isDaemon)
      if (fits(found.length)) return
      if (performance.now() > limit) throw new Error(`the processes of daemons are still ${found.join(', ')}`)
      await pause(1)
    }
  }

  /** Starts one by hand, with options that no client gives. It is there when this resolves. */
  async startDaemon(...args: readonly string[]): Promise<LockFacts> {
    const before = this.daemon?.pid
    const child = spawn(process.execPath, [daemonProgram, '--home', this.home, ...args], {
      cwd: this.folder,
      env: this.environment,
      stdio: 'ignore',
    })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return this.newDaemon(before)
  }

  /** SIGKILL, and gone when it resolves. @returns its pid */
  async killDaemon(): Promise<number> {
    const { pid } = await this.newDaemon()
    process.kill(pid, 'SIGKILL')
    await gone(pid)
    return pid
  }

  /** Resolves when the daemon with this pid has ended. */
  async daemonGone(pid: number): Promise<void> {
    await gone(pid)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) if (!child.spawnargs.includes(daemonProgram)) child.kill('SIGKILL')
    // Launched apps and daemons are nobody's children here; all of them have our folder in their arguments.
    for (const pid of processesOf(this.folder)) if (!isDaemon(pid)) signal(pid, 'SIGKILL')
    const problems: string[] = []
    for (const pid of processesOf(this.folder)) {
      signal(pid, isDaemon(pid) ? 'SIGTERM' : 'SIGKILL')
      await gone(pid).catch(() => {
        problems.push(`the daemon ${pid} did not stop at SIGTERM. Its log ends with:\n${this.log(20)}`)
        signal(pid, 'SIGKILL')
      })
    }
    this.reports.close()
    await rm(this.folder, { recursive: true, force: true })
    if (problems.length > 0) throw new Error(problems.join('\n'))
  }
}

/** Whether somebody listens there. */
export async function listens(socket: string): Promise<boolean> {
  const connection = connect(socket)
  try {
    await once(connection, 'connect')
    return true
  } catch {
    return false
  } finally {
    connection.destroy()
  }
}

// --------------------------------------------------------------------------------------------------------- processes

/** Command lines are read from /proc; elsewhere a pid is believed to be what it was. */
function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

function belongs(pid: number, home: string): boolean {
  return process.platform !== 'linux' || argumentsOf(pid).includes(home)
}

function isDaemon(pid: number): boolean {
  return argumentsOf(pid).includes(daemonProgram)
}

function processesOf(folder: string): readonly number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && argumentsOf(pid).some((argument) => argument.includes(folder)))
}

/** A process that has ended and that nobody has asked about yet (a zombie) is not running. */
export function isRunning(pid: number): boolean {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      return !'ZX'.includes(stat.slice(stat.lastIndexOf(')') + 2)[0]!)
    } catch {
      return false
    }
  }
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It has just ended by itself.
  }
}

/** Nobody tells the end of a process that is not one's child, so it is looked for. */
async function gone(pid: number): Promise<void> {
  const limit = performance.now() + stopLimitMs
  while (isRunning(pid)) {
    if (performance.now() > limit) throw new Error(`process ${pid} did not end within ${stopLimitMs} ms`)
    await pause(2)
  }
}
