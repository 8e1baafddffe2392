/**
 * The command line. stdout carries the answer, stderr progress, hints and errors. Leaving (Ctrl-C, SIGTERM, a closed terminal
 * or reader) never touches the transfers; the daemon does the work.
 */
import { isLonghaulError } from '../contract/errors.ts'
import { parseArguments } from './arguments.ts'
import type { Command } from './command.ts'
import { add } from './commands/add.ts'
import { cancel, hold, release } from './commands/change.ts'
import { daemon } from './commands/daemon.ts'
import { explain } from './commands/explain.ts'
import { get } from './commands/get.ts'
import { findCommand, helpCommand, helpText, noSuchCommand } from './commands/help.ts'
import { ls } from './commands/ls.ts'
import { retry } from './commands/retry.ts'
import { show } from './commands/show.ts'
import { version } from './commands/version.ts'
import { wait } from './commands/wait.ts'
import { watch } from './commands/watch.ts'
import { exitCodeOf, exitCodeOfSignal, exitCodes } from './exit-codes.ts'
import { errorText } from './render/error.ts'
import { jsonLine } from './render/json-view.ts'
import { paragraph } from './render/paragraph.ts'
import { terminalOf } from './render/terminal.ts'
import { wordsIn } from './render/words-in.ts'
import { openRun, type LostOutput, type Run } from './run.ts'
import { NotFound } from './selection.ts'
import { isAddress } from './translate.ts'

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
  const run = openRun()
  try {
    const code = await runCommand(argv, run)
    await run.written()
    const exit = run.left.reason === 'SIGPIPE' ? exitCodes.readerClosed : code
    if (run.lost === undefined) return exit
    tellLost(run.lost)
    // Why the command failed is worth more than that nobody could be told.
    return code === exitCodes.done || code === exitCodes.readerClosed ? exitCodeOfLost(run.lost) : code
  } finally {
    run.close()
  }
}

async function runCommand(argv: readonly string[], run: Run): Promise<number> {
  try {
    const { command, rest } = commandOf(argv)
    const { input, notes } = parseArguments(command, rest)
    const context = run.contextFor(input)
    if (context.verbose) for (const note of notes) context.err(`${note}\n`)
    if (!input.has('help')) return await command.run(input, context)
    context.out(helpText(command, Math.min(context.output.columns, 100)))
    return exitCodes.done
  } catch (error) {
    if (run.left.aborted) return exitCodeOfSignal(String(run.left.reason))
    return failed(error, argv.includes('--json'))
  }
}

/** Bare: the list. An address, or flags around one: `get`. @throws INVALID_ARGUMENT */
export function commandOf(argv: readonly string[]): { readonly command: Command; readonly rest: readonly string[] } {
  const [first, ...rest] = argv
  if (first === undefined) return { command: ls, rest: [] }
  if (first === '--help' || first === '-h') return { command: findCommand(commands, 'help')!, rest }
  if (first === '--version' || first === '-V') return { command: version, rest }
  const named = findCommand(commands, first)
  if (named === get) return fetching(rest)
  if (named !== undefined) return { command: named, rest }
  if (isAddress(first)) return fetching(argv)
  if (!first.startsWith('-')) throw noSuchCommand(commands, first)
  const fetches = argv.some((word) => isAddress(word) || /^(?:-i|--input(?:-file)?)(?:=|$)/.test(word))
  return fetches ? fetching(argv) : { command: ls, rest: argv }
}

/** wget's `-b`: in the background. */
function fetching(words: readonly string[]): { readonly command: Command; readonly rest: readonly string[] } {
  const rest = words.filter((word) => word !== '-b' && word !== '--background')
  return { command: rest.length === words.length ? get : add, rest }
}

function failed(error: unknown, json: boolean): number {
  const isOurs = isLonghaulError(error)
  const isNotFound = error instanceof NotFound
  const exit = isNotFound ? exitCodes.notFound : isOurs ? exitCodeOf(error.code) : exitCodes.bug
  if (json) {
    const fields = isOurs ? { ...error.toJSON() } : { message: error instanceof Error ? error.message : String(error) }
    process.stdout.write(jsonLine('error', Date.now(), fields) + jsonLine('summary', Date.now(), { exit }))
  }
  const terminal = terminalOf({ stream: process.stderr, env: process.env, plain: false, color: 'auto' })
  process.stderr.write(
    isOurs
      ? errorText(error, terminal, wordsIn(terminal.language))
      : isNotFound
        ? paragraph(`longhaul: ${error.message}`, terminal)
        : bugText(error),
  )
  return exit
}

function tellLost({ stream, error }: LostOutput): void {
  const terminal = terminalOf({ stream: process.stderr, env: process.env, plain: false, color: 'auto' })
  const text = `longhaul: ${stream} was lost: ${error.message}. Transfers are not touched by it.`
  process.stderr.write(paragraph(text, terminal))
}

function exitCodeOfLost({ error }: LostOutput): number {
  return error.code === 'ENOSPC' || error.code === 'EDQUOT' ? exitCodes.diskFull : exitCodes.file
}

function bugText(error: unknown): string {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return `longhaul: this is a bug in Longhaul; please report it. Transfers are not touched by it.\n${text}\n`
}
