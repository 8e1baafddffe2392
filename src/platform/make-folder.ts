/**
 * Making a folder with its parents. Node's own `recursive` never comes back where a folder exists but takes no entries
 * (in /proc, for one): it holds a thread of the pool for ever. May touch: node:fs, folders only, and the clock to tell how old they are.
 */
import { constants } from 'node:fs'
import { mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes what is missing of `path`, parents first, and returns what it made in that order. An existing folder is left as it
 * is, a link to one counts as one.
 * @param mode of all that are new, less the umask
 * @throws the system's error: EEXIST or ENOTDIR where a file is in the way
 */
export async function makeFolder(path: string, mode = 0o777): Promise<readonly string[]> {
  try {
    return (await makeOne(path, mode)) ? [path] : []
  } catch (error) {
    const parent = dirname(path)
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT') || parent === path) throw error
    const parents = await makeFolder(parent, mode)
    // Once only: where it still does not go, it never will.
    return (await makeOne(path, mode)) ? [...parents, path] : parents
  }
}

/** True if it is new. */
async function makeOne(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode })
    return true
  } catch (error) {
    // Some systems complain of other things before they see that it exists (EROFS, EACCES, EPERM).
    const exists = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    )
    if (exists) return false
    throw error
  }
}

/** One that was made so long ago was written out since, on every file system that we know of (the slowest takes half a minute). */
const youngMs = 10 * 60_000

/**
 * As {@link makeFolder}, and a power cut takes none of it any more: the names of all that are new are durable when it
 * resolves, whoever made them. One that died between making and syncing, or is about to sync, leaves a folder that a cut
 * could still take together with every file that was put there and synced since.
 */
export async function makeFolderDurably(path: string, mode = 0o777): Promise<void> {
  const made = new Set(await makeFolder(path, mode))
  for (let each = path; each !== dirname(each) && (made.has(each) || (await isYoung(each))); each = dirname(each)) {
    await syncFolder(dirname(each))
  }
}

const cannotBeSynced: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EINVAL', 'ENOTSUP'])

async function isYoung(path: string): Promise<boolean> {
  const { birthtimeMs } = await stat(path)
  // Without a time of birth it may be; one in the future is that of a clock that was set.
  return birthtimeMs === 0 || Date.now() - birthtimeMs < youngMs
}

/** Makes the names in a folder durable, where that can be done. */
export async function syncFolder(path: string): Promise<void> {
  // Windows has no sync of folders: opening one fails there, and NTFS journals names itself.
  if (process.platform === 'win32') return
  try {
    const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch (error) {
    // Not ours to read, or of a file system that syncs no folders: then this is all that can be done.
    if (!(error instanceof Error && 'code' in error && cannotBeSynced.has(String(error.code)))) throw error
  }
}
