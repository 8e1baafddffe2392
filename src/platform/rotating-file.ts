/**
 * A log file that never grows beyond a size: `daemon.log`, then `daemon.log.1` … as older ones. Lines are written at
 * once and whole, so that the last line before a crash is there; the log is small enough for that. A line that cannot be
 * written (full disk) is counted, not thrown: the log must never be what stops a transfer.
 * May touch: node:fs, for its own files only.
 */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'

export interface RotatingFileOptions {
  /** Bytes after which the next line begins a new file. @default 5 MiB */
  readonly maximumBytes?: number
  /** Files kept, the current one included. @default 5 */
  readonly files?: number
}

export class RotatingFile {
  readonly #path: string
  readonly #maximumBytes: number
  readonly #files: number
  #descriptor: number | undefined
  #size = 0
  #lost = 0

  constructor(path: string, options: RotatingFileOptions = {}) {
    this.#path = path
    this.#maximumBytes = options.maximumBytes ?? 5 << 20
    this.#files = options.files ?? 5
  }

  /** Lines that could not be written since the last that could. */
  get lost(): number {
    return this.#lost
  }

  /** @param line with its line break */
  write(line: string): void {
    const bytes = Buffer.from(line, 'utf8')
    try {
      this.#descriptor ??= this.#open()
      if (this.#size > 0 && this.#size + bytes.length > this.#maximumBytes) this.#rotate()
      writeSync(this.#descriptor, bytes)
      this.#size += bytes.length
      this.#lost = 0
    } catch {
      this.#lost++
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  #open(): number {
    const descriptor = openSync(this.#path, 'a', 0o600)
    this.#size = fstatSync(descriptor).size
    return descriptor
  }

  #rotate(): void {
    for (let older = this.#files - 1; older > 0; older--) {
      const newer = older === 1 ? this.#path : `${this.#path}.${older - 1}`
      try {
        renameSync(newer, `${this.#path}.${older}`)
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
      }
    }
    // The new one is opened before the old descriptor goes, so that a failure here leaves a log to write to.
    const old = this.#descriptor
    this.#descriptor = this.#open()
    if (old !== undefined) closeSync(old)
  }
}
