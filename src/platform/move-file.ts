/**
 * Moves a delivered file to where the app wants it, so that at every moment the target is either what it was or the whole
 * new file, and so that doing it again after any crash does no harm (an event comes again until it is acknowledged).
 *
 * Same file system: rename, sync the target's folder. Another one: copy to a name of its own beside the target, sync it,
 * rename it onto the target, sync the folder, and only then unlink the source. A crash
 *   - before the rename leaves the source whole, the target as it was, and perhaps a draft, which the next move removes;
 *   - after the rename leaves the target whole; the source may be there still: the next move does it again.
 * May touch: node:fs, for the source, the target, and drafts of its own beside it.
 */
import { constants } from 'node:fs'
import { chmod, copyFile, lstat, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { createHash } from 'node:crypto'
import { LonghaulError } from '../contract/errors.ts'
import { makeFolderDurably } from './make-folder.ts'
import { currentUmask } from './this-process.ts'

/**
 * Moves `from` to `target` (a file; what is there is replaced) and resolves with the target's path, links in its folder
 * resolved. When `from` is gone and `target` is there, it was moved before: nothing is done.
 * @param from absolute
 * @param target absolute; missing folders are made
 * @throws FILE_DOES_NOT_EXIST (both are gone), FILE_IS_DIRECTORY, CANNOT_MOVE_FILE; the source is kept then
 */
export async function moveFile(from: string, target: string): Promise<string> {
  try {
    const folder = await makeFolder(dirname(target))
    const to = join(folder, basename(target))
    const there = await lstat(to).catch(missing)
    if (there?.isDirectory() === true) {
      throw new LonghaulError(
        'FILE_IS_DIRECTORY',
        `${to} is a folder; the file stays at ${from}. Give the path of a file.`,
      )
    }
    const source = await lstat(from).catch(missing)
    if (source === undefined) {
      if (there !== undefined) return to
      throw new LonghaulError(
        'FILE_DOES_NOT_EXIST',
        `${from} is not there any more, and neither is ${to}. Nothing was moved.`,
      )
    }
    // Renaming a file onto itself, or onto another link of it, does nothing: the source would stay for ever.
    if (there !== undefined && there.ino === source.ino && there.dev === source.dev) {
      if ((await realpath(from)) !== to) await rm(from)
      await syncFolder(folder)
      return to
    }
    // The spool's files are for their owner only; a delivered one gets the mode that the app's own file would have.
    await chmod(from, there?.isFile() === true ? there.mode & 0o777 : 0o666 & ~currentUmask())
    if (!(await tryRename(from, to))) await copyAcross(from, to, folder)
    await syncFolder(folder)
    await rm(from, { force: true })
    return to
  } catch (error) {
    if (error instanceof LonghaulError) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new LonghaulError(
      'CANNOT_MOVE_FILE',
      `${from} could not be moved to ${target}: ${why}. It stays where it is.`,
      {
        cause: error,
        hint: 'Make the place free and writable, then move it again.',
      },
    )
  }
}

/** False when the two lie on different file systems. */
async function tryRename(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EXDEV') return false
    throw error
  }
}

async function copyAcross(from: string, to: string, folder: string): Promise<void> {
  // The name depends on both ends only: a draft that a crash left is the one that is made again.
  const mark = createHash('sha256').update(`${from}\n${to}`).digest('hex').slice(0, 12)
  const draft = join(folder, `.${mark}.longhaul-move`)
  try {
    await rm(draft, { force: true })
    await copyFile(from, draft, constants.COPYFILE_EXCL)
    const file = await open(draft, 'r+')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, to)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

async function makeFolder(path: string): Promise<string> {
  // The names of new folders must not be lost before the file that stands in them.
  await makeFolderDurably(path)
  return realpath(path)
}

/** Windows has no sync of folders: opening one fails there, and NTFS journals names itself. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  if (!(await stat(path)).isDirectory()) return
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function missing(error: unknown): undefined {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
  throw error
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
