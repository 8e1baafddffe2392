/**
 * Words and flags of a command line. `util.parseArgs` does the parsing (it starts ten times faster than a command-line
 * framework, and every run of `longhaul` pays that); here are the habits of other tools and the nearest word for a typo.
 */
import { parseArgs } from 'node:util'
import { LonghaulError } from '../contract/errors.ts'
import { nearest } from '../contract/nearest.ts'
import type { Command, Flag, Input } from './command.ts'

export const commonFlags: readonly Flag[] = [
  { name: 'json', help: 'one JSON object a line' },
  { name: 'quiet', short: 'q', help: 'only errors' },
  { name: 'verbose', short: 'v', help: 'say also what was accepted quietly' },
  { name: 'plain', help: 'words and percent, no redraw, no box characters' },
  { name: 'color', value: 'auto|always|never', help: 'colour (default auto; NO_COLOR is honoured)' },
  { name: 'help', short: 'h', help: 'what this command does' },
]

/** Accepted quietly: what it asks for is how Longhaul works anyway. */
const already = new Map([
  ['-L', 'redirects are followed'],
  ['--location', 'redirects are followed'],
  ['-f', 'another status than 2xx is an error'],
  ['--fail', 'another status than 2xx is an error'],
  ['-c', 'running again goes on'],
  ['--continue', 'running again goes on'],
  ['-J', "the server's name is used"],
  ['--remote-header-name', "the server's name is used"],
  ['--create-dirs', 'missing folders are made'],
  ['--auto-file-renaming=false', 'files are never renamed by themselves'],
])

/** Understood, not done here: the message names what does it. */
const elsewhere = new Map([
  ['-k', 'Certificate checks stay on; add your own authority with --ca FILE.'],
  ['--insecure', 'Certificate checks stay on; add your own authority with --ca FILE.'],
  ['-I', 'A single HEAD request is a job for curl.'],
  ['--head', 'A single HEAD request is a job for curl.'],
  ['-w', 'Use --json: every field is in it.'],
  ['--write-out', 'Use --json: every field is in it.'],
  ['--data', 'Small requests are a job for curl.'],
  ['-r', 'Longhaul fetches whole files; small requests are a job for curl.'],
  ['--limit', 'Bandwidth limits are not in this version.'],
  ['--limit-rate', 'Bandwidth limits are not in this version.'],
  ['--max-overall-download-limit', 'Bandwidth limits are not in this version.'],
  ['--segments', 'One connection a file in this version.'],
  ['-x', 'Proxies, and more than one connection a file, are not in this version.'],
  ['-T', 'Uploads are not in this version.'],
  ['--upload-file', 'Uploads are not in this version.'],
])

/** Other tools' spellings of flags that exist. */
const spellings = new Map([
  ['-P', '--directory'],
  ['--directory-prefix', '--directory'],
  ['--dir', '--directory'],
  ['--input-file', '--input'],
  ['-A', '--user-agent'],
  ['-U', '--user-agent'],
  ['-e', '--referer'],
  ['--checksum', '--digest'],
  ['--cacert', '--ca'],
])

export interface Parsed {
  readonly input: Input
  /** What was accepted quietly, for `-v`. */
  readonly notes: readonly string[]
}

/** @throws INVALID_ARGUMENT for an unknown flag, a flag without its value, or a habit that cannot be met */
export function parseArguments(command: Command, argv: readonly string[]): Parsed {
  const flags = [...command.flags, ...commonFlags]
  const knows = (word: string): boolean =>
    flags.some((flag) => word === `--${flag.name}` || (flag.short !== undefined && word === `-${flag.short}`))
  const notes: string[] = []
  const words: string[] = []
  let literal = false
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!
    const name = word.startsWith('--') && word.includes('=') ? word.slice(0, word.indexOf('=')) : word
    if (literal || word === '--') {
      literal = true
      words.push(word)
    } else if (already.has(word) && !knows(word)) notes.push(`${word}: already so (${already.get(word)!}).`)
    else if (word === '-C' && argv[i + 1] === '-') {
      notes.push('-C -: already so (running again goes on).')
      i++
    } else if (elsewhere.has(name) && !knows(name)) {
      throw new LonghaulError('INVALID_ARGUMENT', `${name}: ${elsewhere.get(name)!} Nothing was started.`)
    } else {
      const spelling = knows(name) ? undefined : spellings.get(name)
      words.push(spelling === undefined ? word : spelling + word.slice(name.length))
      if (spelling !== undefined) notes.push(`${name} is ${spelling} here.`)
    }
  }
  return { input: strict(command, flags, words), notes }
}

function strict(command: Command, flags: readonly Flag[], argv: readonly string[]): Input {
  const options = Object.fromEntries(
    flags.map((flag) => [
      flag.name,
      {
        type: flag.value === undefined ? ('boolean' as const) : ('string' as const),
        multiple: true,
        ...(flag.short !== undefined && { short: flag.short }),
      },
    ]),
  )
  const { values, positionals, tokens } = parseArgs({
    args: [...argv],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const flag = flags.find((known) => known.name === token.name)
    if (flag === undefined) {
      const guess = nearest(
        token.name,
        flags.map((known) => known.name),
      )
      const hint = guess === undefined ? `See longhaul help ${command.name}.` : `Did you mean --${guess}?`
      throw new LonghaulError('INVALID_ARGUMENT', `${token.rawName} is not a flag of longhaul ${command.name}. ${hint}`)
    }
    if (flag.value !== undefined && (token.value === undefined || token.value === '')) {
      throw new LonghaulError('INVALID_ARGUMENT', `${token.rawName} wants a value: ${token.rawName} ${flag.value}`)
    }
    if (flag.value === undefined && token.value !== undefined) {
      throw new LonghaulError('INVALID_ARGUMENT', `${token.rawName} takes no value.`)
    }
  }
  const list = (name: string): readonly (string | boolean)[] => {
    const given = values[name]
    return given === undefined ? [] : Array.isArray(given) ? given : [given]
  }
  return {
    words: positionals,
    has: (name) => list(name).length > 0,
    value: (name) => list(name).at(-1) as string | undefined,
    values: (name) => list(name) as readonly string[],
  }
}
