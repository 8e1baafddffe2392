/**
 * The secret by which client and daemon of one user know each other: 32 random bytes in a file of mode 0600.
 *
 * It is written whole under a name of its own and then linked to its place: of any number of racing makers one link
 * succeeds, the others read what that one wrote, and nobody ever sees a part of it. A crash before the link leaves a draft
 * that no one reads; after it, the secret. May touch: node:fs, for this file only.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, open, rm } from 'node:fs/promises'
import { LonghaulError } from '../contract/errors.ts'
import { makeFolder } from './make-folder.ts'
import { homePaths } from './paths.ts'

const size = 32

/**
 * The secret of this home; made if there is none (and the home with it, mode 0700).
 * @throws DAEMON_UNAVAILABLE, `retryable: false`, when the file is another user's, readable by others, or damaged
 */
export async function userSecret(home: string): Promise<Uint8Array> {
  const path = homePaths(home).secret
  const found = await read(path)
  if (found !== undefined) return found
  await make(home, path)
  const made = await read(path)
  if (made === undefined) throw refused(path, 'vanished while it was made')
  return made
}

async function read(path: string): Promise<Uint8Array | undefined> {
  let file
  try {
    // Without O_NONBLOCK a pipe in its place would hold a thread for ever.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw refused(
      path,
      codeOf(error) === 'ELOOP' ? 'is a symbolic link' : `cannot be read (${String(codeOf(error))})`,
      error,
    )
  }
  try {
    const found = await file.stat()
    const uid = process.getuid?.()
    if (!found.isFile()) throw refused(path, 'is not a file')
    if (uid !== undefined && found.uid !== uid)
      throw refused(path, `belongs to user ${found.uid}, not to this one (${uid})`)
    if (uid !== undefined && (found.mode & 0o077) !== 0)
      throw refused(path, `has mode ${(found.mode & 0o777).toString(8)}: other users can read it`)
    const bytes = new Uint8Array(size)
    const { bytesRead } = await file.read(bytes, 0, size, 0)
    if (found.size !== size || bytesRead !== size)
      throw refused(path, `is damaged: it has ${found.size} bytes, not ${size}`)
    return bytes
  } finally {
    await file.close()
  }
}

async function make(home: string, path: string): Promise<void> {
  await makeFolder(home, 0o700)
  const draft = `${path}.${randomBytes(8).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.write(randomBytes(size))
    await file.sync()
    await file.close()
    await link(draft, path)
  } catch (error) {
    await file.close()
    if (codeOf(error) !== 'EEXIST') throw refused(path, `could not be made (${String(codeOf(error))})`, error)
  } finally {
    await rm(draft, { force: true })
  }
}

function refused(path: string, why: string, cause?: unknown): LonghaulError {
  return new LonghaulError(
    'DAEMON_UNAVAILABLE',
    `The secret file ${path} ${why}. It was left as it is and is not used.`,
    {
      retryable: false,
      cause,
      hint: 'End the daemon if one runs (`longhaul daemon stop` says which process that is), then remove the file: a new one is made.',
    },
  )
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
