/**
 * Reads what a server says of authentication (RFC 9110 §11.6), as strictly as its grammar. What is malformed is not there: the
 * rest of its field cannot be trusted to begin where we think, so it is left out too, but not what stood before it.
 */

export interface Challenge {
  /** In lower case. */
  readonly scheme: string
  /** Names in lower case, values without their quotes. */
  readonly parameters: ReadonlyMap<string, string>
  /** What some schemes send in place of parameters. */
  readonly token68?: string
}

/** Every challenge of all the fields, in their order. @param fields the values of WWW-Authenticate, or of Proxy-Authenticate */
export function parseChallenges(fields: readonly string[]): readonly Challenge[] {
  return fields.flatMap((field) => new Reader(field).challenges())
}

/** The list of Authentication-Info (RFC 9110 §11.6.3); undefined where it is malformed. */
export function parseParameters(field: string): ReadonlyMap<string, string> | undefined {
  return new Reader(field).parameters()
}

/** Text as a quoted-string (RFC 9110 §5.6.4). */
export function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y
const token68 = /[A-Za-z0-9\-._~+/]+=*/y
const blanks = /[\t ]*/y
const spaces = / +/y
// oxlint-disable-next-line no-control-regex -- the tab is one of the characters that are allowed
const quotedString = /"((?:[\t !\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*)"/y

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  challenges(): readonly Challenge[] {
    const found: Challenge[] = []
    for (;;) {
      this.#skipCommas()
      if (this.#ended()) return found
      const challenge = this.#challenge()
      if (challenge === undefined) return found
      found.push(challenge)
    }
  }

  parameters(): ReadonlyMap<string, string> | undefined {
    this.#skipCommas()
    const found = this.#parameters()
    return found !== undefined && this.#ended() ? found : undefined
  }

  #challenge(): Challenge | undefined {
    const scheme = this.#take(token)?.[0].toLowerCase()
    if (scheme === undefined) return undefined
    if (this.#take(spaces) === undefined) return this.#closed() ? { scheme, parameters: new Map() } : undefined
    const start = this.#at
    const parameters = this.#parameters()
    if (parameters !== undefined && parameters.size > 0) return { scheme, parameters }
    this.#at = start
    const opaque = this.#take(token68)?.[0]
    if (opaque !== undefined && this.#closed()) return { scheme, parameters: new Map(), token68: opaque }
    this.#at = start
    return opaque === undefined && this.#closed() ? { scheme, parameters: new Map() } : undefined
  }

  /** As many as follow each other; stops before the comma that the next challenge comes after. Undefined: malformed. */
  #parameters(): ReadonlyMap<string, string> | undefined {
    const found = new Map<string, string>()
    for (;;) {
      const start = this.#at
      if (found.size > 0) this.#skipCommas()
      const parameter = this.#parameter()
      if (parameter === 'none') {
        this.#at = start
        return found
      }
      // Of two values nobody can say which one is meant.
      if (parameter === undefined || found.has(parameter[0]) || !this.#closed()) return undefined
      found.set(...parameter)
    }
  }

  /** `none`: what stands here is not the beginning of one. */
  #parameter(): readonly [name: string, value: string] | 'none' | undefined {
    const name = this.#take(token)?.[0].toLowerCase()
    if (name === undefined) return 'none'
    this.#take(blanks)
    if (this.#text[this.#at] !== '=') return 'none'
    this.#at++
    this.#take(blanks)
    const value = this.#take(token)?.[0]
    if (value !== undefined) return [name, value]
    const inQuotes = this.#take(quotedString)?.[1]
    return inQuotes === undefined ? undefined : [name, inQuotes.replaceAll(/\\(.)/gs, '$1')]
  }

  /** Whether nothing but a comma or the end follows. */
  #closed(): boolean {
    this.#take(blanks)
    return this.#ended() || this.#text[this.#at] === ','
  }

  #skipCommas(): void {
    while (/[\t ,]/.test(this.#text[this.#at] ?? '')) this.#at++
  }

  #ended(): boolean {
    return this.#at >= this.#text.length
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#at = pattern.lastIndex
    return match
  }
}
