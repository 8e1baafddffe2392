/**
 * 32 random bytes in a file of mode 0600, made when they are first wanted.
 *
 * The file is written whole under a name of its own and then linked to its place: of any number of racing makers one link
 * succeeds, the others read what that one wrote, and nobody ever sees a part of it. A crash before the link leaves a draft
 * that no one reads; after it, the key. The folder is synced before the key is given out: what was sealed with it must not
 * outlive it. May touch: node:fs, for such files only.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type ErrorCode, LonghaulError } from '../contract/errors.ts'
import { canPass } from './can-pass.ts'
import { makeFolder, syncFolder } from './make-folder.ts'

const size = 32

export interface KeyFile {
  readonly path: string
  /** As a message calls it: 'The secret file'. */
  readonly what: string
  readonly code: ErrorCode
  /** What a user does about one that is refused. */
  readonly hint: string
}

/**
 * The key; made if there is none (and its folder with it, mode 0700).
 * @throws LonghaulError, `retryable: false`, when the file is another user's, readable by others, or damaged; `retryable: true` when
 *   it cannot be opened just now
 */
export async function readOrMakeKey(file: KeyFile): Promise<Uint8Array> {
  const found = await readKey(file)
  if (found !== undefined) return found
  await make(file)
  const made = await readKey(file)
  if (made === undefined) throw refused(file, 'vanished while it was made')
  return made
}

/** Undefined: there is none. @throws as {@link readOrMakeKey} */
export async function readKey(key: KeyFile): Promise<Uint8Array | undefined> {
  let file
  try {
    // Without O_NONBLOCK a pipe in its place would hold a thread for ever.
    file = await open(key.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    const why = codeOf(error) === 'ELOOP' ? 'is a symbolic link' : `cannot be read (${String(codeOf(error))})`
    throw refused(key, why, error, canPass(error))
  }
  try {
    const found = await file.stat()
    const uid = process.getuid?.()
    if (!found.isFile()) throw refused(key, 'is not a file')
    if (uid !== undefined && found.uid !== uid)
      throw refused(key, `belongs to user ${found.uid}, not to this one (${uid})`)
    if (uid !== undefined && (found.mode & 0o077) !== 0)
      throw refused(key, `has mode ${(found.mode & 0o777).toString(8)}: other users can read it`)
    const bytes = new Uint8Array(size)
    const { bytesRead } = await file.read(bytes, 0, size, 0)
    if (found.size !== size || bytesRead !== size)
      throw refused(key, `is damaged: it has ${found.size} bytes, not ${size}`)
    return bytes
  } finally {
    await file.close()
  }
}

async function make(key: KeyFile): Promise<void> {
  const { path } = key
  await makeFolder(dirname(path), 0o700)
  const draft = `${path}.${randomBytes(8).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.write(randomBytes(size))
    await file.sync()
    await file.close()
    await link(draft, path)
  } catch (error) {
    await file.close()
    if (codeOf(error) !== 'EEXIST') throw refused(key, `could not be made (${String(codeOf(error))})`, error)
  } finally {
    await rm(draft, { force: true })
  }
  // Whoever linked it: the other maker may not have come to its sync.
  await syncFolder(dirname(path))
}

function refused({ path, what, code, hint }: KeyFile, why: string, cause?: unknown, retryable = false): LonghaulError {
  return new LonghaulError(code, `${what} ${path} ${why}. It was left as it is and is not used.`, {
    retryable,
    cause,
    hint,
  })
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
