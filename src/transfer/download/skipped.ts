/** A file is in the place, and the user wants it left alone. A digest that is expected is expected of it too. */
import { join } from 'node:path'
import { digestText, strongestDigest } from '../../contract/digests.ts'
import { type ErrorCode, LonghaulError } from '../../contract/errors.ts'
import type { ResponseJson } from '../../contract/task.ts'
import { type File, FileFailure, type FileFailureCause } from '../../world/file-system.ts'
import { AttemptFailed, AttemptStopped } from '../endings.ts'
import type { Attempt, Finished } from './attempt.ts'

/**
 * Undefined: it has gone meanwhile, and the place is free.
 * @throws AttemptFailed DIGEST_MISMATCH, NO_PERMISSIONS_TO_READ_FILE, FILE_IS_DIRECTORY, DESTINATION_EXISTS; AttemptStopped;
 *   FileFailure. The file is as it was, and so is the part.
 */
export async function skipped(
  attempt: Attempt,
  name: string,
  response: ResponseJson | undefined,
): Promise<Finished | undefined> {
  const { folder, assignment } = attempt
  const strongest = strongestDigest(assignment.expectedDigests)
  const bytes =
    strongest === undefined
      ? (await folder.look(name))?.size
      : await verified(attempt, name, whatCame(attempt, response))
  if (bytes === undefined) return undefined
  return {
    kind: 'finished',
    result: {
      path: join(folder.path, name),
      bytes,
      lengthVerified: false,
      notModified: false,
      skipped: true,
      ...(strongest !== undefined && { digest: digestText(strongest) }),
    },
    response,
  }
}

/** The end of a sentence about the file that was left alone. */
function whatCame({ assignment, state }: Attempt, response: ResponseJson | undefined): string {
  const { intent, part } = assignment
  // With an intent that could not be gone on from, the part was given up.
  const isKept = state.intentRecorded || (intent === undefined && part !== undefined && part.ranges.length > 0)
  if (isKept) return '; bytes that came are kept'
  return response === undefined && part === undefined && intent === undefined ? ', and nothing was fetched' : ''
}

/** Its size, if it has the digests that are expected; undefined if it is not there. */
async function verified(attempt: Attempt, name: string, whatCame: string): Promise<number | undefined> {
  const { assignment, folder, progress, signal, world } = attempt
  progress.phase('verifying')
  const path = join(folder.path, name)
  const file = await opened(attempt, name, whatCame)
  if (file === undefined) return undefined
  const algorithms = [...new Set(assignment.expectedDigests.map(({ algorithm }) => algorithm))]
  const following = world.hasher.follow(file, algorithms)
  try {
    const { size } = file.identity
    const digests = await following.finish(size, signal)
    const wrong = assignment.expectedDigests.find(({ algorithm, hex }) => digests.get(algorithm) !== hex)
    if (wrong === undefined) return size
    throw new AttemptFailed(
      new LonghaulError(
        'DIGEST_MISMATCH',
        `There is a file at ${path} with ${wrong.algorithm} ${digests.get(wrong.algorithm)}, but ${wrong.hex} was expected. It was left as it is${whatCame}.`,
        { hint: `Move it away, or have it replaced (ifExists: 'replace', --force).` },
      ),
      { kind: 'final' },
    )
  } catch (error) {
    if (signal.aborted) throw new AttemptStopped()
    throw error
  } finally {
    following.stop()
    await file.close()
  }
}

/** Of a person to look at; others pass. */
const unreadable: { readonly [C in FileFailureCause]?: readonly [code: ErrorCode, what: string, way: string] } = {
  'no permission': ['NO_PERMISSIONS_TO_READ_FILE', 'a file that the daemon may not read', 'Change its permissions'],
  'is a folder': ['FILE_IS_DIRECTORY', 'a folder', 'Name another place'],
  link: ['DESTINATION_EXISTS', 'a symbolic link, and links are not followed', 'Name the file that it leads to'],
  'not supported': ['DESTINATION_EXISTS', 'something that is not a file', 'Name another place'],
}

async function opened({ folder }: Attempt, name: string, whatCame: string): Promise<File | undefined> {
  try {
    return await folder.open(name, 'read')
  } catch (error) {
    if (!(error instanceof FileFailure)) throw error
    if (error.reason === 'not found') return undefined
    const said = unreadable[error.reason]
    if (said === undefined) throw error
    const [code, what, way] = said
    throw new AttemptFailed(
      new LonghaulError(
        code,
        `At ${join(folder.path, name)} there is ${what}, so the digest that is expected cannot be verified. It was left as it is${whatCame}.`,
        { cause: error, hint: `${way}, or move it away.` },
      ),
      { kind: 'final' },
    )
  }
}
