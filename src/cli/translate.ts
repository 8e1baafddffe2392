/** Rewrites a command line of curl's, wget's or aria2's habits (`habits.ts`) into one of ours. Pure. */
import { LonghaulError } from '../contract/errors.ts'
import type { Command, Flag } from './command.ts'
import { already, alreadyWithValue, elsewhere, inSeconds, meantBy, refusedFor, spellings } from './habits.ts'

export interface Translated {
  readonly words: readonly string[]
  /** What was accepted quietly, for `-v`. */
  readonly notes: readonly string[]
}

export function isAddress(word: string): boolean {
  return /^[a-z][a-z0-9+.-]*:/i.test(word)
}

/** Only commands that fetch have these habits. @throws INVALID_ARGUMENT for one that cannot be met, naming what does it */
export function translate(command: Command, flags: readonly Flag[], argv: readonly string[]): Translated {
  if (!flags.some((flag) => flag.name === 'remote-name')) return { words: argv, notes: [] }
  return new Translation(flags, argv).run(command)
}

class Translation {
  readonly #flags: readonly Flag[]
  readonly #rest: string[]
  readonly #words: string[] = []
  readonly #notes: string[] = []

  constructor(flags: readonly Flag[], argv: readonly string[]) {
    this.#flags = flags
    this.#rest = [...argv]
  }

  run(command: Command): Translated {
    for (let word = this.#rest.shift(); word !== undefined; word = this.#rest.shift()) {
      if (word === '--') {
        this.#words.push(word, ...this.#rest.splice(0))
      } else if (word.startsWith('-') && word !== '-') this.#flag(word, command)
      else this.#words.push(word)
    }
    return { words: this.#words, notes: this.#notes }
  }

  #flag(word: string, command: Command): void {
    const letters = this.#lettersOf(word)
    if (letters !== undefined) {
      this.#rest.unshift(...letters)
      return
    }
    const equals = word.startsWith('--') ? word.indexOf('=') : -1
    const typed = equals < 0 ? word : word.slice(0, equals)
    const inline = equals < 0 ? undefined : word.slice(equals + 1)
    const value = inline ?? this.#rest[0]
    const name = meantBy(typed, value)
    const refusal = refusedFor(name, value) ?? (this.#known(name) === undefined ? elsewhere.get(name) : undefined)
    if (refusal !== undefined) {
      throw new LonghaulError('INVALID_ARGUMENT', `longhaul ${command.name} ${name}: ${refusal} Nothing was started.`)
    }
    const known = this.#known(name)
    if (name === '-O') this.#remoteName()
    else if (known !== undefined) this.#words.push(word, ...(known.value === undefined ? [] : this.#valueOf(inline)))
    else if (already.has(word)) this.#notes.push(`${word}: already so (${already.get(word)!}).`)
    else if (name === '-C' || name === '--continue-at') this.#continueAt(name, inline)
    else if (alreadyWithValue.has(name)) {
      this.#valueOf(inline)
      this.#notes.push(`${name}: already so (${alreadyWithValue.get(name)!}).`)
    } else this.#spelling(word, name, inline)
  }

  /** `-fsSL`, `-x16`, `-qO-`: several in one word. Undefined where it is one flag, or something else. */
  #lettersOf(word: string): readonly string[] | undefined {
    const numbered = /^(-[xsjkt])(\d+[kMG]?)$/.exec(word)
    if (numbered !== null) return [numbered[1]!, numbered[2]!]
    const isSwitch = (letter: string): boolean => {
      const known = this.#known(letter)
      return already.has(letter) || letter === '-s' || (known !== undefined && known.value === undefined)
    }
    // In one word, too, an output that is no file has to be seen as one; and wget's -O looks like a switch.
    const output = /^-([A-Za-z]*)([oO])(-|\/.*)$/.exec(word)
    const before = lettersIn(output?.[1] ?? '')
    if (output !== null && before.every(isSwitch)) return [...before, `-${output[2]!}`, output[3]!]
    if (!/^-[A-Za-z]{2,}$/.test(word) || spellings.has(word)) return undefined
    const letters = lettersIn(word.slice(1))
    const isKnown = (letter: string): boolean =>
      this.#known(letter) !== undefined || already.has(letter) || spellings.has(letter) || elsewhere.has(letter)
    return letters.every(isKnown) && letters.slice(0, -1).every(isSwitch) ? letters : undefined
  }

  #known(name: string): Flag | undefined {
    return this.#flags.find(
      (flag) => name === `--${flag.name}` || (flag.short !== undefined && name === `-${flag.short}`),
    )
  }

  /** What follows a flag that wants a value; taken out of what is still to be read. */
  #valueOf(inline: string | undefined): readonly string[] {
    if (inline !== undefined) return []
    const next = this.#rest[0]
    return next === undefined || (next.startsWith('-') && next !== '-') ? [] : [this.#rest.shift()!]
  }

  /** curl's `-O URL` (the server's name), wget's `-O NAME URL`: the next word tells. */
  #remoteName(): void {
    const next = this.#rest[0]
    if (next === undefined || next.startsWith('-') || isAddress(next)) this.#words.push('-O')
    else this.#words.push('--output', this.#rest.shift()!)
  }

  #continueAt(name: string, inline: string | undefined): void {
    const [value = inline] = this.#valueOf(inline)
    if (value !== '-')
      throw new LonghaulError(
        'INVALID_ARGUMENT',
        `${name} ${value ?? ''}: Longhaul knows itself where to go on, by what it has checked. Leave it out. Nothing was started.`,
      )
    this.#notes.push(`${name} -: already so (running again goes on).`)
  }

  #spelling(word: string, name: string, inline: string | undefined): void {
    const spelling = spellings.get(name)
    const target = spelling === undefined ? undefined : this.#known(spelling)
    if (spelling === undefined || target === undefined) {
      this.#words.push(word)
      return
    }
    if (target.value === undefined) {
      this.#words.push(spelling)
      this.#notes.push(`${name} is ${spelling} here.`)
      return
    }
    const [given = inline] = this.#valueOf(inline)
    const value = given === undefined ? undefined : valueFor(name, given)
    if (value === 'unlimited') {
      this.#notes.push(`${name} ${given!}: already so (it is tried until the deadline).`)
      return
    }
    this.#words.push(value === undefined ? spelling : `${spelling}=${value}`)
    this.#notes.push(`${name} is ${spelling}${value === undefined ? '' : ` ${value}`} here.`)
  }
}

function lettersIn(word: string): readonly string[] {
  return word.split('').map((letter) => `-${letter}`)
}

function valueFor(name: string, given: string): string {
  if (inSeconds.has(name)) return /^\d+(?:\.\d+)?$/.test(given) ? `${given}s` : given
  // curl counts the tries after the first one.
  if (name === '--retry') return /^\d+$/.test(given) ? String(Number(given) + 1) : given
  const isTries = spellings.get(name) === '--max-attempts'
  return isTries && (given === '0' || given === 'inf') ? 'unlimited' : given
}
