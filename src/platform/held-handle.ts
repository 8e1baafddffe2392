/**
 * A descriptor that is closed only when nobody uses its number any more. The number of a closed descriptor is given at once
 * to the next file that is opened, so a late use (a path through /proc/self/fd, a thread that reads) would strike a stranger.
 */
import type { FileHandle } from 'node:fs/promises'
import { FileFailure } from '../world/file-system.ts'

export class HeldHandle {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #letGo: () => Promise<void>
  #users = 0
  #idle: (() => void) | undefined
  #closing: Promise<void> | undefined

  /** @param letGo closes the descriptor, or leaves it to others who hold it. @default closes it */
  constructor(handle: FileHandle, path: string, letGo: () => Promise<void> = () => handle.close()) {
    this.#handle = handle
    this.#path = path
    this.#letGo = letGo
  }

  /** Runs `work` with the handle; it stays open until that has ended. @throws FileFailure after `close` */
  async use<T>(work: (handle: FileHandle) => Promise<T>): Promise<T> {
    this.#requireOpen()
    this.#users++
    try {
      return await work(this.#handle)
    } finally {
      this.#users--
      if (this.#users === 0) this.#idle?.()
    }
  }

  /** The same for work that does not wait. @throws FileFailure after `close` */
  useAtOnce<T>(work: (handle: FileHandle) => T): T {
    this.#requireOpen()
    return work(this.#handle)
  }

  /** Idempotent. Waits for those who use it. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  #requireOpen(): void {
    if (this.#closing !== undefined)
      throw new FileFailure('input/output', this.#path, { cause: new Error('it was closed before') })
  }

  async #close(): Promise<void> {
    if (this.#users > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#idle = resolve
      await promise
    }
    await this.#letGo()
  }
}
