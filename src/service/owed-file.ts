/**
 * Where a file is that is to be unlinked: here, gone (or never ours), or away with its disk, which may come back. A disk that is
 * not plugged in leaves no folder, or an empty one that is on another disk.
 */
import { dirname } from 'node:path'
import type { OwedFile } from '../journal/journal.ts'
import { FileFailure, type FileSystem, type Folder } from '../world/file-system.ts'

/** Inodes are reused at once, so the time of birth has to fit as well. */
export async function whereIs(file: OwedFile, folder: Folder): Promise<'here' | 'gone' | 'away'> {
  const { identity } = file
  const found = await folder.look(file.name)
  // Named by us but never written down: ours if nobody else holds it.
  const isOurs =
    identity === undefined ? found?.links === 1 : found?.inode === identity.inode && found.birthMs === identity.birthMs
  if (found?.kind === 'file' && isOurs) return 'here'
  // Of another boot nobody knows the disk.
  const isElsewhere = identity !== undefined && identity.device !== '' && identity.device !== folder.identity.device
  return isElsewhere ? 'away' : 'gone'
}

/**
 * Those that went with their folder: whatever is left above it is on the disk that they were on, or nobody knows which that was (they
 * were never written down, or in another boot).
 */
export async function goneWith(
  path: string,
  owed: readonly OwedFile[],
  files: FileSystem,
): Promise<readonly OwedFile[]> {
  const device = await deviceAbove(path, files)
  if (device === undefined) return []
  return owed.filter(({ identity }) => [device, '', undefined].includes(identity?.device))
}

async function deviceAbove(path: string, files: FileSystem): Promise<string | undefined> {
  const above = dirname(path)
  if (above === path) return undefined
  try {
    const folder = await files.folder(above)
    await folder.close()
    return folder.identity.device
  } catch (error) {
    return isMissing(error) ? deviceAbove(above, files) : undefined
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof FileFailure && (error.reason === 'not found' || error.reason === 'not a folder')
}
