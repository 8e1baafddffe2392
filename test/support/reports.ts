/**
 * What apps of a scenario tell: one JSON line each, appended to a file of the stage. A line that was written stays, also when
 * its writer is killed by the next instruction, and lines of all processes stand in the order in which they were written. A
 * launched app, whose output nobody reads, can tell as well as one that the test started.
 */
import { closeSync, type FSWatcher, fstatSync, openSync, readSync, watch } from 'node:fs'

export interface Report {
  readonly pid: number
  /** The app was started by the daemon. */
  readonly launched: boolean
  readonly what:
    | 'started'
    | 'opened'
    | 'event'
    | 'passing'
    | 'acknowledged'
    | 'handleEvents'
    | 'completionHandler'
    | 'lost'
    | 'warning'
    | 'answer'
    | 'said'
    | 'exit'
  /** Of an event or what was said. */
  readonly name?: string
  readonly session?: string
  readonly task?: string
  readonly taskIdentifier?: number
  readonly sequence?: number
  readonly afterSequence?: number
  readonly redelivered?: boolean
  readonly code?: string | number
  readonly answer?: number
  /** Whatever else the event carried. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** A scenario that waits for what does not come should say so before the runner kills it. */
const patienceMs = 30_000

export class Reports {
  readonly path: string
  readonly #watcher: FSWatcher
  readonly #all: Report[] = []
  readonly #waiting = new Set<() => void>()
  /** Said when a wait comes to nothing. */
  readonly #surroundings: () => string
  #read = 0
  #rest = Buffer.alloc(0)
  #closed = false

  constructor(path: string, surroundings: () => string) {
    this.path = path
    closeSync(openSync(path, 'a'))
    this.#surroundings = surroundings
    this.#watcher = watch(path, () => this.#look())
  }

  get all(): readonly Report[] {
    return this.#all
  }

  /** Those that fit, so far. */
  which(fits: (report: Report) => boolean): readonly Report[] {
    this.#look()
    return this.#all.filter(fits)
  }

  /** Resolves with the first that fits, also one that came already. @throws after {@link patienceMs} */
  async first(fits: (report: Report) => boolean, what: string, limitMs: number = patienceMs): Promise<Report> {
    await this.until(() => this.#all.some(fits), what, limitMs)
    return this.#all.find(fits)!
  }

  /** Resolves when `condition` holds; it is asked at every report. */
  async until(condition: () => boolean, what: string, limitMs: number = patienceMs): Promise<void> {
    this.#look()
    if (condition()) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      const last = this.#all.slice(-30).map((each) => JSON.stringify(each))
      reject(new Error(`waited ${limitMs} ms for: ${what}\n${last.join('\n')}\n${this.#surroundings()}`))
    }, limitMs)
    const waiter = (): void => {
      if (condition()) resolve()
    }
    this.#waiting.add(waiter)
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(waiter)
    }
  }

  /** Something that is no report happened: conditions are asked again. */
  nudge(): void {
    this.#look()
    for (const waiter of this.#waiting) waiter()
  }

  /** What is told after this is not read: an app that was still there may end when the folder has gone. */
  close(): void {
    this.#closed = true
    this.#watcher.close()
  }

  #look(): void {
    if (this.#closed) return
    const file = openSync(this.path, 'r')
    try {
      const { size } = fstatSync(file)
      if (size === this.#read) return
      const bytes = Buffer.alloc(size - this.#read)
      this.#read += readSync(file, bytes, 0, bytes.length, this.#read)
      this.#rest = Buffer.concat([this.#rest, bytes])
    } finally {
      closeSync(file)
    }
    const end = this.#rest.lastIndexOf('\n')
    const lines = this.#rest.toString('utf8', 0, end + 1).split('\n')
    this.#rest = this.#rest.subarray(end + 1)
    for (const line of lines) if (line !== '') this.#all.push(JSON.parse(line) as Report)
    for (const waiter of this.#waiting) waiter()
  }
}
