/** Files of the real machine: the {@link FileSystem} seam by node:fs. */
import { resolve } from 'node:path'
import type { FileSystem } from '../world/file-system.ts'
import { fileFailure } from './file-failures.ts'
import { HeldFolder } from './held-folder.ts'
import { makeFolderDurably } from './make-folder.ts'
import { isLocal } from './near-disk.ts'
import { SharedFolders } from './shared-folders.ts'
import { SyncGate, type SyncLimits } from './sync-gate.ts'

export interface FileSystemOptions {
  /** @default 8 at once, 4 of one device */
  readonly syncs?: SyncLimits
  /** Which file systems, by the f_type of `statfs`, the calling thread may write to. @default those of local disks, on Linux */
  readonly isNear?: (type: number) => boolean
}

export function createFileSystem(options: FileSystemOptions = {}): FileSystem {
  const folders = new SharedFolders(new SyncGate(options.syncs), options.isNear ?? isLocal)
  return {
    folder: async (path, { make = false } = {}) => {
      const absolute = resolve(path)
      if (make) await makeDurably(absolute)
      return new HeldFolder(await folders.take(absolute))
    },
  }
}

/** Makes a folder and its parents, and their names durable. */
async function makeDurably(path: string): Promise<void> {
  try {
    await makeFolderDurably(path)
  } catch (error) {
    throw fileFailure(error, path)
  }
}
