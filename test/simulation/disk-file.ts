// An open file of the simulated disk, for one life. Held to the same suite as the real one (test/suites/file-system.ts).
import type { SyncGate } from '../../src/platform/sync-gate.ts'
import { type File, FileFailure, type FileIdentity } from '../../src/world/file-system.ts'
import { type DiskHandle, failure, syncTakes } from './disk-handle.ts'
import type { Inode } from './inode.ts'
import type { Fault } from './medium.ts'

/** So many writes in a row are done at once, and so many are not. */
const nearFor = 3

export class SimulatedFile implements File {
  readonly #handle: DiskHandle<Inode>
  readonly #how: 'create' | 'write' | 'read'
  readonly #gate: SyncGate
  #identity: FileIdentity
  #syncFailed: unknown
  #writes = 0

  constructor(handle: DiskHandle<Inode>, how: 'create' | 'write' | 'read', gate: SyncGate) {
    this.#handle = handle
    this.#how = how
    this.#gate = gate
    this.#identity = handle.medium.identityOf(handle.node)
  }

  get identity(): FileIdentity {
    return this.#identity
  }

  write(bytes: Uint8Array, at: number): Promise<void> | undefined {
    this.#refuseIfLost()
    this.#handle.requireOpen()
    if (bytes.byteLength === 0) return undefined
    // A disk is near for a while and then is not.
    const isNear = Math.floor(this.#writes / nearFor) % 2 === 0
    this.#writes++
    const effect = (fault: Fault | undefined): void => this.#write(bytes, at, fault)
    if (isNear) return this.#handle.attemptAtOnce('file.write', effect)
    // The bytes are read at the effect and not before: they are only lent until the answer.
    return this.#handle.attempt('file.write', effect, { effect: [0, 1], answer: [0, 1] })
  }

  read(into: Uint8Array, at: number): Promise<number> {
    const { node } = this.#handle
    return this.#handle.ask('file.read', () => {
      const found = node.bytes.subarray(at, at + into.byteLength)
      into.set(found)
      return found.byteLength
    })
  }

  async look(): Promise<FileIdentity> {
    const { medium, node } = this.#handle
    this.#identity = await this.#handle.ask('file.look', () => medium.identityOf(node))
    return this.#identity
  }

  async sync(how: 'data' | 'all'): Promise<void> {
    this.#refuseIfLost()
    const { medium, node, path } = this.#handle
    await this.#handle.use(() =>
      this.#gate.pass(this.#identity.device, async () => {
        // Another sync may have failed while this one waited for its turn.
        this.#refuseIfLost()
        // What is written while it is under way may be safe afterwards or not.
        const started = node.latest
        try {
          await this.#handle.attempt(
            'file.sync',
            (fault) => {
              if (fault === 'sync fails, then succeeds') node.lose()
              if (fault !== undefined) throw failure(fault, path)
              node.sync(how, medium.random.int(started, node.latest))
            },
            syncTakes,
          )
        } catch (error) {
          this.#syncFailed = error
          throw error
        }
      }),
    )
  }

  async resize(size: number): Promise<void> {
    this.#refuseIfLost()
    const { medium, node, path } = this.#handle
    await this.#handle.ask('file.resize', () => {
      if (this.#how === 'read') throw new FileFailure('not supported', path, { cause: new Error('open for reading') })
      medium.resize(node, size)
    })
  }

  setMode(mode: number): Promise<void> {
    const { node } = this.#handle
    return this.#handle.ask('file.setMode', () => node.setMode(mode))
  }

  close(): Promise<void> {
    return this.#handle.close('file.close')
  }

  #write(bytes: Uint8Array, at: number, fault: Fault | undefined): void {
    const { medium, node, path } = this.#handle
    if (this.#how === 'read') throw new FileFailure('input/output', path, { cause: new Error('open for reading') })
    // The system took a part of it and failed at the rest.
    const taken =
      fault === 'no space' || fault === 'input/output' ? medium.random.int(0, bytes.byteLength - 1) : bytes.byteLength
    if (fault !== undefined && taken === bytes.byteLength) throw failure(fault, path)
    if (!medium.write(node, bytes.subarray(0, taken), at)) throw new FileFailure('no space', path)
    if (fault !== undefined) throw failure(fault, path)
  }

  #refuseIfLost(): void {
    if (this.#syncFailed !== undefined)
      throw new FileFailure('sync lost', this.#handle.path, { cause: this.#syncFailed })
  }
}
