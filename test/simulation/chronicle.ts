// What happens is told here once: to the trace, which a person reads, and to the rules, one of which may find itself broken.
import type { Log } from '../../src/world/log.ts'
import { rules } from './rules/all.ts'
import type { Sight, Watch } from './rules/rule.ts'
import type { Timeline } from './timeline.ts'
import { plainFields } from './words.ts'

/** Which rule was broken, and how. */
export interface Broken {
  readonly rule: string
  readonly what: string
  readonly atMs: number
}

export class Chronicle {
  readonly #timeline: Timeline
  readonly #trace: (line: string) => void
  #watches: readonly Watch[] = []
  /** Those that look after each step: few, as there are many steps. */
  #steppers: readonly Watch[] = []
  #broken: Broken | undefined

  constructor(timeline: Timeline, trace: (line: string) => void) {
    this.#timeline = timeline
    this.#trace = trace
  }

  /** From now on the rules look on. */
  watch(sight: Omit<Sight, 'broken'>): void {
    this.#watches = rules.map((rule) => rule.watch({ ...sight, broken: (what) => this.fail(rule.name, what) }))
    this.#steppers = this.#watches.filter((watch) => watch.stepped !== undefined)
  }

  /** The first rule that was broken; nothing after it is told. */
  get broken(): Broken | undefined {
    return this.#broken
  }

  trace(line: string): void {
    this.#trace(`${(this.#timeline.now / 1000).toFixed(3).padStart(10)}  ${line}`)
  }

  tell(what: (watch: Watch) => void): void {
    if (this.#broken !== undefined) return
    for (const watch of this.#watches) what(watch)
  }

  stepped(): void {
    if (this.#broken !== undefined) return
    for (const watch of this.#steppers) watch.stepped!()
  }

  fail(rule: string, what: string): void {
    if (this.#broken !== undefined) return
    this.#broken = { rule, what, atMs: Math.round(this.#timeline.now) }
    this.trace(`BROKEN: ${rule}: ${what}`)
  }

  /** The daemon's. */
  log(): Log {
    const write = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
      this.trace(`log ${level}: ${message} ${fields === undefined ? '' : plainFields(fields)}`)
      if (level === 'error') this.tell((watch) => watch.logged?.(message, fields ?? {}))
    }
    return { debug: () => {}, info: write('info'), warn: write('warn'), error: write('error') }
  }
}
