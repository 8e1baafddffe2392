/**
 * Folders that are held open, each once however many use it: attempts that write into one folder share its descriptor and its
 * syncs. Who comes later is given the one that is held, if the path still leads to it. May touch: descriptors of folders.
 */
import { constants } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { FileFailure, type FileIdentity } from '../world/file-system.ts'
import { fileFailure } from './file-failures.ts'
import { HeldHandle } from './held-handle.ts'
import { identityOf } from './identity.ts'
import { SharedSync } from './shared-sync.ts'
import type { SyncGate } from './sync-gate.ts'

// Windows lacks the second: undefined counts as 0 in an `|`.
const { O_RDONLY, O_DIRECTORY } = constants

export class SharedFolders {
  readonly gate: SyncGate
  readonly #held = new Map<string, SharedFolder>()

  constructor(gate: SyncGate) {
    this.gate = gate
  }

  /** Whoever is given one lets go of it once. @param path absolute @throws FileFailure */
  async take(path: string): Promise<SharedFolder> {
    const held = this.#held.get(path)
    if (held !== undefined && !held.isLost && (await held.isStillThere()) && held.share()) return held
    const opened = await this.#open(path)
    this.#held.set(path, opened)
    return opened
  }

  async #open(path: string): Promise<SharedFolder> {
    try {
      const handle = await open(path, O_RDONLY | O_DIRECTORY)
      try {
        const identity = identityOf(await handle.stat({ bigint: true }))
        return new SharedFolder({ path, identity, handle, gate: this.gate, gone: (folder) => this.#gone(folder) })
      } catch (error) {
        await handle.close()
        throw error
      }
    } catch (error) {
      throw fileFailure(error, path)
    }
  }

  #gone(folder: SharedFolder): void {
    if (this.#held.get(folder.path) === folder) this.#held.delete(folder.path)
  }
}

interface SharedFolderParts {
  readonly path: string
  readonly identity: FileIdentity
  readonly handle: FileHandle
  readonly gate: SyncGate
  readonly gone: (folder: SharedFolder) => void
}

export class SharedFolder {
  readonly path: string
  readonly identity: FileIdentity
  readonly gate: SyncGate
  readonly #handle: HeldHandle
  readonly #gone: (folder: SharedFolder) => void
  readonly #sync: SharedSync
  #users = 1

  constructor({ path, identity, handle, gate, gone }: SharedFolderParts) {
    this.path = path
    this.identity = identity
    this.gate = gate
    this.#handle = new HeldHandle(handle, path)
    this.#gone = gone
    this.#sync = new SharedSync((begins) =>
      this.use((held) =>
        gate.pass(identity.device, () => {
          begins()
          return held.sync()
        }),
      ),
    )
  }

  /** One more uses it. False: the last one has let go of it already. */
  share(): boolean {
    if (this.#users === 0) return false
    this.#users++
    return true
  }

  /** The last one closes it. @throws FileFailure */
  async letGo(): Promise<void> {
    this.#users--
    if (this.#users > 0) return
    this.#gone(this)
    try {
      await this.#handle.close()
    } catch (error) {
      throw fileFailure(error, this.path)
    }
  }

  use<T>(work: (handle: FileHandle) => Promise<T>): Promise<T> {
    return this.#handle.use(work)
  }

  sync(): Promise<void> {
    return this.#sync.run((why) => new FileFailure('sync lost', this.path, { cause: why }))
  }

  /** A sync of it has failed: what it held may not be durable, and it is opened anew for whoever comes next. */
  get isLost(): boolean {
    return this.#sync.isLost
  }

  /** Whether the path still leads to this very folder. */
  async isStillThere(): Promise<boolean> {
    try {
      const found = identityOf(await stat(this.path, { bigint: true }))
      return found.kind === 'folder' && found.inode === this.identity.inode && found.device === this.identity.device
    } catch (error) {
      const { reason } = fileFailure(error, this.path)
      if (reason === 'not found' || reason === 'not a folder' || reason === 'link') return false
      throw fileFailure(error, this.path)
    }
  }
}
