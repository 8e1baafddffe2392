/** What a command of the command line is, and what it may use. One file a command; `main` knows them all. */
import type { Readable } from 'node:stream'
import type { Link } from '../client/link.ts'
import type { Terminal } from './render/terminal.ts'
import type { Words } from './render/words.ts'

export interface Flag {
  readonly name: string
  readonly short?: string
  /** Shown in help; absent: a switch without value. */
  readonly value?: string
  /** The only values there are. */
  readonly choices?: readonly string[]
  /** May be given more than once. */
  readonly many?: boolean
  readonly help: string
}

export interface Command {
  readonly name: string
  readonly aliases?: readonly string[]
  /** After `longhaul NAME `. */
  readonly usage: string
  /** One line, for the list of commands. */
  readonly summary: string
  /** Paragraphs of `longhaul help NAME`. */
  readonly details?: readonly string[]
  readonly flags: readonly Flag[]
  readonly examples?: readonly string[]
  /** Resolves with the exit code. */
  run(input: Input, context: Context): Promise<number>
}

export interface Input {
  readonly words: readonly string[]
  /** True when the switch was given. */
  has(flag: string): boolean
  /** The last value given. */
  value(flag: string): string | undefined
  values(flag: string): readonly string[]
}

/** The world of one run. stdout carries the answer, stderr progress, hints and errors. */
export interface Context {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Of stderr, where progress goes. */
  readonly terminal: Terminal
  /** Of stdout. */
  readonly output: Terminal
  readonly json: boolean
  readonly quiet: boolean
  readonly verbose: boolean
  readonly words: Words
  /** Wall time, ms. */
  readonly wallMs: () => number
  /** @throws FILE_DOES_NOT_EXIST where it was removed, so it is asked for only when a path begins there */
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: Readable & { readonly isTTY?: boolean }
  /** Connects, starting the daemon if there is none. One for the run; `main` closes it. */
  daemon(): Promise<Link>
  /** Connects only to a daemon that runs already. @throws DAEMON_UNAVAILABLE when one runs and cannot be talked to */
  runningDaemon(): Promise<Link | undefined>
  /** Aborted by Ctrl-C, SIGTERM, SIGHUP or a closed reader; its reason is the signal's name. */
  readonly left: AbortSignal
}
