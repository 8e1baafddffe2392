/**
 * Looks at destinations before tasks are enqueued, so that a mistake is told at once and not after the download. Each distinct
 * folder is opened once a call; a file is looked at where its presence would refuse the task, and in small calls, where a look
 * costs nothing, also for a folder in its place. Everything is checked again when the file is published.
 */
import type { PartIdentity } from '../contract/bytes.ts'
import { LonghaulError } from '../contract/errors.ts'
import type { Destination, IfExists } from '../contract/task.ts'
import type { Folders } from '../journal/journal.ts'
import { FileFailure, type FileSystem, type Folder } from '../world/file-system.ts'

export interface DestinationRow {
  readonly destination: Destination
  readonly ifExists: IfExists
  /** It may be there already, with its file: a repeat is not refused. */
  readonly mayExist: boolean
}

/** Above this many rows a call only looks where it must. */
const smallCall = 64

/** Answers what the folders are. @throws the first row's error with its `index`: DESTINATION_UNAVAILABLE, CANNOT_CREATE_FILE, DESTINATION_EXISTS, FILE_IS_DIRECTORY */
export async function checkDestinations(files: FileSystem, rows: readonly DestinationRow[]): Promise<Folders> {
  const found = new Map<string, PartIdentity>()
  const byFolder = new Map<string, number[]>()
  rows.forEach(({ destination }, index) => {
    if (destination.kind === 'spool') return
    const indexes = byFolder.get(destination.folder)
    if (indexes === undefined) byFolder.set(destination.folder, [index])
    else indexes.push(index)
  })
  for (const [path, indexes] of byFolder) {
    const folder = await open(files, path, indexes[0]!)
    if (folder === undefined) continue
    const { inode, birthMs, device } = folder.identity
    found.set(path, { inode, birthMs, device })
    try {
      await Promise.all(indexes.map((index) => checkRow(folder, rows[index]!, index, rows.length <= smallCall)))
    } finally {
      await folder.close()
    }
  }
  return found
}

/** Undefined: that cannot be told in this moment, and says nothing against the folder; the attempt will look. */
async function open(files: FileSystem, path: string, index: number): Promise<Folder | undefined> {
  try {
    return await files.folder(path)
  } catch (cause) {
    const reason = cause instanceof FileFailure ? cause.reason : undefined
    if (reason === 'too many open files') return undefined
    if (reason === 'not found')
      throw new LonghaulError(
        'DESTINATION_UNAVAILABLE',
        `The folder ${path} does not exist. Nothing was enqueued; make the folder, or choose another one.`,
        { cause, index, hint: 'Make the folder, or choose another one.' },
      )
    if (reason === 'not a folder')
      throw new LonghaulError(
        'CANNOT_CREATE_FILE',
        `${path} is not a folder. Nothing was enqueued; choose another one.`,
        {
          cause,
          index,
        },
      )
    throw new LonghaulError(
      'CANNOT_CREATE_FILE',
      `The folder ${path} cannot be opened (${cause instanceof Error ? cause.message : String(cause)}). Nothing was enqueued.`,
      { cause, index },
    )
  }
}

type LookAlways = boolean

async function checkRow(folder: Folder, row: DestinationRow, index: number, always: LookAlways): Promise<void> {
  const { destination, ifExists } = row
  if (destination.kind !== 'file' || (ifExists !== 'fail' && ifExists !== 'skip' && !always)) return
  const path = `${folder.path}/${destination.name}`
  const found = await folder.look(destination.name).catch((cause: unknown) => {
    throw new LonghaulError(
      'CANNOT_CREATE_FILE',
      `It cannot be told what is at ${path} (${cause instanceof Error ? cause.message : String(cause)}). Nothing was enqueued; look at the disk, then do it again.`,
      { cause, index },
    )
  })
  if (found === undefined) return
  if (found.kind === 'folder')
    throw new LonghaulError(
      'FILE_IS_DIRECTORY',
      `There is a folder at ${path}, where the file should go. Nothing was enqueued; end the path with a separator to put the file into it.`,
      { index },
    )
  if (ifExists === 'fail' && !row.mayExist)
    throw new LonghaulError(
      'DESTINATION_EXISTS',
      `There is already a file at ${path}. Nothing was enqueued, and the file was not touched.`,
      { index },
    )
}
