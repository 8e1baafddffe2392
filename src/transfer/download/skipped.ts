/** A file is in the place, and the user wants it left alone. A digest that is expected is expected of it too. */
import { join } from 'node:path'
import { digestText, strongestDigest } from '../../contract/digests.ts'
import { LonghaulError } from '../../contract/errors.ts'
import type { ResponseJson } from '../../contract/task.ts'
import { type File, FileFailure, type FileFailureCause } from '../../world/file-system.ts'
import { AttemptFailed, AttemptStopped } from '../endings.ts'
import type { Attempt, Finished } from './attempt.ts'

/**
 * Undefined: it has gone meanwhile, and the place is free.
 * @throws AttemptFailed DIGEST_MISMATCH, NO_PERMISSIONS_TO_READ_FILE; AttemptStopped;
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
  const file = await opened(attempt, name)
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
const unreadable: readonly FileFailureCause[] = ['no permission', 'is a folder', 'link', 'not supported']

async function opened({ folder }: Attempt, name: string): Promise<File | undefined> {
  try {
    return await folder.open(name, 'read')
  } catch (error) {
    if (error instanceof FileFailure && error.reason === 'not found') return undefined
    if (!(error instanceof FileFailure) || !unreadable.includes(error.reason)) throw error
    throw new AttemptFailed(
      new LonghaulError(
        'NO_PERMISSIONS_TO_READ_FILE',
        `What is at ${join(folder.path, name)} cannot be read (${error.reason}), so its digest cannot be verified. It was left as it is.`,
        { cause: error },
      ),
      { kind: 'final' },
    )
  }
}
