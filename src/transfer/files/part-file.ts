/**
 * The partial file of one task: written at positions, made safe, and told apart from a stranger of the same name. A crash
 * leaves it under its own name; what of it counts stands in the journal, never in the file.
 *
 * Its room is not allocated beforehand. Node has no fallocate. Setting the size first brought nothing that could be told from
 * noise where four writers lay pieces of 16 MiB (ext4, XFS, tmpfs: the system allocates when it writes back, in few extents as it
 * is); and the size of a part would no longer show that it was cut short. Room is asked for and counted instead (`room`).
 */
import type { Part, PartIdentity } from '../../contract/bytes.ts'
import { FileFailure, type File, type FileIdentity, type Folder } from '../../world/file-system.ts'
import { highestEnd } from '../ranges.ts'

export function partIdentity(identity: FileIdentity): PartIdentity {
  return { inode: identity.inode, birthMs: identity.birthMs, device: identity.device }
}

/**
 * Whether it is the file that was recorded, possibly in another boot. Inodes are used again at once, so the birth time has to
 * agree. Device numbers change with a boot (then the recorded one is empty) and when a disk is plugged in again, so they are
 * looked at only where the file system keeps no birth time.
 */
export function isSameFile(recorded: PartIdentity, found: FileIdentity): boolean {
  if (found.kind !== 'file' || recorded.inode !== found.inode || recorded.birthMs !== found.birthMs) return false
  return found.birthMs !== 0 || recorded.device === '' || recorded.device === found.device
}

/** Why a kept part cannot be gone on from. */
export interface Lost {
  readonly lost: string
  /** There is nothing under its name. */
  readonly missing: boolean
}

/**
 * It was finished once and has the mode of the file that it was to replace, which may keep us out like anybody: then it gets its
 * own again. Undefined where that cannot be done without being let in.
 */
async function openForWriting(folder: Folder, name: string): Promise<File | undefined> {
  try {
    return await folder.open(name, 'write')
  } catch (error) {
    if (!isRefused(error)) throw error
  }
  try {
    const file = await folder.open(name, 'read')
    try {
      await file.setMode(0o600)
    } finally {
      await file.close()
    }
    return await folder.open(name, 'write')
  } catch (error) {
    if (isRefused(error)) return undefined
    throw error
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof FileFailure && error.reason === 'no permission'
}

export class PartFile {
  readonly folder: Folder
  readonly name: string
  readonly identity: PartIdentity
  readonly #file: File
  readonly #isNew: boolean
  #namedDurably: boolean

  private constructor(folder: Folder, name: string, file: File, named: 'named durably' | 'just made') {
    this.folder = folder
    this.name = name
    this.identity = partIdentity(file.identity)
    this.#file = file
    this.#isNew = named === 'just made'
    this.#namedDurably = !this.#isNew
  }

  /**
   * A new, empty one. The name was recorded before, so after a crash between that and here there is nothing, and after a
   * crash between here and the first checkpoint a file that nothing counts on: it is ours by its name, and goes.
   */
  static async create(folder: Folder, name: string): Promise<PartFile> {
    try {
      return new PartFile(folder, name, await folder.open(name, 'create'), 'just made')
    } catch (error) {
      if (!(error instanceof FileFailure) || error.reason !== 'exists') throw error
    }
    const leftover = await folder.look(name)
    // A file with a second name may be somebody's: nothing of ours has one before it is published.
    if (leftover !== undefined && (leftover.kind !== 'file' || leftover.links > 1))
      throw new FileFailure('exists', `${folder.path}/${name}`)
    await folder.unlink(name)
    return new PartFile(folder, name, await folder.open(name, 'create'), 'just made')
  }

  /** The kept one, or why it cannot be gone on from. */
  static async reopen(folder: Folder, part: Part): Promise<PartFile | Lost> {
    const found = await folder.look(part.name)
    if (found === undefined) return { lost: 'the partial file is gone', missing: true }
    if (part.identity === undefined || !isSameFile(part.identity, found))
      return { lost: 'another file has taken the place of the partial file', missing: false }
    // Publishing failed half way: what would be written here would be written into the destination's file.
    if (found.links > 1) return { lost: 'the partial file stands at a destination already', missing: false }
    if (found.size < highestEnd(part.ranges)) return { lost: 'the partial file was cut short', missing: false }
    const file = await openForWriting(folder, part.name)
    if (file === undefined) return { lost: 'the partial file may not be written to any more', missing: false }
    // Between the look and the open the name may have been given to another file.
    if (!isSameFile(part.identity, file.identity)) {
      await file.close()
      return { lost: 'another file has taken the place of the partial file', missing: false }
    }
    return new PartFile(folder, part.name, file, 'named durably')
  }

  get place(): { readonly folder: string; readonly name: string } {
    return { folder: this.folder.path, name: this.name }
  }

  get file(): File {
    return this.#file
  }

  /** As `File.write`. */
  write(bytes: Uint8Array, at: number): Promise<void> | undefined {
    return this.#file.write(bytes, at)
  }

  /**
   * `data`: everything written before the call is safe when it returns, and so is the name: without the folder's sync a
   * checkpoint could outlive the file that it speaks of. `all`: the mode as well, but not the name, which changes next; a
   * part that a cut loses between the intent and the rename is fetched again.
   */
  async sync(how: 'data' | 'all'): Promise<void> {
    await this.#file.sync(how)
    if (how === 'all' || this.#namedDurably) return
    await this.folder.sync()
    this.#namedDurably = true
  }

  /** What it looks like, if its name still leads to it. */
  async named(): Promise<FileIdentity | undefined> {
    const found = await this.folder.look(this.name)
    return found !== undefined && isSameFile(this.identity, found) && found.device === this.identity.device
      ? found
      : undefined
  }

  async isStillNamed(): Promise<boolean> {
    return (await this.named()) !== undefined
  }

  /** Of [from, to), copied from another part. @throws AttemptStopped through `check` */
  async copy(source: PartFile, from: number, to: number, check: () => void): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(1024 * 1024)
    for (let at = from; at < to;) {
      check()
      const read = await source.#file.read(buffer.subarray(0, Math.min(buffer.byteLength, to - at)), at)
      if (read === 0) throw new FileFailure('input/output', `${source.folder.path}/${source.name}`)
      await this.#file.write(buffer.subarray(0, read), at)
      at += read
    }
  }

  /** Whether its name leads to it in another case as well: the file system folds names. */
  async isNamedInAnyCase(): Promise<boolean> {
    const found = await this.folder.look(this.name.toUpperCase())
    return found !== undefined && isSameFile(this.identity, found)
  }

  /** Bytes after `size` were written by an attempt that could not count them. */
  async trim(size: number): Promise<void> {
    if (this.#isNew) return
    if ((await this.#file.look()).size > size) await this.#file.resize(size)
  }

  setMode(mode: number): Promise<void> {
    return this.#file.setMode(mode)
  }

  /** Of bytes that could never be gone on from. */
  async discard(): Promise<void> {
    if (await this.isStillNamed()) await this.folder.unlink(this.name)
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}
