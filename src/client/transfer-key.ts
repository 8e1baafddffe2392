/** Under which key the short way and the command line find a transfer again. */
import { createHash } from 'node:crypto'
import { join, sep } from 'node:path'
import { digestText } from '../contract/digests.ts'
import type { NewTask } from '../contract/task.ts'

/**
 * Method, address, absolute target and expected digests: who corrects a digest wants another transfer. Where the caller names
 * the file, the query does not count: it is the same file, and a signed address changes there. Where the server names it, the
 * query counts: `?id=1` and `?id=2` into one folder are two files, and to take one for the other would lose one of them.
 */
export function transferKey({
  request,
  destination,
  expectedDigests = [],
}: Pick<NewTask, 'request' | 'destination' | 'expectedDigests'>): string {
  const url = new URL(request.url)
  if (destination.kind === 'file') url.search = ''
  const target =
    destination.kind === 'spool'
      ? ''
      : destination.kind === 'file'
        ? join(destination.folder, destination.name)
        : destination.folder + sep
  return createHash('sha256')
    .update(JSON.stringify([request.method, url.href, target, ...expectedDigests.map(digestText).toSorted()]))
    .digest('hex')
    .slice(0, 32)
}
