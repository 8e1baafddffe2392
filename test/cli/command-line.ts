/**
 * `longhaul` as a person runs it: `bin/longhaul.js` in processes of its own, with a home and a folder of its own, through pipes
 * or in a pseudo-terminal. Its daemon is stopped at the end.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../support/temporary-folder.ts'

const program = fileURLToPath(new URL('../../bin/longhaul.js', import.meta.url))
/** A test that waits for what does not come should say so before the runner kills it. */
const patienceMs = 30_000

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Standard input. @default nothing */
  readonly input?: string
  /** False: more may follow. @default true */
  readonly inputEnds?: boolean
  /** What a shell does before it becomes the command: another folder, an output that leads elsewhere. */
  readonly shell?: string
}

export interface TerminalOptions extends Pick<RunOptions, 'env'> {
  readonly columns?: number
  readonly rows?: number
  /** The words of a program that starts the command. @default none */
  readonly by?: readonly string[]
}

export class CommandLine implements AsyncDisposable {
  readonly home: string
  /** The current folder. */
  readonly folder: string
  readonly #userHome: string
  readonly #running = new Set<Running>()
  readonly #terminals: string[] = []

  static async open(): Promise<CommandLine> {
    return new CommandLine(await temporaryFolder(), await temporaryFolder(), await temporaryFolder())
  }

  private constructor(home: string, folder: string, userHome: string) {
    this.home = home
    this.folder = folder
    this.#userHome = userHome
  }

  /** Nothing of the environment of the tests but where programs are. */
  environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const { PATH = '' } = process.env
    return { PATH, HOME: this.#userHome, LANG: 'C.UTF-8', TERM: 'xterm-256color', LONGHAUL_HOME: this.home, ...more }
  }

  start(args: readonly string[], options: RunOptions = {}): Running {
    const place = { cwd: this.folder, env: this.environment(options.env) }
    const words = [process.execPath, program, ...args]
    const script = `${options.shell ?? ''}\nexec "$@"`
    const child =
      options.shell === undefined
        ? spawn(words[0]!, words.slice(1), place)
        : spawn('sh', ['-c', script, 'sh', ...words], place)
    child.stdin.on('error', () => {})
    if (options.inputEnds === false) child.stdin.write(options.input ?? '')
    else child.stdin.end(options.input ?? '')
    return this.#keep(new Running(child))
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return this.start(args, options).ended
  }

  /** In a terminal of this size; both outputs come as `stdout`. */
  inTerminal(args: readonly string[], { columns = 80, rows = 24, env = {}, by = [] }: TerminalOptions = {}): Running {
    const quoted = [...by, process.execPath, program, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
    // Who is stopped in a terminal does not die with it: the process tells its id, and is ended by that.
    const pidFile = join(this.#userHome, `pid-${this.#terminals.length}`)
    this.#terminals.push(pidFile)
    const command = `stty cols ${columns} rows ${rows}; echo $$ > ${pidFile}; exec ${quoted.join(' ')}`
    const child = spawn('script', ['-q', '-f', '-e', '-c', command, '/dev/null'], {
      cwd: this.folder,
      env: this.environment({ SHELL: '/bin/sh', ...env }),
    })
    child.stdin.on('error', () => {})
    return this.#keep(new Running(child))
  }

  /** The task that was made last, as `show --json` tells it. */
  async last(): Promise<Readonly<Record<string, unknown>>> {
    const { stdout } = await this.run(['show', '--json'])
    return JSON.parse(stdout) as Readonly<Record<string, unknown>>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running.size > 0) this.#terminals.forEach(killNamed)
    for (const one of this.#running) one.kill('SIGKILL')
    await Promise.all([...this.#running].map((one) => one.ended))
    await this.run(['daemon', 'stop'])
  }

  #keep(running: Running): Running {
    this.#running.add(running)
    void running.ended.then(() => this.#running.delete(running))
    return running
  }
}

/** Of a test whose process is still there; a file that was never written names none. */
function killNamed(pidFile: string): void {
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

export class Running {
  readonly #child: ChildProcessWithoutNullStreams
  readonly ended: Promise<Ended>
  readonly #watchers = new Set<() => void>()
  stdout = ''
  stderr = ''
  isOver = false

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => this.#heard(() => (this.stdout += text)))
    child.stderr.setEncoding('utf8').on('data', (text: string) => this.#heard(() => (this.stderr += text)))
    const { promise, resolve } = Promise.withResolvers<Ended>()
    this.ended = promise
    child.once('close', (code) =>
      this.#heard(() => {
        this.isOver = true
        resolve({ code, stdout: this.stdout, stderr: this.stderr })
      }),
    )
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Types in the terminal. */
  type(text: string): void {
    this.#child.stdin.write(text)
  }

  /** Resolves when the text has left for standard input. */
  async takes(text: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#child.stdin.write(text, (error) => (error instanceof Error ? reject(error) : resolve()))
    await promise
  }

  /** As `head` does when it has seen enough. */
  closeReader(): void {
    this.#child.stdout.destroy()
  }

  /** Resolves when either output shows it; rejects when the process ended without it. */
  async shows(what: RegExp): Promise<RegExpExecArray> {
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>()
    const heard = (): string => `\nstdout:\n${this.stdout}\nstderr:\n${this.stderr}`
    const look = (): void => {
      const found = what.exec(this.stdout) ?? what.exec(this.stderr)
      if (found !== null) resolve(found)
      else if (this.isOver) reject(new Error(`it ended and never showed ${String(what)}${heard()}`))
    }
    const timer = setTimeout(() => reject(new Error(`it does not show ${String(what)}${heard()}`)), patienceMs)
    this.#watchers.add(look)
    look()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#watchers.delete(look)
    }
  }

  #heard(change: () => void): void {
    change()
    for (const look of this.#watchers) look()
  }
}
