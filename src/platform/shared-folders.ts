/**
 * Folders that are held open, each once however many use it: attempts that write into one folder share its descriptor and its
 * syncs. Who comes later is given the one that is held, if the path still leads to it. May touch: descriptors of folders.
 */
import { constants, existsSync } from 'node:fs'
import { open, stat, statfs, type FileHandle } from 'node:fs/promises'
import { FileFailure, type FileIdentity } from '../world/file-system.ts'
import { fileFailure } from './file-failures.ts'
import { identityOf } from './identity.ts'
import { NearDisk } from './near-disk.ts'
import { SharedRun } from './shared-run.ts'
import { SharedSync } from './shared-sync.ts'
import type { SyncGate } from './sync-gate.ts'

// Windows lacks the second: undefined counts as 0 in an `|`.
const { O_RDONLY, O_DIRECTORY } = constants

/** A disk that hangs may have been taken away, and another be in its place by now. */
const lookPatienceMs = 5000

/** What is open can be reached by a path through its number, whatever was mounted over it since. */
export const throughDescriptors: boolean = process.platform === 'linux' && existsSync('/proc/self/fd')

export class SharedFolders {
  readonly gate: SyncGate
  /** By path: those that are held, or just being opened. */
  readonly #held = new Map<string, Promise<SharedFolder>>()

  /** By device and type. */
  readonly #disks = new Map<string, NearDisk>()

  readonly #isNear: (type: number) => boolean

  /** @param isNear whether a file system of that f_type may be a {@link NearDisk} */
  constructor(gate: SyncGate, isNear: (type: number) => boolean) {
    this.gate = gate
    this.#isNear = isNear
  }

  /** Whoever is given one lets go of it once. @param path absolute @throws FileFailure */
  async take(path: string): Promise<SharedFolder> {
    const held = this.#held.get(path)
    if (held !== undefined) {
      const folder = await held
      if ((await folder.isStillThere()) && folder.share()) return folder
      // Somebody else may have seen the same and opened it anew meanwhile.
      const other = this.#held.get(path)
      if (other !== undefined && other !== held) return this.take(path)
    }
    // Each takes away only itself: the path may lead to another by then.
    const opening: Promise<SharedFolder> = this.#open(path, () => this.#forget(path, opening))
    this.#held.set(path, opening)
    // One that cannot be opened is no answer for whoever comes later.
    opening.catch(() => this.#forget(path, opening))
    return opening
  }

  async #open(path: string, gone: () => void): Promise<SharedFolder> {
    try {
      const handle = await open(path, O_RDONLY | O_DIRECTORY)
      try {
        const identity = identityOf(await handle.stat({ bigint: true }))
        const disk = this.#diskOf(identity.device, await typeOf(path, handle))
        return new SharedFolder({ path, identity, handle, gate: this.gate, disk, gone })
      } catch (error) {
        await handle.close()
        throw error
      }
    } catch (error) {
      throw fileFailure(error, path)
    }
  }

  /** One for all folders of a device: that it is slow is known of it once. */
  #diskOf(device: string, type: number): NearDisk {
    const key = `${device} ${type}`
    const known = this.#disks.get(key) ?? new NearDisk(this.#isNear(type))
    this.#disks.set(key, known)
    return known
  }

  #forget(path: string, opening: Promise<SharedFolder>): void {
    if (this.#held.get(path) === opening) this.#held.delete(path)
  }
}

/** f_type. What cannot be told is of no known type: it only decides about speed. */
async function typeOf(path: string, handle: FileHandle): Promise<number> {
  try {
    return (await statfs(throughDescriptors ? `/proc/self/fd/${handle.fd}` : path)).type
  } catch {
    return 0
  }
}

interface SharedFolderParts {
  readonly path: string
  readonly identity: FileIdentity
  readonly handle: FileHandle
  readonly gate: SyncGate
  readonly disk: NearDisk
  /** The last one has let go of it. */
  readonly gone: () => void
}

export class SharedFolder {
  readonly path: string
  readonly identity: FileIdentity
  readonly gate: SyncGate
  readonly disk: NearDisk
  readonly handle: FileHandle
  readonly #gone: () => void
  readonly #sync: SharedSync
  readonly #look: SharedRun<boolean>
  #users = 1

  constructor({ path, identity, handle, gate, disk, gone }: SharedFolderParts) {
    this.path = path
    this.identity = identity
    this.gate = gate
    this.disk = disk
    this.handle = handle
    this.#gone = gone
    this.#sync = new SharedSync((begins) =>
      gate.pass(identity.device, () => {
        begins()
        return handle.sync()
      }),
    )
    this.#look = new SharedRun((begins) => {
      begins()
      return this.#leadsHere()
    }, lookPatienceMs)
  }

  /** One more uses it. False: the last one has let go of it, or what was written into it may be lost. */
  share(): boolean {
    if (this.#users === 0 || this.#sync.isLost) return false
    this.#users++
    return true
  }

  /** The last one closes it. @throws FileFailure */
  async letGo(): Promise<void> {
    this.#users--
    if (this.#users > 0) return
    this.#gone()
    try {
      await this.handle.close()
    } catch (error) {
      throw fileFailure(error, this.path)
    }
  }

  /** Called only by those who hold it until it is done. */
  sync(): Promise<void> {
    return this.#sync.run((why) => new FileFailure('sync lost', this.path, { cause: why }))
  }

  /** Whether the path still leads to this very folder; asked after the call. */
  isStillThere(): Promise<boolean> {
    return this.#look.run()
  }

  async #leadsHere(): Promise<boolean> {
    try {
      // Always by the pool: the path is walked to find out whether it leads elsewhere by now, and there may be a disk that hangs.
      const found = identityOf(await stat(this.path, { bigint: true }))
      return found.kind === 'folder' && found.inode === this.identity.inode && found.device === this.identity.device
    } catch (error) {
      const { reason } = fileFailure(error, this.path)
      if (reason === 'not found' || reason === 'not a folder' || reason === 'link') return false
      throw fileFailure(error, this.path)
    }
  }
}
