/**
 * Moves a delivered file to where the app wants it, so that at every moment the target is either what it was or the whole
 * new file, and so that doing it again after any crash does no harm (an event comes again until it is acknowledged). Nor does another
 * process that moves the same file at the same moment: an owner that was taken over may still be at it.
 *
 * Same file system: rename, sync the target's folder. Another one: copy to a draft beside the target, sync it, rename it onto the
 * target, sync the folder, and only then unlink the source. A crash
 *   - before the rename leaves the source whole, the target as it was, and perhaps a draft, which a later move removes;
 *   - after the rename leaves the target whole; the source may be there still: the next move does it again.
 * May touch: node:fs, for the source, the target, and drafts beside it.
 */
import type { BigIntStats } from 'node:fs'
import { chmod, type FileHandle, lstat, open, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { LonghaulError } from '../contract/errors.ts'
import { makeFolderDurably, syncFolder } from './make-folder.ts'
import { draftName, removeLeftDrafts } from './move-draft.ts'
import { whatStandsAt } from './standing.ts'
import { currentUmask } from './this-process.ts'

/**
 * Moves `from` to `target` (a file; what is there is replaced) and resolves with the target's path, links in its folder
 * resolved. When `from` is gone and `target` is there, it was moved before, and is only made durable.
 * @param from absolute
 * @param target absolute; missing folders are made
 * @throws FILE_DOES_NOT_EXIST (both are gone), FILE_IS_DIRECTORY, CANNOT_MOVE_FILE; the file is kept then, and where it is is told
 */
export async function moveFile(from: string, target: string): Promise<string> {
  try {
    // The names of new folders must not be lost before the file that stands in them.
    await makeFolderDurably(dirname(target))
    const folder = await realpath(dirname(target))
    const to = join(folder, basename(target))
    const there = await look(to)
    if (there?.isDirectory() === true) {
      throw new LonghaulError(
        'FILE_IS_DIRECTORY',
        `${to} is a folder; the file stays at ${from}. Give the path of a file.`,
      )
    }
    if (there !== undefined && (await whatStandsAt(to).catch(missing)) === 'other') {
      throw new LonghaulError(
        'CANNOT_MOVE_FILE',
        `${to} is neither a file nor a folder (a device, a pipe or a socket); the file stays at ${from}. Give the path of a file.`,
      )
    }
    const source = await open(from, 'r').catch(missing)
    if (source !== undefined) {
      try {
        await move(source, { from, folder, to, there })
      } finally {
        await source.close()
      }
      return to
    }
    // Another may have moved it since the first look.
    if ((await look(to)) === undefined) throw bothGone(from, to)
    // Who moved it may have died before it was durable.
    await syncFolder(folder)
    return to
  } catch (error) {
    throw error instanceof LonghaulError ? error : await failure(error, from, target)
  }
}

interface Move {
  readonly from: string
  /** Of `to`. */
  readonly folder: string
  readonly to: string
  /** What was at `to` when this move began. */
  readonly there: BigIntStats | undefined
}

async function move(source: FileHandle, { from, folder, to, there }: Move): Promise<void> {
  const found = await source.stat({ bigint: true })
  if (there !== undefined && isSame(there, found)) {
    await syncFolder(folder)
    // Renaming a file onto another link of it does nothing: the source would stay for ever. With one link both are the same name, written
    // in two ways.
    if (found.nlink > 1n && (await realpath(from)) !== to) await rm(from, { force: true })
    return
  }
  // The spool's files are for their owner only; a delivered one gets the mode that the app's own file would have.
  const mode = there?.isFile() === true ? Number(there.mode & 0o777n) : 0o666 & ~currentUmask()
  const moved = await tryRename({ from, folder, to, there }, mode, Number(found.mode & 0o777n))
  if (!moved) await copyAcross(source, { from, folder, to, there }, mode)
  await syncFolder(folder)
  if (moved) return
  // What was not copied is not ours to remove.
  const left = await look(from)
  if (left !== undefined && isSame(left, found)) await rm(from, { force: true })
}

/** False when the two lie on different file systems. */
async function tryRename(move: Move, mode: number, before: number): Promise<boolean> {
  const { from, to } = move
  try {
    await chmod(from, mode)
    await rename(from, to)
    return true
  } catch (error) {
    if (await isMovedByAnother(move)) return true
    await chmod(from, before).catch(missing)
    if (codeOf(error) === 'EXDEV') return false
    throw error
  }
}

const bytesAtOnce = 1 << 20

async function copyAcross(source: FileHandle, move: Move, mode: number): Promise<void> {
  const { folder, to } = move
  await removeLeftDrafts(folder)
  const draft = join(folder, draftName())
  const file = await open(draft, 'wx', 0o600)
  try {
    try {
      const buffer = Buffer.allocUnsafeSlow(bytesAtOnce)
      for (;;) {
        const { bytesRead } = await source.read(buffer, 0, buffer.length)
        if (bytesRead === 0) break
        await file.writeFile(buffer.subarray(0, bytesRead))
      }
      await file.chmod(mode)
      await file.sync()
    } finally {
      await file.close()
    }
    // The app may have gone on with what another put there: it is not replaced by what it was.
    if (await isMovedByAnother(move)) await rm(draft, { force: true })
    else await rename(draft, to)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** It takes more than a file at the target: that may be the one which was to be replaced. */
async function isMovedByAnother({ from, to, there }: Move): Promise<boolean> {
  if ((await look(from)) !== undefined) return false
  const now = await look(to)
  return now !== undefined && (there === undefined || !isSame(there, now))
}

async function failure(cause: unknown, from: string, target: string): Promise<LonghaulError> {
  const why = cause instanceof Error ? cause.message : String(cause)
  const isThere = (path: string): Promise<boolean> =>
    look(path).then(
      (found) => found !== undefined,
      () => true,
    )
  if (await isThere(from))
    return new LonghaulError(
      'CANNOT_MOVE_FILE',
      `${from} could not be moved to ${target}: ${why}. It stays where it is.`,
      { cause, hint: 'Make the place free and writable, then move it again.' },
    )
  if (!(await isThere(target))) return bothGone(from, target)
  return new LonghaulError(
    'CANNOT_MOVE_FILE',
    `${from} was moved to ${target}, but a power cut could still take it from there: ${why}.`,
    { cause, hint: 'Move it again: that makes it safe where it is.' },
  )
}

function bothGone(from: string, to: string): LonghaulError {
  return new LonghaulError(
    'FILE_DOES_NOT_EXIST',
    `${from} is not there any more, and neither is ${to}. Nothing was moved.`,
  )
}

function look(path: string): Promise<BigIntStats | undefined> {
  return lstat(path, { bigint: true }).catch(missing)
}

function isSame(one: BigIntStats, other: BigIntStats): boolean {
  return one.ino === other.ino && one.dev === other.dev
}

function missing(error: unknown): undefined {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
  throw error
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
