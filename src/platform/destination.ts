/**
 * Where a download goes, settled before anything is enqueued: what `to` means, its folders made and resolved once, and
 * proof that a file can be made there. The daemon never re-creates a folder that vanished later.
 *
 * A folder is what exists as one or ends in a separator; everything else names a file. May touch: node:fs, only to look at
 * `to`, to make its missing folders, and, where the file system has no room to speak of, to try a file.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, open, readdir, realpath, rm, stat, statfs } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LonghaulError } from '../contract/errors.ts'
import type { Destination } from '../contract/task.ts'
import type { DestinationResolver, ResolveOptions } from '../world/app-world.ts'
import { makeFolderDurably } from './make-folder.ts'
import { type Standing, whatStandsAt } from './standing.ts'

/** Longest name of a file in bytes on every file system that matters. */
const nameLimit = 255

/**
 * @throws INVALID_ARGUMENT (not a path), CANNOT_CREATE_FILE (folder cannot be made or written), FILE_IS_DIRECTORY,
 *   DESTINATION_EXISTS; nothing was enqueued then
 */
export function resolveDestination(to: string | URL, options: ResolveOptions = {}): Promise<Destination> {
  return createDestinationResolver().resolve(to, options)
}

export function createDestinationResolver(): DestinationResolver {
  const looks = createLook()
  /** By the path as it was written: the resolved folder, proven to be writable. */
  const folders = new Map<string, Promise<string>>()
  const folderAt = (path: string): Promise<string> => {
    let found = folders.get(path)
    if (found === undefined) {
      found = prepareFolder(path)
      folders.set(path, found)
    }
    return found
  }
  return {
    async resolve(to, options = {}) {
      const written = pathOf(to)
      const path = resolve(options.cwd ?? '.', written)
      const asFolder = endsInSeparator(written)
      if (asFolder && options.want !== 'file') return { kind: 'folder', folder: await folderAt(path) }
      const name = basename(path)
      if (Buffer.byteLength(name) > nameLimit) {
        throw new LonghaulError(
          'CANNOT_CREATE_FILE',
          `The name ${name.slice(0, 60)}… has more than ${nameLimit} bytes. Nothing was added.`,
        )
      }
      const found = await looks(path)
      if (asFolder || found === 'folder') {
        if (options.want !== 'file') return { kind: 'folder', folder: await folderAt(path) }
        throw new LonghaulError(
          'FILE_IS_DIRECTORY',
          `${path} is a folder, and a file is wanted here. Nothing was added.`,
        )
      }
      if (found === 'file' && options.existing === 'refuse') {
        throw new LonghaulError('DESTINATION_EXISTS', `${path} exists. Nothing was added; the file was not touched.`)
      }
      if (found === 'other') {
        throw new LonghaulError(
          'CANNOT_CREATE_FILE',
          `${path} is neither a file nor a folder (a device, a pipe or a socket). Nothing was added.`,
        )
      }
      return { kind: 'file', folder: await folderAt(dirname(path)), name }
    },
  }
}

function pathOf(to: string | URL): string {
  if (to instanceof URL) {
    if (to.protocol !== 'file:') throw refusedPath(to.href, 'is not a file: URL')
    try {
      return fileURLToPath(to)
    } catch (cause) {
      throw refusedPath(to.href, cause instanceof Error ? cause.message : String(cause), cause)
    }
  }
  if (typeof to !== 'string' || to === '') throw refusedPath(String(to), 'is not a path')
  if (to.includes('\0')) throw refusedPath(to.replaceAll('\0', '\\0'), 'has a NUL in it')
  if (/^(https?|file):\/\//.test(to)) throw refusedPath(to, 'is a URL; give a path, or a URL object for file:')
  return to
}

function endsInSeparator(path: string): boolean {
  // '.' and '..' mean folders too; they exist, so `look` finds that out.
  return path.endsWith('/') || path.endsWith(sep)
}

/** So many looks into one folder, and it is read whole: a hundred thousand files to one folder are one reading, not as many calls. */
const looksPerFolder = 32

/** Looks at paths; names that a folder did not have when it was read are nothing, all others are looked at one by one. */
function createLook(): typeof look {
  const counts = new Map<string, number>()
  const listings = new Map<string, Promise<ReadonlySet<string> | undefined>>()
  return async (path) => {
    const folder = dirname(path)
    const count = (counts.get(folder) ?? 0) + 1
    counts.set(folder, count)
    // Where names fold, a name that is not in the listing may still lead to something.
    if (count > looksPerFolder && process.platform === 'linux') {
      let listing = listings.get(folder)
      if (listing === undefined) listings.set(folder, (listing = namesIn(folder)))
      const names = await listing
      if (names !== undefined && !names.has(basename(path))) return 'nothing'
    }
    return look(path)
  }
}

/** Undefined for a folder that cannot be read: it may still be one that can be written. One that is still to be made is empty. */
async function namesIn(folder: string): Promise<ReadonlySet<string> | undefined> {
  try {
    return new Set(await readdir(folder))
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? new Set() : undefined
  }
}

async function look(path: string): Promise<'nothing' | Standing> {
  try {
    return await whatStandsAt(path)
  } catch (error) {
    const code = codeOf(error)
    // Its folder is told apart when it is made or checked.
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'nothing'
    throw cannotCreate(path, error)
  }
}

/** Makes what is missing, once; resolves links; proves that a file can be made. */
async function prepareFolder(path: string): Promise<string> {
  try {
    await makeFolderDurably(path)
    const folder = await realpath(path)
    const found = await stat(folder)
    if (!found.isDirectory()) throw Object.assign(new Error('it is a file, not a folder'), { code: 'ENOTDIR' })
    await access(folder, constants.W_OK | constants.X_OK)
    await requireFiles(folder)
    return folder
  } catch (error) {
    throw cannotCreate(path, error)
  }
}

/**
 * /proc, /sys and their like let root write, have no blocks and take no files. Others without blocks do take them (ramfs, a tmpfs
 * without a limit, a FUSE that does not say), so there a file is tried; nowhere else is anything left to tidy up after a crash.
 */
async function requireFiles(folder: string): Promise<void> {
  if (process.platform === 'win32' || (await statfs(folder)).blocks > 0) return
  const path = join(folder, `.longhaul-${randomBytes(8).toString('hex')}`)
  try {
    await (await open(path, 'wx', 0o600)).close()
  } catch (cause) {
    // Those pass, and a download waits for them.
    if (['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE'].includes(codeOf(cause) ?? '')) return
    throw Object.assign(new Error('its file system takes no files', { cause }), { code: 'NO_FILES' })
  }
  await rm(path, { force: true })
}

function cannotCreate(path: string, cause: unknown): LonghaulError {
  const reasons: Readonly<Record<string, string>> = {
    EACCES: 'this user may not write there',
    EPERM: 'this user may not write there',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
    ENOTDIR: 'a part of the path is a file, not a folder',
    EEXIST: 'a part of the path is a file, not a folder',
    ENOENT: 'the folder cannot be made',
    ENAMETOOLONG: 'a name in the path is too long',
    ELOOP: 'its links go in a circle',
    NO_FILES: 'its file system takes no files (as those of /proc and /sys); name a folder on a disk',
  }
  const why = reasons[codeOf(cause) ?? ''] ?? (cause instanceof Error ? cause.message : String(cause))
  return new LonghaulError('CANNOT_CREATE_FILE', `No file can be made in ${path}: ${why}. Nothing was added.`, {
    cause,
  })
}

function refusedPath(path: string, why: string, cause?: unknown): LonghaulError {
  return new LonghaulError('INVALID_ARGUMENT', `to: ${JSON.stringify(path)} ${why}. Nothing was added.`, { cause })
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
