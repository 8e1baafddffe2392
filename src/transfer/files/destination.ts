/** Looks at the place where a file will go: whether it is there, and free. Never makes a folder. */
import type { PartIdentity } from '../../contract/bytes.ts'
import { LonghaulError } from '../../contract/errors.ts'
import type { IfExists } from '../../contract/task.ts'
import { FileFailure, type FileIdentity, type FileSystem, type Folder } from '../../world/file-system.ts'
import { AttemptFailed } from '../endings.ts'
import { numberedName } from './names.ts'

/** @param settled what the folder was when the place was settled. @throws AttemptFailed DESTINATION_UNAVAILABLE */
export async function openDestination(
  files: FileSystem,
  path: string,
  settled: PartIdentity | undefined,
): Promise<Folder> {
  const folder = await openFolder(files, path)
  if (settled === undefined || isSamePlace(settled, folder.identity)) return folder
  await folder.close()
  throw new AttemptFailed(
    new LonghaulError(
      'DESTINATION_UNAVAILABLE',
      `${path} is on another device than when the task was added; it waits for that one.`,
      { hint: 'Bring it back, or cancel the task and retry it with another place, or with this one as it is now.' },
    ),
    { kind: 'destination unavailable' },
  )
}

/**
 * The folder of a disk that is not plugged in is often an empty one on another disk. A folder that was made anew on its disk is the
 * same place, and so is the very folder of a disk that was plugged in again and has another number since; as inodes of folders that
 * disks are plugged into differ from those of the disks' own, this holds without times of birth. Of another boot nobody
 * knows. File systems that number their folders anew at each mount (FAT, exFAT) are not known again under another device.
 */
function isSamePlace(settled: PartIdentity, found: FileIdentity): boolean {
  if (settled.device === '' || settled.device === found.device) return true
  return settled.inode === found.inode && settled.birthMs === found.birthMs
}

async function openFolder(files: FileSystem, path: string): Promise<Folder> {
  try {
    return await files.folder(path)
  } catch (error) {
    if (!(error instanceof FileFailure) || error.reason === 'too many open files') throw error
    throw new AttemptFailed(
      new LonghaulError('DESTINATION_UNAVAILABLE', `The folder ${path} cannot be used: ${error.reason}.`, {
        cause: error,
      }),
      { kind: 'destination unavailable' },
    )
  }
}

/**
 * The folder that is held may have been moved away, or covered by another: then its files are not where the user will look.
 * @throws AttemptFailed DESTINATION_UNAVAILABLE
 */
export async function requireThere(folder: Folder): Promise<void> {
  if (await folder.isStillThere()) return
  throw new AttemptFailed(
    new LonghaulError(
      'DESTINATION_UNAVAILABLE',
      `The folder ${folder.path} was moved away or replaced while its file was fetched; the file waits until it is back.`,
    ),
    { kind: 'destination unavailable' },
  )
}

/** Before bytes are spent on it. @throws AttemptFailed DESTINATION_EXISTS, CANNOT_MOVE_FILE */
export async function checkPlace(folder: Folder, name: string, ifExists: IfExists): Promise<'go on' | 'skip'> {
  const there = await folder.look(name)
  if (there === undefined) return 'go on'
  if (ifExists === 'skip') return 'skip'
  const isInTheWay = there.kind === 'folder' || there.kind === 'other'
  if (isInTheWay && ifExists !== 'keepBoth') {
    const what = there.kind === 'folder' ? 'a folder' : 'a device, a pipe or a socket'
    throw new AttemptFailed(
      new LonghaulError('CANNOT_MOVE_FILE', `There is ${what} at ${folder.path}/${name}, where the file should go.`),
      { kind: 'final' },
    )
  }
  if (ifExists === 'fail') throw destinationExists(folder, name)
  return 'go on'
}

/** What is kept of the file that was to go there is told with the task. */
export function destinationExists(folder: Folder, name: string): AttemptFailed {
  return new AttemptFailed(
    new LonghaulError('DESTINATION_EXISTS', `There is already a file at ${folder.path}/${name}.`),
    { kind: 'final' },
  )
}

export function destinationBusy(folder: Folder, name: string, task: string): AttemptFailed {
  return new AttemptFailed(
    new LonghaulError('DESTINATION_BUSY', `Task ${task} is writing to ${folder.path}/${name} and has not ended.`),
    { kind: 'final' },
  )
}

/** How many names are offered first; each time that others have all of them, twice as many. */
const firstOffer = 8
const highestNumber = 9999

/**
 * Names to try in turn, in offers of several: the next one is for whoever was granted none of the last. With `keepBoth` those that
 * nothing in the folder has yet: `name`, `name (1)`, …
 *
 * @throws AttemptFailed DESTINATION_EXISTS where there is no such name
 */
export async function* candidateNames(
  folder: Folder,
  name: string,
  ifExists: IfExists,
): AsyncGenerator<readonly string[], void> {
  if (ifExists !== 'keepBoth') {
    yield [name]
    return
  }
  let [offer, offers, most]: [string[], number, number] = [[], 0, firstOffer]
  for (let number = 0; number <= highestNumber; number++) {
    const candidate = number === 0 ? name : numberedName(name, number)
    if ((await folder.look(candidate)) !== undefined) continue
    offer.push(candidate)
    if (offer.length < most) continue
    yield offer
    ;[offer, offers, most] = [[], offers + 1, most * 2]
  }
  if (offer.length > 0) yield offer
  else if (offers === 0) throw destinationExists(folder, name)
}
