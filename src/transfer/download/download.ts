/**
 * The story of one attempt: ask, prove, reserve, lay, verify, publish. Only this file sees more than one of them. Every
 * chapter may end it by throwing an ending (`endings.ts`); here it becomes the one outcome.
 */
import type { ByteRanges, Representation } from '../../contract/bytes.ts'
import { LonghaulError } from '../../contract/errors.ts'
import { maskUrl, type ResponseJson } from '../../contract/task.ts'
import type { TaskId } from '../../contract/words.ts'
import type { Assignment, Outcome, Report } from '../assignment.ts'
import { asEnding, AttemptFailed, AttemptFenced, AttemptStopped, unfenced } from '../endings.ts'
import { candidateNames, checkPlace, destinationBusy, openDestination } from '../files/destination.ts'
import { partName, spoolName } from '../files/names.ts'
import { PartFile } from '../files/part-file.ts'
import { isRedirect } from '../http/redirect.ts'
import { ask } from '../http/request.ts'
import { Measures } from '../measures.ts'
import { countBytes, prefixLength, withoutRange } from '../ranges.ts'
import { type Attempt, type AttemptWorld, type Finished, Progress, restart } from './attempt.ts'
import { deliver, finishPublishing, notModified } from './delivery.ts'
import { isStillDelivered, type Kept, keptPart, knownName, named, ownFile, revalidation } from './kept.ts'
import type { JoiningFacts } from './joining.ts'
import { Laying } from './laying.ts'
import { openBytes, type Opening, type OpeningFacts } from './opening.ts'
import { isAcceptable } from './refusal.ts'
import { skipped } from './skipped.ts'
import { refuseOtherFile, Verification } from './verification.ts'

/** An outcome whose measure is still to come. */
type Ending = Outcome extends infer O ? (O extends Outcome ? Omit<O, 'measure'> : never) : never

/** Resolves with the outcome; never rejects. */
export async function download(
  assignment: Assignment,
  report: Report,
  world: AttemptWorld,
  signal: AbortSignal,
): Promise<Outcome> {
  const measures = new Measures()
  const state = { progressed: false, intentRecorded: false }
  const { part } = assignment
  const kept = { bytes: part === undefined ? 0 : countBytes(part.ranges), total: part?.representation?.total }
  const progress = new Progress(report, world.clock, kept)
  let ending: Ending
  try {
    progress.phase('connecting')
    const folder = await openDestination(world.files, assignment.folder, settledFolder(assignment))
    try {
      ending = await tell({
        assignment: await ownFile(assignment, folder),
        asked: assignment.ifExists,
        report,
        world,
        measures,
        progress,
        folder,
        signal,
        state,
      })
    } finally {
      await folder.close()
    }
  } catch (thrown) {
    const end = asEnding(thrown)
    if (end instanceof AttemptFenced) ending = { kind: 'fenced' }
    else if (end instanceof AttemptStopped || signal.aborted) ending = { kind: 'stopped' }
    else ending = { kind: 'failed', error: end.error, failure: end.failure, progressed: state.progressed }
  } finally {
    progress.stop()
  }
  return { ...ending, measure: measures.taken() }
}

/** Kept bytes, where they are to be gone on from, say better than their folder whether they are here. */
function settledFolder({ folder, folderIdentity, intent, part }: Assignment): Assignment['folderIdentity'] {
  const isPart = part?.folder === folder && part.identity !== undefined && countBytes(part.ranges) > 0
  return isPart && intent === undefined ? undefined : folderIdentity
}

async function tell(attempt: Attempt): Promise<Finished> {
  const { assignment, folder, world } = attempt
  if (assignment.intent !== undefined) {
    const finished = await finishPublishing(attempt, assignment.intent)
    if (finished !== 'start again') return finished
  }
  const name = knownName(attempt)
  if (name !== undefined && (await checkPlace(folder, name, assignment.ifExists)) === 'skip') {
    const end = await skipped(attempt, name, undefined)
    if (end !== undefined) return end
  }

  const kept = assignment.intent === undefined ? await keptPart(attempt) : undefined
  try {
    // Before the server is asked: while a disk stays full, it is not troubled by each look at it.
    const total = kept?.representation.total
    if (kept?.elsewhere === false && total !== undefined)
      await world.room.require(folder, total - countBytes(kept.ranges))
    const { acceptableStatusCodes: acceptable } = assignment.policy
    const wants = (status: number): boolean => !isRedirect(status) && isAcceptable(status, acceptable)
    const policy = { ...assignment.policy, wants }
    const facts: OpeningFacts = {
      request: assignment.request,
      kept,
      revalidate: kept === undefined ? await revalidation(attempt) : [],
      delivered: assignment.delivered?.representation,
      digest: assignment.expectedDigests.length > 0 ? 'digest expected' : 'no digest',
      acceptable,
      ask: (request) => ask(request, policy, { ...world, measures: attempt.measures }, attempt.signal),
      refuseOther: (answer, representation) => refuseOther(assignment, answer.response, representation),
      restart: (why, because) => restart(attempt, why, because),
      waitsForFirstPlace: () => world.absences.another(assignment.task),
      clock: world.clock,
    }
    let opening = await openBytes(facts)
    if (opening.kind === 'continued') world.absences.forget(assignment.task)
    if (opening.kind === 'not modified') {
      // It says nothing of the file here, which may have gone while the server was asked.
      if (await isStillDelivered(attempt)) return notModified(attempt)
      opening = await openBytes({ ...facts, revalidate: [] })
      // Without a condition it cannot be; the compiler does not know.
      if (opening.kind === 'not modified') throw new Error('nothing was asked conditionally')
    }
    try {
      return await receive(attempt, opening, kept)
    } finally {
      opening.answer.close()
    }
  } finally {
    await kept?.close()
  }
}

async function receive(begun: Attempt, opening: Received, kept: Kept | undefined): Promise<Finished> {
  const { answer, representation } = opening
  const wanted = wantedName(begun.assignment, answer.response)
  const attempt = named(begun, wanted)
  const { assignment, folder } = attempt
  const { total } = representation
  refuseOther(assignment, answer.response, representation)
  const offset = opening.kind === 'continued' ? opening.offset : 0
  const continued = opening.kind === 'continued' ? kept : undefined
  const ranges: ByteRanges = continued?.ranges ?? []
  // Not the byte that is asked for again as a proof.
  const there = countBytes(withoutRange(ranges, offset, offset + 1))
  const needed = total === undefined ? undefined : continued?.elsewhere ? total : total - there
  using _room =
    needed === undefined
      ? undefined
      : await attempt.world.room.take(folder, needed, () => attempt.progress.bytes - there)
  // What is to be replaced anyway was looked at before the server was asked, if its name was known then.
  const isChecked = wanted === knownName(begun) && assignment.ifExists !== 'skip' && assignment.ifExists !== 'fail'
  if (!assignment.spooled && !isChecked && (await checkPlace(folder, wanted, assignment.ifExists)) === 'skip') {
    const end = await skipped(attempt, wanted, answer.response)
    if (end !== undefined) return end
  }
  // No other connection would fetch any of it: when it is here, while its name is reserved, its own may serve the next task. Not where
  // bandwidth is limited: the next would come before this one is paid for.
  const isFree = attempt.world.throttle?.step === undefined
  if (isFree && opening.kind === 'whole' && total !== undefined && total < attempt.world.sizes.worthJoining)
    answer.arrived(() => attempt.report.fetched())
  const { name, partFileName, alike } = await reserve(attempt, opening, wanted, continued)

  // Where kept bytes were given up, that is recorded; a crash here leaves a file that the journal owes.
  if (continued === undefined) await kept?.part.discard()
  const adopted = continued?.elsewhere === false ? continued.part : undefined
  const part = adopted ?? (await PartFile.create(folder, partFileName))
  const verification = new Verification(attempt, part, answer.response, representation)
  try {
    if (alike !== undefined && (await part.isNamedInAnyCase())) {
      if (adopted === undefined) await part.discard()
      throw destinationBusy(folder, name, alike)
    }
    // Before it is seen to transfer: who looks then can tell whether it goes on or began anew.
    if (opening.kind === 'continued') {
      attempt.measures.proven(opening.proof)
      const resumed = { offset: there, proof: opening.proof, ...(total !== undefined && { total }) }
      unfenced(await attempt.report.resumed(resumed))
    }
    attempt.progress.transferring(there, total)
    if (continued !== undefined && adopted === undefined) await move(attempt, continued, part, representation)
    verification.advance(prefixLength(withoutRange(ranges, offset, offset + 1)))
    const until = opening.kind === 'continued' ? opening.until : undefined
    const joining = joiningFacts(attempt)
    const laying = new Laying(attempt, {
      answer,
      part,
      representation,
      offset,
      until,
      ranges,
      safe: countBytes(ranges),
      joining,
      verification,
    })
    try {
      const laid = await laying.lay()
      const joined = continued !== undefined || laid.joined
      return await deliver(attempt, {
        ...laid,
        part,
        name,
        response: answer.response,
        verification,
        joined,
        keep: () => laying.keep(),
      })
    } catch (thrown) {
      throw await keptEnd(attempt, laying, part, laying.causeOf(thrown))
    } finally {
      attempt.state.progressed = laying.progressed
    }
  } finally {
    verification.stop()
    if (adopted === undefined) await part.close()
  }
}

/** Where a head announces another file than the user expects, none of its bytes are of use. @throws AttemptFailed */
function refuseOther(
  { expectedDigests, expectedLength }: Assignment,
  response: ResponseJson,
  { total }: Representation,
): void {
  if (expectedLength !== undefined && total !== undefined && expectedLength !== total)
    throw new AttemptFailed(
      new LonghaulError(
        'LENGTH_MISMATCH',
        `${maskUrl(response.url)} has ${total} bytes instead of the ${expectedLength} that you expect.`,
        { retryable: false },
      ),
      { kind: 'final' },
    )
  refuseOtherFile(expectedDigests, response)
}

/** How a further connection is asked for. Each is asked as the first was, redirects included: their targets may expire. */
function joiningFacts({ assignment, world, measures, signal }: Attempt): JoiningFacts {
  const { request, policy, expectedDigests } = assignment
  return {
    request,
    digest: expectedDigests.length > 0 ? 'digest expected' : 'no digest',
    ask: (asked, stop) => ask(asked, policy, { ...world, measures }, AbortSignal.any([signal, stop])),
    clock: world.clock,
    firstPlace: { refused: false },
  }
}

/**
 * Kept bytes into a part in another folder. They count where they are until all of them are safe in their new place: whatever
 * interrupts it, the copy is what is lost.
 */
async function move(attempt: Attempt, kept: Kept, part: PartFile, representation: Representation): Promise<void> {
  const { ranges } = kept
  for (const [from, to] of ranges) await part.copy(kept.part, from, to, () => stopIfAsked(attempt))
  await part.sync('data')
  unfenced(await attempt.report.checkpoint({ part: part.place, identity: part.identity, ranges, representation }))
}

function stopIfAsked(attempt: Attempt): void {
  if (attempt.signal.aborted) throw new AttemptStopped()
}

type Received = Exclude<Opening, { kind: 'not modified' }>

function wantedName({ name, spooled, task }: Assignment, response: ResponseJson): string {
  const safe = response.suggestedFilename ?? 'download'
  return spooled ? spoolName(safe, task) : (name ?? safe)
}

/** Before the first byte: the name at the destination is ours from here on, and so is that of the part file. */
async function reserve(
  attempt: Attempt,
  { answer, representation }: Received,
  wanted: string,
  continued: Kept | undefined,
): Promise<{ readonly name: string; readonly partFileName: string; readonly alike: TaskId | undefined }> {
  const { assignment, folder, report } = attempt
  const inPlace = continued?.elsewhere === false
  const partFileName = inPlace ? continued.part.name : partName(wanted, assignment.task)
  const facts = {
    response: answer.response,
    representation,
    folder: assignment.folder,
    place: { device: folder.identity.device, inode: folder.identity.inode },
    part: { folder: assignment.folder, name: partFileName },
    kept: inPlace ? 'in place' : continued === undefined ? 'none' : 'to be copied',
  } as const
  let busyWith: TaskId | undefined
  for await (const names of assignment.spooled ? [[wanted]] : candidateNames(folder, wanted, assignment.ifExists)) {
    const granted = unfenced(await report.reserve({ ...facts, names }))
    // Nobody else writes to the spool, so the journal grants no name there.
    if (!('busyWith' in granted))
      return { name: assignment.spooled ? wanted : granted.name, partFileName, alike: granted.alike }
    busyWith ??= granted.busyWith
  }
  throw destinationBusy(folder, wanted, busyWith ?? assignment.task)
}

/** What is written is kept when the attempt ends early, also when it is stopped; unless what is written is of no use. */
async function keptEnd(attempt: Attempt, laying: Laying, part: PartFile, thrown: unknown): Promise<unknown> {
  if (thrown instanceof AttemptFenced) return thrown
  if (thrown instanceof AttemptFailed && (thrown.failure.kind === 'digest' || thrown.failure.kind === 'changed'))
    return thrown
  try {
    // Its name may have become the destination's before publishing failed. To call it lost then would take back the intent
    // and fetch again what is in its place already; as it is, the next attempt recovers by the intent.
    if (attempt.state.intentRecorded && !(await part.isStillNamed())) return thrown
    await laying.keep()
  } catch (error) {
    // After the intent only its own end counts.
    if (error instanceof AttemptFenced && !attempt.state.intentRecorded) return error
    if (error instanceof AttemptFailed && error.failure.kind === 'changed') return error
    attempt.world.log.warn('the last bytes could not be kept', { task: attempt.assignment.task, error: String(error) })
  }
  return thrown
}
