/**
 * Puts a finished part in its place so that at every moment the destination is what it was or the whole new file. By then the
 * part is synced; an intent is recorded before the first name changes, and recovered from whatever a crash left.
 *
 * | a crash after | leaves | recovery |
 * | --- | --- | --- |
 * | the intent, or a rename that the cut lost | part has the identity, destination is old | place it |
 * | link | both names have it | sync folder, unlink part, sync folder |
 * | rename, unlink, sync | destination has it, no part | sync folder; it is published |
 * | the same, then changed in place | destination has it with another size or time | the same |
 * | the same, then replaced or removed | neither name has it | published only if the digest agrees; else fetched again |
 */
import type { PublishIntent } from '../../contract/bytes.ts'
import { LonghaulError } from '../../contract/errors.ts'
import { FileFailure, type FileIdentity, type Folder } from '../../world/file-system.ts'
import { AttemptFailed } from '../endings.ts'
import { isSameFile } from './part-file.ts'

/** There is a file of somebody else, and it is not to be replaced. */
export class DestinationTaken extends Error {
  override readonly name = 'DestinationTaken'
}

/** The mode of the published file: that of the file it replaces, else what the user's umask leaves of 0666. */
export async function publishedMode(
  folder: Folder,
  name: string,
  how: 'replace' | 'link',
  umask: number,
): Promise<number> {
  const replaced = how === 'replace' ? await folder.look(name) : undefined
  return replaced?.kind === 'file' ? replaced.mode & 0o777 : 0o666 & ~umask
}

/** Harmless to repeat at any point. @throws DestinationTaken, AttemptFailed CANNOT_MOVE_FILE, FileFailure */
export async function place(folder: Folder, part: string, intent: PublishIntent): Promise<void> {
  if (intent.how === 'replace') return renameInto(folder, part, intent.name)
  try {
    await folder.link(part, intent.name)
  } catch (error) {
    if (!(error instanceof FileFailure)) throw error
    if (error.reason === 'exists') return findOurs(folder, part, intent)
    if (error.reason !== 'not supported') throw error
    // No links here. Between the look and the rename another program could put a file there and lose it; our own tasks
    // cannot, because the name is reserved.
    if ((await folder.look(intent.name)) !== undefined) throw new DestinationTaken()
    return renameInto(folder, part, intent.name)
  }
  return settle(folder, part)
}

/** There is something in its place: it may be the file itself, from a try that a crash cut off after the link. */
async function findOurs(folder: Folder, part: string, intent: PublishIntent): Promise<void> {
  const there = await folder.look(intent.name)
  // It has gone again.
  if (there === undefined) return place(folder, part, intent)
  if (there.kind === 'folder') throw folderInPlace(folder, intent.name)
  if (!isSameFile(intent.identity, there)) throw new DestinationTaken()
  return settle(folder, part)
}

async function renameInto(folder: Folder, part: string, name: string): Promise<void> {
  try {
    // A link in the last place is replaced, not followed. A crash before the sync leaves the old file or the new one.
    await folder.rename(part, name)
  } catch (error) {
    // What the system says of a folder in its place differs.
    const there = await folder.look(name).catch(() => undefined)
    throw there?.kind === 'folder' ? folderInPlace(folder, name) : error
  }
  await folder.sync()
}

/** After the link. */
async function settle(folder: Folder, part: string): Promise<void> {
  // Without this sync a cut could keep the unlink and lose the link: the file would be gone.
  await folder.sync()
  await folder.unlink(part)
  await folder.sync()
}

function folderInPlace(folder: Folder, name: string): AttemptFailed {
  return new AttemptFailed(
    new LonghaulError('CANNOT_MOVE_FILE', `There is a folder at ${folder.path}/${name}; the finished bytes are kept.`),
    { kind: 'final' },
  )
}

export type Recovery =
  | { readonly found: 'published' }
  /** Nothing has happened yet: {@link place} it. */
  | { readonly found: 'part' }
  | { readonly found: 'nothing'; readonly why: string }

/** What a crash after the intent left. `hasDigest` reads the intent's bytes of a file of the folder; 'sha-256:HEX' or another. */
export async function recover(
  folder: Folder,
  part: string,
  intent: PublishIntent,
  hasDigest: (name: string, digest: string) => Promise<boolean>,
): Promise<Recovery> {
  const partFound = await folder.look(part)
  const partIsOurs = partFound !== undefined && isSameFile(intent.identity, partFound)
  // A cut may have brought back what stood under the part's name before: an older part, of no use to anybody.
  const isLeftOver = partFound?.kind === 'file' && partFound.links === 1 && !partIsOurs
  const there = await folder.look(intent.name)
  if (
    there !== undefined &&
    isSameFile(intent.identity, there) &&
    (intent.identity.birthMs !== 0 || isUntouched(intent, there))
  ) {
    if (partIsOurs || isLeftOver) await settle(folder, part)
    else await folder.sync()
    return { found: 'published' }
  }
  if (partIsOurs) {
    if (isUntouched(intent, partFound)) return { found: 'part' }
    return { found: 'nothing', why: 'the finished part was changed by another program before it was published' }
  }
  // What is owed from now on is the part of the intent, and this is another file: nobody would remove it later.
  if (isLeftOver) await settle(folder, part)
  if (
    intent.digest !== undefined &&
    there?.kind === 'file' &&
    there.size === intent.bytes &&
    (await hasDigest(intent.name, intent.digest))
  )
    return { found: 'published' }
  return {
    found: 'nothing',
    why: 'the finished file was removed or replaced by another program while it was published',
  }
}

function isUntouched(intent: PublishIntent, found: FileIdentity): boolean {
  return found.size === intent.bytes && found.modifiedMs === intent.modifiedMs
}
