// What one life holds open of the simulated disk. As on the real one, a handle is closed only when nobody uses it any more, and
// takes nothing more from the moment its closing is asked for. The system closes it when the life ends.
import { FileFailure } from '../../src/world/file-system.ts'
import type { Names } from './disk-names.ts'
import { Inode } from './inode.ts'
import type { Life, Span } from './life.ts'
import type { DiskCall, Fault, Medium } from './medium.ts'

export interface Takes {
  readonly effect?: Span
  readonly answer?: Span
}

/** A sync waits for the disk. */
export const syncTakes: Takes = { effect: [0, 18], answer: [1, 2] }

export class DiskHandle<N extends Inode | Names> {
  readonly medium: Medium
  readonly life: Life
  readonly node: N
  /** For messages. */
  readonly path: string
  readonly #epoch: number
  readonly #forget: () => void
  #users = 0
  #idle: (() => void) | undefined
  #closing: Promise<void> | undefined

  /** Made in the effect of the call that opens it: a life may end before it hears the answer. */
  constructor(medium: Medium, life: Life, node: N, path: string) {
    this.medium = medium
    this.life = life
    this.node = node
    this.path = path
    this.#epoch = medium.epoch
    if (node instanceof Inode) medium.hold(node)
    this.#forget = life.onEnd(() => this.#release())
  }

  /** One call of the system; it fails if a fault is due. */
  ask<T>(what: DiskCall, effect: () => T, more: { readonly path?: string; readonly takes?: Takes } = {}): Promise<T> {
    const { path = this.path, takes } = more
    const checked = (fault: Fault | undefined): T => {
      if (fault !== undefined) throw failure(fault, path)
      return effect()
    }
    return this.attempt(what, checked, takes)
  }

  /** One call of the system; `effect` fails by itself if a fault is due. */
  attempt<T>(what: DiskCall, effect: (fault: Fault | undefined) => T, takes?: Takes): Promise<T> {
    const alive = (): T => {
      this.#requireAlive()
      return effect(this.medium.due(what))
    }
    return this.use(() => this.life.call(what, alive, takes))
  }

  /** One that does not wait, as a write to a disk that is near. A death falls around it all the same. */
  attemptAtOnce(what: DiskCall, effect: (fault: Fault | undefined) => void): Promise<void> | undefined {
    this.requireOpen()
    return this.life.callAtOnce(what, () => {
      this.#requireAlive()
      effect(this.medium.due(what))
    })
  }

  /** It stays open until `work` has ended. @throws FileFailure after `close` */
  async use<T>(work: () => Promise<T>): Promise<T> {
    this.requireOpen()
    this.#users++
    try {
      return await work()
    } finally {
      this.#users--
      if (this.#users === 0) this.#idle?.()
    }
  }

  /** Idempotent. Waits for those who use it. */
  close(what: 'file.close' | 'folder.close'): Promise<void> {
    this.#closing ??= this.#close(what)
    return this.#closing
  }

  /** @throws FileFailure after `close` */
  requireOpen(): void {
    if (this.#closing !== undefined)
      throw new FileFailure('input/output', this.path, { cause: new Error('it was closed before') })
  }

  #requireAlive(): void {
    if (this.#epoch !== this.medium.epoch)
      throw new FileFailure('input/output', this.path, { cause: new Error('the machine was off since it was opened') })
  }

  async #close(what: string): Promise<void> {
    if (this.#users > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#idle = resolve
      await promise
    }
    await this.life.call(what, () => {
      this.#forget()
      this.#release()
    })
  }

  #release(): void {
    if (this.node instanceof Inode) this.medium.release(this.node, this.#epoch)
  }
}

export function failure(fault: Fault, path: string): FileFailure {
  const reason = fault === 'sync fails, then succeeds' ? 'input/output' : fault
  return new FileFailure(reason, path, { cause: new Error('the simulated disk was told to fail') })
}
