/**
 * The command line. stdout carries the answer, stderr progress, hints and errors. Leaving (Ctrl-C, SIGTERM, a closed terminal
 * or reader) never touches the transfers; the daemon does the work.
 */
import { linkTo } from '../client/links.ts'
import { asLonghaulError, isLonghaulError } from '../contract/errors.ts'
import { nearest } from '../contract/nearest.ts'
import { parseArguments } from './arguments.ts'
import type { Command, Context } from './command.ts'
import { cancel, hold, release } from './commands/change.ts'
import { daemon } from './commands/daemon.ts'
import { explain } from './commands/explain.ts'
import { add, get } from './commands/get.ts'
import { findCommand, helpCommand, helpText, overview } from './commands/help.ts'
import { ls } from './commands/ls.ts'
import { retry } from './commands/retry.ts'
import { show } from './commands/show.ts'
import { version } from './commands/version.ts'
import { wait } from './commands/wait.ts'
import { watch } from './commands/watch.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import { errorText } from './render/error.ts'
import { jsonLine } from './render/json-view.ts'
import { languageOf, terminalOf } from './render/terminal.ts'
import { wordsOf } from './render/words.ts'
import { NotFound } from './selection.ts'
import { exitCodeOfSignal } from './viewer.ts'

export const commands: readonly Command[] = [
  get,
  add,
  ls,
  show,
  watch,
  wait,
  hold,
  release,
  cancel,
  retry,
  explain,
  daemon,
  helpCommand(() => commands),
  version,
]

/** Runs one command line and gives its exit code. Signals are caught while it runs. */
export async function main(argv: readonly string[]): Promise<number> {
  const { command, rest } = commandOf(argv)
  if (command === undefined) return unknown(argv[0]!)
  const left = new AbortController()
  const leave = (name: string) => (): void => left.abort(name)
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => [name, leave(name)] as const)
  for (const [name, caught] of signals) process.on(name, caught)
  // A reader that went away (`longhaul ls | head`) ends this process, not the work.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', leave('SIGPIPE'))

  /** Lets go of the connection, so that the process can end by itself. */
  const releases: (() => void)[] = []
  let json = rest.includes('--json')
  try {
    const { input, notes } = parseArguments(command, rest)
    const plain = input.has('plain')
    const color = colorOf(input.value('color'))
    const { env } = process
    json = input.has('json')
    const context: Context = {
      out: (text) => void process.stdout.write(text),
      err: (text) => void process.stderr.write(text),
      terminal: terminalOf({ stream: process.stderr, env, plain, color }),
      output: terminalOf({ stream: process.stdout, env, plain, color }),
      json,
      quiet: input.has('quiet'),
      verbose: input.has('verbose'),
      words: wordsOf(languageOf(env)),
      cwd: process.cwd(),
      env,
      stdin: process.stdin,
      daemon: async () => {
        const link = linkTo(undefined)
        await link.ready(left.signal)
        releases.push(link.retain())
        return link
      },
      runningDaemon: async () => {
        const link = linkTo({ start: 'never' })
        try {
          await link.ready(left.signal)
          releases.push(link.retain())
          return link
        } catch (error) {
          if (isLonghaulError(error, 'DAEMON_UNAVAILABLE')) return undefined
          throw error
        }
      },
      left: left.signal,
    }
    if (context.verbose) for (const note of notes) context.err(`${note}\n`)
    if (input.has('help')) {
      context.out(helpText(command, Math.min(context.output.columns, 100)))
      return exitCodes.done
    }
    const code = await command.run(input, context)
    return left.signal.reason === 'SIGPIPE' ? exitCodes.readerClosed : code
  } catch (error) {
    if (left.signal.aborted) return exitCodeOfSignal(String(left.signal.reason))
    return failed(error, json)
  } finally {
    for (const release of releases) release()
    for (const [name, caught] of signals) process.off(name, caught)
  }
}

/** Bare: the list. An address: `get`. */
function commandOf(argv: readonly string[]): {
  readonly command: Command | undefined
  readonly rest: readonly string[]
} {
  const [first, ...rest] = argv
  if (first === undefined) return { command: ls, rest: [] }
  if (first === '--help' || first === '-h') return { command: findCommand(commands, 'help'), rest }
  if (first === '--version' || first === '-V') return { command: version, rest }
  const command = findCommand(commands, first)
  if (command !== undefined) return { command, rest }
  if (/^https?:\/\//i.test(first) || first.startsWith('-'))
    return { command: first.startsWith('-') && !argv.some((word) => /^https?:\/\//i.test(word)) ? ls : get, rest: argv }
  return { command: undefined, rest }
}

function unknown(word: string): number {
  const names = commands.flatMap((command) => [command.name, ...(command.aliases ?? [])])
  const guess = nearest(word, names)
  process.stderr.write(
    `longhaul: there is no command '${word}'.${guess === undefined ? '' : ` Did you mean: longhaul ${guess}`}\n\n${guess === undefined ? overview(commands) : 'longhaul help lists all of them.\n'}`,
  )
  return exitCodes.usage
}

function colorOf(value: string | undefined): 'auto' | 'always' | 'never' {
  return value === 'always' || value === 'never' ? value : 'auto'
}

function failed(error: unknown, json: boolean): number {
  if (error instanceof NotFound) {
    if (json) process.stdout.write(jsonLine('error', Date.now(), { message: error.message }))
    process.stderr.write(`${error.message}\n`)
    return exitCodes.notFound
  }
  const isOurs = isLonghaulError(error)
  const told = asLonghaulError(error, 'DAEMON_UNAVAILABLE')
  if (json)
    process.stdout.write(
      jsonLine('error', Date.now(), { ...(isOurs ? { ...told.toJSON() } : { message: told.message }) }),
    )
  process.stderr.write(
    isOurs
      ? errorText(
          told,
          terminalOf({ stream: process.stderr, env: process.env, plain: false, color: 'auto' }),
          wordsOf(languageOf(process.env)),
        )
      : `longhaul: this is a bug in Longhaul.\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  )
  return isOurs ? exitCodeOf(told.code) : exitCodes.bug
}
