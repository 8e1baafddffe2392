/**
 * Words and flags of a command line. `util.parseArgs` does the parsing (it starts ten times faster than a command-line
 * framework, and every run of `longhaul` pays that); here is what it does not say: the nearest flag, and which value is wanted.
 */
import { parseArgs } from 'node:util'
import { LonghaulError } from '../contract/errors.ts'
import { nearest } from '../contract/nearest.ts'
import type { Command, Flag, Input } from './command.ts'
import { translate } from './translate.ts'

export const commonFlags: readonly Flag[] = [
  { name: 'json', help: 'one JSON object a line' },
  { name: 'quiet', short: 'q', help: 'only the answer and errors' },
  { name: 'verbose', short: 'v', help: 'say also what was accepted quietly' },
  { name: 'plain', help: 'words and percent, no redraw, no box characters' },
  {
    name: 'color',
    value: 'auto|always|never',
    choices: ['auto', 'always', 'never'],
    help: 'colour (default auto; NO_COLOR is honoured)',
  },
  { name: 'help', short: 'h', help: 'what this command does' },
]

export interface Parsed {
  readonly input: Input
  /** What was accepted quietly, for `-v`. */
  readonly notes: readonly string[]
}

/** @throws INVALID_ARGUMENT for an unknown flag, a flag without its value, or a habit that cannot be met */
export function parseArguments(command: Command, argv: readonly string[]): Parsed {
  const flags = [...command.flags, ...commonFlags]
  const { words, notes } = translate(command, flags, argv)
  const { values, positionals, tokens } = parseArgs({
    args: [...words],
    options: Object.fromEntries(flags.map((flag) => [flag.name, optionOf(flag)])),
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) if (token.kind === 'option') check(token, command, flags)
  const list = (name: string): readonly (string | boolean)[] => {
    const given = values[name]
    return given === undefined ? [] : Array.isArray(given) ? given : [given]
  }
  const input: Input = {
    words: positionals,
    has: (name) => list(name).length > 0,
    value: (name) => list(name).at(-1) as string | undefined,
    values: (name) => list(name) as readonly string[],
  }
  return { input, notes }
}

function optionOf({ value, short }: Flag): { type: 'boolean' | 'string'; multiple: true; short?: string } {
  return { type: value === undefined ? 'boolean' : 'string', multiple: true, ...(short !== undefined && { short }) }
}

function check(
  { name, rawName, value }: { readonly name: string; readonly rawName: string; readonly value?: string | undefined },
  command: Command,
  flags: readonly Flag[],
): void {
  const flag = flags.find((known) => known.name === name)
  if (flag === undefined) {
    const names = flags.map((known) => known.name)
    const guess = name.length < 2 ? undefined : nearest(name, names)
    const hint = guess === undefined ? `longhaul help ${command.name} lists them.` : `Did you mean --${guess}?`
    throw refused(`${rawName} is not a flag of longhaul ${command.name}. ${hint}`)
  }
  if (flag.value === undefined && value !== undefined) throw refused(`${rawName} takes no value.`)
  if (flag.value === undefined) return
  if (value === undefined || value === '') throw refused(`${rawName} wants a value: ${rawName} ${flag.value}.`)
  if (flag.choices !== undefined && !flag.choices.includes(value))
    throw refused(`${rawName} ${value}: choose one of ${flag.choices.join(', ')}.`)
}

function refused(message: string): LonghaulError {
  return new LonghaulError('INVALID_ARGUMENT', `${message} Nothing was done.`)
}
