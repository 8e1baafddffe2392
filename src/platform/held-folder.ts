/**
 * A folder of the real machine, as one user of it sees it.
 *
 * On Linux names are looked up through its descriptor (/proc/self/fd), so that a parent that is renamed or exchanged for a link
 * cannot lead us elsewhere. Elsewhere (never run) the path is used, and before each use it is looked whether it still leads to the
 * same folder. The last component is never followed if it is a link.
 */
import { constants, lstatSync, openSync, renameSync } from 'node:fs'
import { link, lstat, opendir, rename, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type File, FileFailure, type FileFailureCause, type FileIdentity, type Folder } from '../world/file-system.ts'
import { byPool } from './by-pool.ts'
import { fileFailure } from './file-failures.ts'
import { HeldFile, identityOfOpen, soonFreed } from './held-file.ts'
import { HeldHandle } from './held-handle.ts'
import { identityOf } from './identity.ts'
import { farDisk } from './near-disk.ts'
import { type SharedFolder, throughDescriptors } from './shared-folders.ts'

// Windows lacks the last two: undefined counts as 0 in an `|`. O_NONBLOCK: a pipe in the file's place would hold a thread
// for ever.
const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants
const openFlags = {
  create: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
  write: O_RDWR | O_NOFOLLOW | O_NONBLOCK,
  read: O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
} as const

export class HeldFolder implements Folder {
  readonly path: string
  readonly identity: FileIdentity
  readonly #shared: SharedFolder
  readonly #handle: HeldHandle

  /** @param shared of which this one lets go when it is closed */
  constructor(shared: SharedFolder) {
    this.path = shared.path
    this.identity = shared.identity
    this.#shared = shared
    this.#handle = new HeldHandle(shared.handle.fd, shared.path, () => shared.letGo())
  }

  open(name: string, how: 'create' | 'write' | 'read'): Promise<File> {
    return this.#at(name, async (place) => {
      const { disk } = this.#shared
      const byOthers = (): Promise<number> => byPool.open(place, openFlags[how], 0o600)
      const descriptor = await (how === 'write'
        ? byOthers()
        : disk.call(() => openSync(place, openFlags[how], 0o600), byOthers))
      try {
        const identity = await identityOfOpen(descriptor, disk)
        if (identity.kind !== 'file')
          throw new FileFailure(identity.kind === 'folder' ? 'is a folder' : 'not supported', join(this.path, name))
        return new HeldFile(descriptor, join(this.path, name), identity, {
          gate: this.#shared.gate,
          // Another file system may be mounted over a single file.
          disk: identity.device === this.identity.device ? disk : farDisk,
        })
      } catch (error) {
        await byPool.close(descriptor)
        throw error
      }
    })
  }

  look(name: string): Promise<FileIdentity | undefined> {
    // Only this name's own absence is an answer, not that of the folder.
    return this.#at(name, async (place) => {
      const stats = this.#shared.disk.call(
        () => lstatSync(place, { bigint: true, throwIfNoEntry: false }),
        () => lstat(place, { bigint: true }).catch(absent),
      )
      const found = await stats
      return found && identityOf(found)
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#at(from, (source) =>
      this.#at(to, async (target) => {
        const { disk } = this.#shared
        const byOthers = (): Promise<void> => rename(source, target)
        // What it replaces is freed with it, which takes a while for a large file only.
        if (!disk.isNear || !disk.here(() => isSoonFreed(target))) return byOthers()
        return disk.call(() => renameSync(source, target), byOthers)
      }),
    )
  }

  link(from: string, to: string): Promise<void> {
    // EPERM of link(2): the file system has no hard links, or the file may not have another one.
    const special = { EPERM: 'not supported', EMLINK: 'not supported' } as const
    return this.#at(from, (source) => this.#at(to, (target) => link(source, target), special))
  }

  unlink(name: string): Promise<void> {
    return this.#at(name, (place) => unlink(place).catch(absent))
  }

  async *list(): AsyncIterable<string> {
    try {
      // It has its own descriptor once it is open, so ours need not be kept for it.
      const entries = await this.#use((descriptor) =>
        opendir(throughDescriptors ? `/proc/self/fd/${descriptor}` : this.path, { bufferSize: 256 }),
      )
      for await (const entry of entries) yield entry.name
    } catch (error) {
      throw fileFailure(error, this.path)
    }
  }

  free(): Promise<number> {
    return this.#use(async (descriptor) => {
      const found = await statfs(throughDescriptors ? `/proc/self/fd/${descriptor}` : this.path, { bigint: true })
      // It has no blocks to count (ramfs, a tmpfs without a limit, a FUSE that does not say): a full disk has some, and none free.
      if (found.blocks === 0n) return Number.POSITIVE_INFINITY
      return Number(found.bavail * found.bsize)
    })
  }

  sync(): Promise<void> {
    // Windows cannot sync a folder; NTFS journals its names.
    if (process.platform === 'win32') return Promise.resolve()
    return this.#use(() => this.#shared.sync())
  }

  isStillThere(): Promise<boolean> {
    return this.#shared.isStillThere()
  }

  /** Idempotent. Waits for what is under way. */
  close(): Promise<void> {
    return this.#handle.close()
  }

  /** Runs `work` with a path that means `name` in this very folder. */
  async #at<T>(
    name: string,
    work: (place: string) => Promise<T>,
    special?: Readonly<Record<string, FileFailureCause>>,
  ): Promise<T> {
    if (!isName(name))
      throw new FileFailure('not supported', join(this.path, name), {
        cause: new Error(`'${name}' is not the name of a file`),
      })
    try {
      return await this.#handle.use(async (descriptor) => {
        if (throughDescriptors) return work(`/proc/self/fd/${descriptor}/${name}`)
        if (!(await this.isStillThere()))
          throw new FileFailure('not found', this.path, { cause: new Error('another folder is in its place') })
        return work(join(this.path, name))
      })
    } catch (error) {
      throw fileFailure(error, join(this.path, name), special)
    }
  }

  async #use<T>(work: (descriptor: number) => Promise<T>): Promise<T> {
    try {
      return await this.#handle.use(work)
    } catch (error) {
      throw fileFailure(error, this.path)
    }
  }
}

/** Turns "there is nothing" into undefined and throws all else on. */
function absent(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}

/** Nothing, or a small file. */
function isSoonFreed(place: string): boolean {
  const found = lstatSync(place, { throwIfNoEntry: false })
  return found === undefined || found.size <= soonFreed
}

function isName(name: string): boolean {
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) return false
  return process.platform !== 'win32' || !/[\\:]/.test(name)
}
