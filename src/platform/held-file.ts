/**
 * An open file. Every position is named, so that several writers never move one another. After a failed sync it takes
 * neither writes nor syncs any more: the kernel may have marked the lost pages clean, and a second sync would then report a
 * success that is none (fsyncgate). May touch: its own descriptor.
 */
import { closeSync, fchmodSync, fstatSync, writeSync } from 'node:fs'
import { type File, FileFailure, type FileIdentity } from '../world/file-system.ts'
import { byPool } from './by-pool.ts'
import { fileFailure } from './file-failures.ts'
import { HeldHandle } from './held-handle.ts'
import { identityOf } from './identity.ts'
import type { NearDisk } from './near-disk.ts'
import type { SyncGate } from './sync-gate.ts'

/** Bytes. The last close of a file that has no name any more frees what it has on the disk, which takes a while for a large one only. */
export const soonFreed: number = 1 << 20

/**
 * Bytes. For larger ones Linux takes larger folios of its cache, and where memory for those is not at hand (on a virtual machine it may be
 * the host's again) a file that grows at its end was written at a third of the speed.
 */
const writtenAtOnce = 128 * 1024

/** fstat. */
export async function identityOfOpen(descriptor: number, disk: NearDisk): Promise<FileIdentity> {
  const stats = disk.call(
    () => fstatSync(descriptor, { bigint: true }),
    () => byPool.fstat(descriptor, { bigint: true }),
  )
  return identityOf(await stats)
}

interface HeldFileParts {
  readonly gate: SyncGate
  /** On which it lies. */
  readonly disk: NearDisk
}

export class HeldFile implements File {
  /** For messages. */
  readonly path: string
  readonly #handle: HeldHandle
  readonly #gate: SyncGate
  readonly #disk: NearDisk
  #identity: FileIdentity
  /** No byte was written from here on. */
  #end: number
  #syncFailed: unknown

  constructor(descriptor: number, path: string, identity: FileIdentity, { gate, disk }: HeldFileParts) {
    this.path = path
    this.#handle = new HeldHandle(descriptor, path, () => this.#letGo(descriptor))
    this.#identity = identity
    this.#end = identity.size
    this.#gate = gate
    this.#disk = disk
  }

  get identity(): FileIdentity {
    return this.#identity
  }

  write(bytes: Uint8Array, at: number): Promise<void> | undefined {
    this.#refuseIfLost()
    this.#end = Math.max(this.#end, at + bytes.length)
    // Not `call`: who is told that it is done need not wait for a promise.
    if (!this.#disk.isNear) return this.#writeElsewhere(bytes, at)
    this.#writeHere(bytes, at)
    return undefined
  }

  read(into: Uint8Array, at: number): Promise<number> {
    return this.#use(async (descriptor) => (await byPool.read(descriptor, into, 0, into.length, at)).bytesRead)
  }

  async look(): Promise<FileIdentity> {
    this.#identity = await this.#use((descriptor) => identityOfOpen(descriptor, this.#disk))
    return this.#identity
  }

  async sync(how: 'data' | 'all'): Promise<void> {
    this.#refuseIfLost()
    await this.#use((descriptor) =>
      this.#gate.pass(this.#identity.device, async () => {
        // Another sync may have failed while this one waited for its turn.
        this.#refuseIfLost()
        try {
          await (how === 'data' ? byPool.fdatasync(descriptor) : byPool.fsync(descriptor))
        } catch (error) {
          this.#syncFailed = error
          throw error
        }
      }),
    )
  }

  async resize(size: number): Promise<void> {
    this.#refuseIfLost()
    this.#end = Math.max(this.#end, size)
    await this.#use((descriptor) => byPool.ftruncate(descriptor, size))
  }

  setMode(mode: number): Promise<void> {
    return this.#use((descriptor) =>
      this.#disk.call(
        () => fchmodSync(descriptor, mode),
        () => byPool.fchmod(descriptor, mode),
      ),
    )
  }

  close(): Promise<void> {
    return this.#handle.close().catch((error: unknown) => {
      throw fileFailure(error, this.path)
    })
  }

  /** Lends the descriptor to another thread; it stays open until `work` has ended, also if `close` is called. */
  lend<T>(work: (descriptor: number) => Promise<T>): Promise<T> {
    return this.#handle.use(work)
  }

  async #letGo(descriptor: number): Promise<void> {
    const byOthers = (): Promise<void> => byPool.close(descriptor)
    await (this.#end > soonFreed ? byOthers() : this.#disk.call(() => closeSync(descriptor), byOthers))
  }

  // The system may take less than it was given (a signal, a disk that fills up); the rest is offered again.

  /** In this thread. */
  #writeHere(bytes: Uint8Array, at: number): void {
    try {
      this.#handle.useAtOnce((descriptor) =>
        this.#disk.here(() => {
          for (let done = 0; done < bytes.length;)
            done += this.#some(
              writeSync(descriptor, bytes, done, Math.min(bytes.length - done, writtenAtOnce), at + done),
            )
        }),
      )
    } catch (error) {
      throw fileFailure(error, this.path)
    }
  }

  /** In a thread of the pool. */
  async #writeElsewhere(bytes: Uint8Array, at: number): Promise<void> {
    await this.#use(async (descriptor) => {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await byPool.write(descriptor, bytes, done, bytes.length - done, at + done)
        done += this.#some(bytesWritten)
      }
    })
  }

  /** None would be asked for again for ever. */
  #some(bytesWritten: number): number {
    if (bytesWritten > 0) return bytesWritten
    throw new FileFailure('input/output', this.path, { cause: new Error('nothing was written') })
  }

  async #use<T>(work: (descriptor: number) => T | Promise<T>): Promise<T> {
    try {
      return await this.#handle.use(work)
    } catch (error) {
      throw fileFailure(error, this.path)
    }
  }

  #refuseIfLost(): void {
    if (this.#syncFailed !== undefined) throw new FileFailure('sync lost', this.path, { cause: this.#syncFailed })
  }
}
