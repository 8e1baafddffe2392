/** From a whole part file to the finished one: its digest verified, its name changed by a recorded intent, its end told. */
import { join } from 'node:path'
import type { Delivered, PublishIntent } from '../../contract/bytes.ts'
import { digestOfText } from '../../contract/digests.ts'
import { LonghaulError } from '../../contract/errors.ts'
import type { ResponseJson } from '../../contract/task.ts'
import { FileFailure, type Folder } from '../../world/file-system.ts'
import type { HeaderList } from '../../world/transport.ts'
import { AttemptFailed, AttemptFenced, AttemptStopped, unfenced } from '../endings.ts'
import { destinationBusy, destinationExists, requireThere } from '../files/destination.ts'
import { numberedName, partName } from '../files/names.ts'
import { isSameFile, partIdentity, type PartFile } from '../files/part-file.ts'
import { DestinationTaken, place, publishedMode, recover } from '../files/publish.ts'
import { type Attempt, type Finished, restart } from './attempt.ts'
import { afresh } from './kept.ts'
import { skipped } from './skipped.ts'
import type { Verification } from './verification.ts'

export interface Whole {
  readonly part: PartFile
  /** Granted at the destination. */
  readonly name: string
  readonly bytes: number
  readonly lengthVerified: boolean
  readonly response: ResponseJson
  readonly verification: Verification
  readonly trailers: HeaderList
  /** Bytes of more than one answer are in it. */
  readonly joined: boolean
  /** Makes all of it count. */
  keep(): Promise<void>
}

/** Above this, losing the bytes to a stop while the rest of them is hashed would cost more than a sync. */
const worthKeeping = 16 * 1024 * 1024

/** So often a file may be in the place for the link and gone for the look at it, before another attempt looks again. */
const vanishedLimit = 5

export async function deliver(begun: Attempt, whole: Whole): Promise<Finished> {
  const { folder, progress, report } = begun
  const { part, bytes, name } = whole
  report.fetched()
  progress.phase('verifying')
  await part.trim(bytes)
  whole.verification.advance(bytes)
  if (bytes > worthKeeping && whole.verification.isWanted(whole.trailers)) await whole.keep()
  const digest = await whole.verification.finish(whole)
  const attempt = await afresh(begun)
  const { assignment } = attempt
  const how = howOf(assignment)
  // A crash before this sync leaves a part whose last checkpoint counts; after it, a whole one.
  await part.setMode(await publishedMode(folder, name, how, assignment.umask))
  await part.sync('all')
  const found = await part.named()
  if (found?.size !== bytes) {
    await restart(attempt, 'the finished part was changed or replaced by another program', 'bytes changed')
    throw new AttemptFailed(
      new LonghaulError(
        'CANNOT_MOVE_FILE',
        `${join(folder.path, part.name)} was changed by another program; it starts over.`,
        {
          retryable: true,
        },
      ),
      { kind: 'changed' },
    )
  }
  await requireThere(folder)
  if (attempt.signal.aborted) throw new AttemptStopped()
  progress.phase('delivering')
  const intent: PublishIntent = {
    folder: folder.path,
    name,
    how,
    identity: part.identity,
    bytes,
    ...(digest !== undefined && { digest }),
    lengthVerified: whole.lengthVerified || digest !== undefined,
    modifiedMs: found.modifiedMs,
  }
  return publish(attempt, part.name, intent, 'to be recorded', whole.response)
}

function howOf({ spooled, ifExists }: Attempt['assignment']): PublishIntent['how'] {
  return !spooled && (ifExists === 'replace' || ifExists === 'revalidate') ? 'replace' : 'link'
}

/** Records the intent, then changes names. From the record on nothing but publishing itself decides the end. */
async function publish(
  attempt: Attempt,
  part: string,
  first: PublishIntent,
  record: 'to be recorded' | 'recorded',
  response: ResponseJson | undefined,
): Promise<Finished> {
  const { assignment, folder } = attempt
  const original = assignment.name ?? first.name
  let intent = first
  const isFirstTry = record === 'to be recorded'
  let recorded = !isFirstTry
  for (let number = 1; ; number++) {
    if (recorded || (await recordIntent(attempt, intent))) {
      recorded = false
      try {
        await place(folder, part, intent)
        return finished(folder, intent, response, isFirstTry ? asPlaced(folder, intent) : await asFound(folder, intent))
      } catch (error) {
        if (!(error instanceof DestinationTaken)) throw error
        if (assignment.ifExists === 'skip') {
          const end = await skipped(attempt, intent.name, response)
          if (end !== undefined) {
            await folder.unlink(part)
            // The end that follows forgets the part; without this sync a cut could bring back a file that nobody knows of.
            await folder.sync()
            return end
          }
          if (number === vanishedLimit) throw new FileFailure('busy', join(folder.path, intent.name))
          recorded = true
          continue
        }
        if (assignment.ifExists !== 'keepBoth') throw destinationExists(folder, intent.name)
      }
    }
    intent = { ...intent, name: numberedName(original, number) }
  }
}

/** False: the name is another task's, try the next. */
async function recordIntent(attempt: Attempt, intent: PublishIntent): Promise<boolean> {
  const answer = unfenced(await attempt.report.intent(intent))
  // A cancel was committed before: the journal ends the task, nobody here says another word.
  if (answer === 'cancelled') throw new AttemptFenced()
  if (answer !== 'recorded') {
    if (attempt.assignment.ifExists === 'keepBoth') return false
    throw destinationBusy(attempt.folder, intent.name, answer.busyWith)
  }
  attempt.state.intentRecorded = true
  return true
}

/** After a crash, or where publishing failed in passing: what was under way is finished, or found to be lost. */
export async function finishPublishing(attempt: Attempt, intent: PublishIntent): Promise<Finished | 'start again'> {
  const { assignment, folder, progress, world } = attempt
  attempt.state.intentRecorded = true
  progress.phase('delivering')
  const part = assignment.part?.name ?? partName(intent.name, assignment.task)
  const hasDigest = async (name: string, text: string): Promise<boolean> => {
    const wanted = digestOfText(text)
    if (wanted === undefined) return false
    const file = await folder.open(name, 'read')
    try {
      const digests = await world.hasher.follow(file, [wanted.algorithm]).finish(intent.bytes, attempt.signal)
      return digests.get(wanted.algorithm) === wanted.hex
    } finally {
      await file.close()
    }
  }
  const recovery = await recover(folder, part, intent, hasDigest)
  if (recovery.found === 'published') return finished(folder, intent, undefined, await asFound(folder, intent))
  if (recovery.found === 'part') {
    // What was to be replaced was this download's own file; touched since, it is a file like others.
    const asks = intent.how === 'replace' && howOf(assignment) === 'link'
    try {
      return asks
        ? await publish(attempt, part, { ...intent, how: 'link' }, 'to be recorded', undefined)
        : await publish(attempt, part, intent, 'recorded', undefined)
    } catch (error) {
      await keepFinished(attempt, intent)
      throw error
    }
  }
  await restart(attempt, recovery.why, 'cannot go on')
  attempt.state.intentRecorded = false
  return 'start again'
}

/** A place that is taken does not cost the bytes: all of them were synced before the intent. */
async function keepFinished({ assignment, folder, report, world }: Attempt, intent: PublishIntent): Promise<void> {
  const { part } = assignment
  if (part?.representation === undefined) return
  const { folder: path, name, representation } = part
  try {
    await folder.sync()
    await report.checkpoint({
      part: { folder: path, name },
      identity: intent.identity,
      ranges: [[0, intent.bytes]],
      representation,
    })
  } catch (error) {
    world.log.warn('the finished bytes could not be kept', { task: assignment.task, error: String(error) })
  }
}

/** What was put in its place a moment ago: a name changes nothing of a file. */
function asPlaced(folder: Folder, { name, identity, bytes, modifiedMs }: PublishIntent): Delivered {
  return { folder: folder.path, name, identity, size: bytes, modifiedMs }
}

/** What may have been put in its place by an earlier attempt. It is published all the same if it cannot be told what it looks like now. */
async function asFound(folder: Folder, { name, identity }: PublishIntent): Promise<Delivered | undefined> {
  const found = await folder.look(name).catch((error: unknown) => {
    if (error instanceof FileFailure) return undefined
    throw error
  })
  if (found === undefined || !isSameFile(identity, found)) return undefined
  const { size, modifiedMs } = found
  return { folder: folder.path, name, identity: partIdentity(found), size, modifiedMs }
}

function finished(
  folder: Folder,
  intent: PublishIntent,
  response: ResponseJson | undefined,
  delivered: Delivered | undefined,
): Finished {
  return {
    kind: 'finished',
    result: {
      path: join(folder.path, intent.name),
      bytes: intent.bytes,
      lengthVerified: intent.lengthVerified,
      notModified: false,
      ...(intent.digest !== undefined && { digest: intent.digest }),
    },
    response,
    ...(delivered !== undefined && { delivered }),
  }
}

/** The server says that the file delivered before is still the same, and nobody has touched it here. */
export function notModified({ assignment: { delivered } }: Attempt): Finished {
  if (delivered === undefined) throw new Error('nothing was delivered before')
  const { file, digest, lengthVerified, response } = delivered
  return {
    kind: 'finished',
    result: {
      path: join(file.folder, file.name),
      bytes: file.size,
      lengthVerified,
      notModified: true,
      ...(digest !== undefined && { digest }),
    },
    response,
    delivered: file,
  }
}
