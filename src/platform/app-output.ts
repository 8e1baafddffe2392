/**
 * The file that takes what launched apps print: `apps.log`, and `apps.log.1` with what was before it. Apps hold its descriptor
 * and may outlive the daemon, so it cannot be exchanged under them: when it has grown too large its end is copied away and
 * the file itself is emptied. What an app prints in that very moment may be lost.
 * May touch: node:fs, for these two files only.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeFileSync } from 'node:fs'

export interface AppOutputOptions {
  /** Bytes beyond which the file is emptied; each of the two files is at most about so large. @default 5 MiB */
  readonly maximumBytes?: number
  /** Ms between two looks while an app runs. @default 10 s */
  readonly lookEveryMs?: number
}

export class AppOutput {
  readonly #path: string
  readonly #maximumBytes: number
  readonly #lookEveryMs: number

  constructor(path: string, options: AppOutputOptions = {}) {
    this.#path = path
    this.#maximumBytes = options.maximumBytes ?? 5 << 20
    this.#lookEveryMs = options.lookEveryMs ?? 10_000
  }

  /** A descriptor to append to; undefined when there is none to be had: a log that cannot be written keeps no app back. */
  open(): number | undefined {
    try {
      this.#trim()
      return openSync(this.#path, 'a', 0o600)
    } catch {
      return undefined
    }
  }

  /** Looks after its size until `ended`. */
  watch(ended: Promise<unknown>): void {
    const timer = setInterval(() => {
      try {
        this.#trim()
      } catch {
        // Looked at again.
      }
    }, this.#lookEveryMs).unref()
    void ended.finally(() => clearInterval(timer))
  }

  #trim(): void {
    const file = openSync(this.#path, 'a+', 0o600)
    try {
      const { size } = fstatSync(file)
      if (size <= this.#maximumBytes) return
      const end = Buffer.alloc(this.#maximumBytes)
      const read = readSync(file, end, 0, end.length, size - end.length)
      writeFileSync(`${this.#path}.1`, end.subarray(0, read), { mode: 0o600 })
      // Every descriptor appends, so that what is written next begins at the start again.
      ftruncateSync(file, 0)
    } finally {
      closeSync(file)
    }
  }
}
