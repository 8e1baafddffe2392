/** What is there before the first question: bytes of an earlier attempt, a file of an earlier task. */
import type { ByteRanges, Delivered, Representation } from '../../contract/bytes.ts'
import { digestOfText, type ExpectedDigest } from '../../contract/digests.ts'
import { LonghaulError } from '../../contract/errors.ts'
import type { HeaderPairs } from '../../contract/task.ts'
import { FileFailure, type Folder } from '../../world/file-system.ts'
import type { Assignment } from '../assignment.ts'
import { AttemptFailed } from '../endings.ts'
import { isSameFile, type Lost, PartFile } from '../files/part-file.ts'
import { hasField } from '../http/fields.ts'
import { countBytes } from '../ranges.ts'
import { type Attempt, restart } from './attempt.ts'
import { provable } from './representation.ts'

export interface Kept {
  readonly part: PartFile
  /** At least one byte. */
  readonly ranges: ByteRanges
  readonly representation: Representation
  /** It lies beside an earlier destination; its bytes are copied once they are proven to be good. */
  readonly elsewhere: boolean
  close(): Promise<void>
}

/** The partial file of an earlier attempt, if bytes of it count and it is still what it was. */
export async function keptPart(attempt: Attempt): Promise<Kept | undefined> {
  const { part, folder: path } = attempt.assignment
  if (part?.identity === undefined || part.representation === undefined) return undefined
  if (countBytes(part.ranges) === 0) return undefined
  const elsewhere = part.folder !== path
  const folder = elsewhere ? await openElsewhere(attempt, part.folder) : attempt.folder
  if (folder === undefined) {
    await restart(attempt, 'the folder of the partial file is gone', 'cannot go on')
    return undefined
  }
  const release = async (): Promise<void> => {
    if (elsewhere) await folder.close()
  }
  let opened: PartFile | Lost
  try {
    opened = await PartFile.reopen(folder, part)
  } catch (error) {
    await release()
    throw error
  }
  if (opened instanceof PartFile) {
    const { ranges } = part
    const representation = provable(part.representation, attempt.assignment.request.url)
    const close = async (): Promise<void> => {
      await opened.close()
      await release()
    }
    return { part: opened, ranges, representation, elsewhere, close }
  }
  await release()
  // The folder of a disk that is not plugged in is often an empty one on another disk. Who has another place now does not wait for it.
  const { device } = part.identity
  if (opened.missing && !elsewhere && device !== '' && attempt.folder.identity.device !== device)
    throw new AttemptFailed(
      new LonghaulError(
        'DESTINATION_UNAVAILABLE',
        `${path} is on another device than before, and the partial file is not there; it waits for the first one.`,
      ),
      { kind: 'destination unavailable' },
    )
  await restart(attempt, opened.lost, 'cannot go on')
  return undefined
}

/**
 * Undefined: it is gone, perhaps with its disk. That is not waited for: another place is what a task is given when its disk does not
 * come back.
 */
async function openElsewhere(attempt: Attempt, path: string): Promise<Folder | undefined> {
  try {
    return await attempt.world.files.folder(path)
  } catch (error) {
    if (error instanceof FileFailure && (error.reason === 'not found' || error.reason === 'not a folder'))
      return undefined
    throw error
  }
}

/** The name at the destination, where it does not take an answer to know it. */
export function knownName({
  assignment: { spooled, name, ifExists, delivered, folder },
}: Pick<Attempt, 'assignment'>): string | undefined {
  if (spooled) return undefined
  if (name !== undefined || ifExists !== 'revalidate') return name
  return delivered?.file.folder === folder ? delivered.file.name : undefined
}

/**
 * The file that an earlier task of this key delivered, untouched since, is this download's own: the newest bytes may take
 * its place whatever `ifExists` says of files in general. Where it was touched or removed, `ifExists` decides.
 */
export async function ownFile(assignment: Assignment, folder: Folder): Promise<Assignment> {
  const { delivered, name } = assignment
  if (delivered === undefined || assignment.ifExists === 'revalidate') return assignment
  const { file } = delivered
  if (file.folder !== assignment.folder || (name !== undefined && name !== file.name)) return assignment
  return (await isUntouched(file, folder)) ? { ...assignment, ifExists: 'revalidate' } : assignment
}

/** Now that its name is known: only the very file that was delivered before is this download's own. */
export function named(attempt: Attempt, name: string): Attempt {
  const { assignment, asked } = attempt
  if (assignment.ifExists === asked || assignment.delivered?.file.name === name) return attempt
  return { ...attempt, assignment: { ...assignment, ifExists: asked } }
}

/** The attempt with what holds now: hours may have passed since its start, and the file may have been touched meanwhile. */
export async function afresh(attempt: Attempt): Promise<Attempt> {
  const { assignment, asked, folder } = attempt
  if (assignment.ifExists === asked) return attempt
  return { ...attempt, assignment: await ownFile({ ...assignment, ifExists: asked }, folder) }
}

/** Whether the file that an earlier task delivered is still in its place as it was left. */
export async function isStillDelivered({ assignment: { delivered }, folder }: Attempt): Promise<boolean> {
  return delivered !== undefined && delivered.file.folder === folder.path && isUntouched(delivered.file, folder)
}

async function isUntouched(file: Delivered, folder: Folder): Promise<boolean> {
  const there = await folder.look(file.name)
  if (there === undefined || !isSameFile(file.identity, there)) return false
  return there.size === file.size && there.modifiedMs === file.modifiedMs
}

const conditions = ['if-none-match', 'if-modified-since'] as const

/** The conditional fields for the file that an earlier task delivered, if nobody has touched it since. */
export async function revalidation(attempt: Attempt): Promise<HeaderPairs> {
  const { ifExists, delivered, expectedDigests, expectedLength, folder, request } = attempt.assignment
  if (ifExists !== 'revalidate' || delivered === undefined) return []
  // A 304 would answer the user's own condition, which says nothing of the file here.
  if (conditions.some((name) => hasField(request.headers, name))) return []
  const { file, lengthVerified } = delivered
  // Of a file that may have been cut, a validator says what its whole is, and not that it is here.
  if (!lengthVerified) return []
  if (file.folder !== folder || file.name !== knownName(attempt)) return []
  if (expectedLength !== undefined && expectedLength !== file.size) return []
  if (expectedDigests.length > 0 && !hadThem(expectedDigests, delivered.digest)) return []
  if (!(await isUntouched(file, attempt.folder))) return []
  const representation = provable(delivered.representation, request.url)
  if (representation.etag !== undefined) return [['if-none-match', representation.etag]]
  if (representation.lastModified !== undefined) return [['if-modified-since', representation.lastModified]]
  return []
}

/**
 * Whether the earlier task verified the digests that are expected now. The journal gives a key's file only to a task that
 * expects the same, so a digest that does not contradict them was verified beside them.
 */
function hadThem(expected: readonly ExpectedDigest[], verified: string | undefined): boolean {
  const had = verified === undefined ? undefined : digestOfText(verified)
  return had !== undefined && !expected.some(({ algorithm, hex }) => algorithm === had.algorithm && hex !== had.hex)
}
