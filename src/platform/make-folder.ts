/**
 * Making a folder with its parents. Node's own `recursive` never comes back where a folder exists but takes no entries
 * (in /proc, for one): it holds a thread of the pool for ever. May touch: node:fs, folders only.
 */
import { mkdir, stat } from 'node:fs/promises'
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
