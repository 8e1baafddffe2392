/**
 * A descriptor that is closed only when nobody uses its number any more. The number of a closed descriptor is given at once
 * to the next file that is opened, so a late use (a path through /proc/self/fd, a thread that reads) would strike a stranger.
 */
import { FileFailure } from '../world/file-system.ts'

export class HeldHandle {
  readonly #descriptor: number
  readonly #path: string
  readonly #letGo: () => Promise<void>
  #users = 0
  #idle: (() => void) | undefined
  #closing: Promise<void> | undefined

  /** @param letGo closes the descriptor, or leaves it to others who hold it */
  constructor(descriptor: number, path: string, letGo: () => Promise<void>) {
    this.#descriptor = descriptor
    this.#path = path
    this.#letGo = letGo
  }

  /** Runs `work` with the descriptor; it stays open until that has ended. @throws FileFailure after `close` */
  async use<T>(work: (descriptor: number) => T | Promise<T>): Promise<T> {
    this.#requireOpen()
    this.#users++
    try {
      return await work(this.#descriptor)
    } finally {
      this.#users--
      if (this.#users === 0) this.#idle?.()
    }
  }

  /** The same for work that does not wait. @throws FileFailure after `close` */
  useAtOnce<T>(work: (descriptor: number) => T): T {
    this.#requireOpen()
    return work(this.#descriptor)
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
