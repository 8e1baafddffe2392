/**
 * The life of an attempt. Every command carries the fence that `startAttempt` gave; one with an old fence changes nothing and is
 * told so, but for the last checkpoint of one that was stopped from outside. Cancel, suspend, hold, a changed request and the deadline
 * raise the fence in their own commit, so that it does not matter whether their stop message arrives before or after the
 * attempt's next write.
 *
 * The publish intent is the point of no return: from its commit to the attempt's end nothing raises the fence.
 *
 * It is long because it is one state machine: every command that an attempt may give, each beside its guard.
 */
import type { Delivered, PartIdentity, PublishIntent } from '../contract/bytes.ts'
import type { ErrorCode } from '../contract/errors.ts'
import type { RequestFacts, ResponseJson, TaskResult } from '../contract/task.ts'
import { configurationOf } from './configurations.ts'
import type { CommandInput, CommandOutput, Fenced, Moment, Recorded, StartedAttempt } from './journal.ts'
import { cancelledError, closeAttempt, endTask, timedOutError } from './endings.ts'
import { currentBoot, identityIn, owe, owePart, partOf, partRow, pathKey, reclaim, type StoredIntent } from './files.ts'
import { noWait, originOfLane, settle, type TaskChanges } from './lanes.ts'
import { publish, type StoredDelivered } from './outbox.ts'
import { type Taken, takeName, takePath } from './places.ts'
import { findTask, json, maybe, optionsOf, parse, textOf, type TaskOptions } from './records.ts'
import type { TaskRow } from './rows.ts'
import { sessionRow } from './sessions.ts'
import { silenceBefore } from './silence.ts'
import type { Store } from './store.ts'
import { timeOut } from './wake.ts'
import type { Work } from './work.ts'

const fenced: Fenced = { found: 'fenced' }
const recorded: Recorded = { found: 'recorded' }

/** The task, if this attempt is still the one. */
function running(store: Store, uid: string, fence: number): TaskRow | undefined {
  const task = findTask(store, uid)
  return task !== undefined && task.running !== null && task.fence === fence ? task : undefined
}

/**
 * The task, if this attempt was its last and was stopped from outside: nobody else writes to the part before the next one is
 * started, which raises the fence again, or before somebody retries it, who has its bytes from then on. The end of an attempt by itself,
 * or with its life, raises it by two (`closeAttempt`).
 */
function justStopped(store: Store, uid: string, fence: number): TaskRow | undefined {
  const task = findTask(store, uid)
  if (task === undefined || task.running !== null || task.fence !== fence + 1) return undefined
  if (task.gate !== 'done') return partRow(store, task.id) === undefined ? undefined : task
  return store.get('select 1 from task where retry_of = ?', task.id) === undefined ? task : undefined
}

export function startAttempt(work: Work, input: CommandInput<'startAttempt'>): CommandOutput<'startAttempt'> {
  const { store } = work
  const { at } = input
  const found = findTask(store, input.task)
  if (found === undefined || found.gate !== 'ready') return { found: 'not ready', gate: found?.gate }
  const session = sessionRow(store, found.session)!
  // Held after the start was decided.
  if (session.held !== 0) return { found: 'not ready', gate: 'ready' }
  // Its time may have run out while nobody could notice: the machine slept, and the daemon ended before it looked.
  if (found.intent === null && found.budget_left === 0) {
    timeOut(work, found, at)
    return { found: 'not ready', gate: 'done' }
  }
  const text = textOf(store, found.id)
  const options = parse<TaskOptions>(text.options)
  const configuration = configurationOf(store, found.configuration ?? session.configuration)
  const stallMs = options.policy.timeoutIntervalForRequestMs ?? configuration.timeoutIntervalForRequestMs
  const silentMs = silenceBefore(store, found, stallMs, at)
  const task = settle(
    work,
    found,
    {
      running: found.intent === null ? 'active' : 'publishing',
      fence: found.fence + 1,
      attempts: found.attempts + 1,
      configuration: found.configuration ?? session.configuration,
      last_progress_at: at.steadyMs - silentMs,
    },
    at,
  )
  store.run('update session set last_start = (select max(last_start) from session) + 1 where id = ?', session.id)
  store.run(
    'insert into attempt(task, number, started_wall, started_steady) values (?, ?, ?, ?)',
    task.id,
    task.attempts,
    at.wallMs,
    at.steadyMs,
  )
  const boot = currentBoot(store)
  const part = partRow(store, task.id)
  return {
    found: 'started',
    task: task.uid,
    session: session.id,
    sessionIdentifier: session.identifier,
    taskIdentifier: task.number,
    fence: task.fence,
    attempt: task.attempts,
    request: maybe<RequestFacts>(text.current_request) ?? parse<RequestFacts>(text.request),
    configuration,
    policy: options.policy,
    destination: options.destination,
    folderIdentity: folderOf(options, boot),
    ifExists: options.ifExists,
    umask: options.umask,
    expectedDigests: options.expectedDigests,
    expectedLength: options.expectedLength,
    part: part === undefined ? undefined : partOf(part, boot),
    intent: intentOf(task, boot),
    delivered: deliveredBefore(store, task, options, boot),
    restarts: task.restarts,
    digestFailures: task.digest_failures,
    past: {
      failed: task.failed,
      failures: task.failures,
      lastCode: lastCode(store, task),
      deadlineAtMs: task.deadline_at ?? undefined,
      giveUpAfterMs: task.give_up_after ?? undefined,
      startedAtMs: at.steadyMs,
      silentMs,
      stallMs,
      bestBytes: task.best,
    },
  }
}

/** An attempt that the daemon's end interrupted says nothing about the server. */
function lastCode(store: Store, task: TaskRow): ErrorCode | undefined {
  return store.get<{ code: ErrorCode }>(
    `select code from attempt where task = ? and code is not null and code <> 'DAEMON_UNAVAILABLE'
     order by number desc limit 1`,
    task.id,
  )?.code
}

function folderOf({ folder }: TaskOptions, boot: string): PartIdentity | undefined {
  return folder && identityIn(folder.identity, folder.boot, boot)
}

function intentOf(task: TaskRow, boot: string): PublishIntent | undefined {
  const stored = maybe<StoredIntent>(task.intent)
  if (stored === undefined) return undefined
  return { ...stored.intent, identity: identityIn(stored.intent.identity, stored.boot, boot) }
}

function deliveredBefore(store: Store, task: TaskRow, options: TaskOptions, boot: string): StartedAttempt['delivered'] {
  if (task.retry_of === null || (task.revalidates === 0 && options.ifExists !== 'revalidate')) return undefined
  const text = store.get<{ delivered: string | null; response: string | null; result: string | null }>(
    'select delivered, response, result from task_text where task = ?',
    task.retry_of,
  )
  const left = maybe<StoredDelivered>(text?.delivered ?? null)
  const response = maybe<ResponseJson>(text?.response ?? null)
  if (left?.representation === undefined || response === undefined) return undefined
  const file: Delivered = { ...left.file, identity: identityIn(left.file.identity, left.boot, boot) }
  return {
    file,
    response,
    representation: left.representation,
    lengthVerified: maybe<TaskResult>(text?.result ?? null)?.lengthVerified === true,
    ...(left.digest !== undefined && { digest: left.digest }),
  }
}

export function reserve(work: Work, input: CommandInput<'reserve'>): CommandOutput<'reserve'> {
  const { store } = work
  const { at } = input
  let task = running(store, input.task, input.fence)
  if (task === undefined) return fenced
  // It fetches again, so it did not publish: a cancel that was waiting for that counts now.
  if (task.cancel_asked !== 0) {
    endCancelled(work, task, at)
    return fenced
  }
  const { destination } = input
  // Nobody else writes in the spool, and ids are unique.
  const name: Taken =
    destination === 'spool'
      ? { found: 'reserved', name: task.uid }
      : takeName(store, task, destination, currentBoot(store))
  if (name.found === 'busy') return name
  task = settle(
    work,
    task,
    {
      running: 'active',
      intent: null,
      total: input.representation.total ?? null,
      ...(input.kept === 'none' && { received: 0 }),
    },
    at,
  )
  store.run('update task_text set response = ? where task = ?', JSON.stringify(input.response), task.id)
  const representation = JSON.stringify(input.representation)
  const part = partRow(store, task.id)
  const isThere = part !== undefined && pathKey(part.folder, part.name) === pathKey(input.part.folder, input.part.name)
  if (part !== undefined && (input.kept === 'in place' || (input.kept === 'to be copied' && isThere))) {
    store.run('update part set representation = ? where task = ?', representation, task.id)
    return name
  }
  if (input.kept === 'to be copied' && part !== undefined) {
    // Whatever interrupts the copy, nothing is left of it; an attempt that runs is not robbed of the file it has named.
    reclaim(store, input.part.folder, input.part.name)
    owe(work, { ...input.part, identity: null, boot: null }, at.steadyMs)
    return name
  }
  // A file of the same name is written over from its start; it must not be unlinked under the attempt.
  if (part !== undefined && !isThere) owe(work, part, at.steadyMs)
  reclaim(store, input.part.folder, input.part.name)
  store.run(
    `insert or replace into part(task, folder, name, ranges, representation) values (?, ?, ?, '[]', ?)`,
    task.id,
    input.part.folder,
    input.part.name,
    representation,
  )
  return name
}

export function resumed(work: Work, input: CommandInput<'resumed'>): Recorded {
  const task = running(work.store, input.task, input.fence)
  if (task === undefined) return fenced
  work.store.run('update attempt set proof = ? where task = ? and number = ?', input.proof, task.id, task.attempts)
  publish(work, task.session, input.at, {
    kind: 'didResumeAtOffset',
    task: task.id,
    body: {
      fileOffset: input.offset,
      ...(input.total !== undefined && { expectedTotalBytes: input.total }),
    },
  })
  return recorded
}

/**
 * The bytes are on disk when this is called (fdatasync returned). A crash before the commit leaves bytes that are not counted:
 * they are fetched again. One after it leaves bytes that are counted, and are there.
 *
 * The one command that an attempt may still give after it was stopped from outside: else each suspend, hold or cancel, and a deadline
 * that passes, would cost all that came since the checkpoint before.
 */
export function checkpoint(work: Work, input: CommandInput<'checkpoint'>): Recorded {
  const { store } = work
  const task = running(store, input.task, input.fence) ?? justStopped(store, input.task, input.fence)
  if (task === undefined) return fenced
  takePart(work, task.id, input.part, input.at)
  store.run(
    'update part set identity = ?, boot = ?, ranges = ?, representation = ? where task = ?',
    JSON.stringify(input.identity),
    currentBoot(store),
    JSON.stringify(input.ranges),
    JSON.stringify(input.representation),
    task.id,
  )
  const received = input.ranges.reduce((sum, [from, to]) => sum + to - from, 0)
  const gained = received > task.best
  // What gets on is hardly what makes the daemon end.
  if (gained) store.run('delete from interrupted where task = ?', task.id)
  const total = input.representation.total ?? task.total
  settle(
    work,
    task,
    {
      received,
      total,
      ...(received > task.received && { last_progress_at: input.at.steadyMs }),
      ...(gained && { best: received, restarts: 0, failures: 0 }),
    },
    input.at,
  )
  return recorded
}

/**
 * In the commit that counts its bytes a file is not owed any more: a copy of kept ones, whose old file is owed instead, or that of a
 * task which ended before any of its bytes counted.
 */
function takePart(work: Work, task: number, to: { readonly folder: string; readonly name: string }, at: Moment): void {
  const { store } = work
  const part = partRow(store, task)
  if (part !== undefined && pathKey(part.folder, part.name) === pathKey(to.folder, to.name)) return
  if (part !== undefined) owe(work, part, at.steadyMs)
  reclaim(store, to.folder, to.name)
  store.run(`insert or replace into part(task, folder, name, ranges) values (?, ?, ?, '[]')`, task, to.folder, to.name)
}

/**
 * What a task was told while it published counts now: its file is lost, and what is fetched is not what is in its place already.
 */
export function restart(work: Work, input: CommandInput<'restart'>): Recorded {
  const { at } = input
  const task = running(work.store, input.task, input.fence)
  if (task === undefined) return fenced
  owePart(work, task.id, at.steadyMs)
  const lost = {
    intent: null,
    received: 0,
    total: null,
    restarts: task.restarts + (input.because === 'bytes changed' ? 1 : 0),
  }
  if (task.cancel_asked !== 0) {
    endCancelled(work, task, at, lost)
    return fenced
  }
  const isHeld = task.held !== 0 || sessionRow(work.store, task.session)!.held !== 0
  const stop = isHeld ? 'held' : task.suspends > 0 ? 'suspended' : undefined
  const attempt = stop === undefined ? { running: 'active' as const } : closeAttempt(work, task, at, { stop })
  settle(work, task, { ...lost, ...attempt }, at)
  return stop === undefined ? recorded : fenced
}

/**
 * A crash before this commit: the part is whole, and verified again. One after it: the next attempt finds by identity whether
 * the file is in its place already, and finishes.
 */
export function intent(work: Work, input: CommandInput<'intent'>): CommandOutput<'intent'> {
  const { store } = work
  const task = running(store, input.task, input.fence)
  if (task === undefined) return fenced
  // Only a second intent can find this: the first one's place was taken, so nothing is published yet.
  if (task.cancel_asked !== 0) {
    endCancelled(work, task, input.at)
    return { found: 'cancelled' }
  }
  const { folder, name } = input.intent
  const options = optionsOf(store, task.id)
  if (options.destination.kind !== 'spool') {
    const by = takePath(store, task.id, pathKey(folder, name))
    if (by !== undefined) return { found: 'busy', by }
  }
  const stored: StoredIntent = { boot: currentBoot(store), intent: input.intent }
  settle(work, task, { running: 'publishing', intent: JSON.stringify(stored) }, input.at)
  return recorded
}

function endCancelled(work: Work, task: TaskRow, at: Moment, changes: TaskChanges = {}): void {
  const error = cancelledError(task)
  const closed = closeAttempt(work, task, at, { cause: error })
  endTask(work, task, { ...changes, ...closed }, at, { outcome: 'cancelled', error })
}

/** The file is in its place and its folder synced. A crash before this commit: the intent is found and finished again. */
export function finish(work: Work, input: CommandInput<'finish'>): Recorded {
  const { store } = work
  const { at, result } = input
  const task = running(store, input.task, input.fence)
  if (task === undefined) return fenced
  const options = optionsOf(store, task.id)
  const part = partRow(store, task.id)
  const published = intentOf(task, currentBoot(store))
  const file = input.delivered
  let delivered: string | null = null
  if (file !== undefined) {
    const representation = maybe<StoredDelivered['representation']>(part?.representation ?? null)
    const before = deliveredBefore(store, task, options, currentBoot(store))?.representation
    const stored: StoredDelivered = {
      boot: currentBoot(store),
      file,
      ...((representation ?? before) !== undefined && { representation: representation ?? before! }),
      ...(result.digest !== undefined && { digest: result.digest }),
    }
    delivered = JSON.stringify(stored)
  }
  store.run(
    'update task_text set delivered = coalesce(?, delivered), response = coalesce(?, response) where task = ?',
    delivered,
    json(input.response),
    task.id,
  )
  // Published by its own name, the part is the file; else (skipped, not modified, copied) it is spent and owed. One without a
  // checkpoint has no identity but that of the intent.
  if (part !== undefined && published !== undefined && (part.identity === null || sameInode(part.identity, published)))
    store.run('delete from part where task = ?', task.id)
  else owePart(work, task.id, at.steadyMs)
  const closed = closeAttempt(work, task, at, { measure: input.measure })
  endTask(work, task, { ...closed, received: result.bytes, total: result.bytes }, at, {
    outcome: 'succeeded',
    result,
    finished: { location: result.path ?? '', spooled: options.destination.kind === 'spool' },
  })
  return recorded
}

function sameInode(stored: string | null, published: PublishIntent): boolean {
  return maybe<PublishIntent['identity']>(stored)?.inode === published.identity.inode
}

export function endAttempt(work: Work, input: CommandInput<'endAttempt'>): CommandOutput<'endAttempt'> {
  const { at, end, measure } = input
  const found = running(work.store, input.task, input.fence)
  if (found === undefined) return fenced
  const task = input.diskFailed === true ? doubted(work, found, at) : found
  // A retry of publishing may find the file in its place: to call it cancelled would be a lie until that is known.
  if (task.cancel_asked !== 0 && end.kind !== 'stopped' && end.kind !== 'retry') {
    const error = cancelledError(task)
    const closed = closeAttempt(work, task, at, { cause: end.kind === 'fail' ? end.error : end.cause, measure })
    endTask(work, task, closed, at, { outcome: 'cancelled', error })
    return recorded
  }
  // Publishing is tried once more after the deadline, not for ever.
  if ((end.kind === 'retry' || end.kind === 'wait') && task.intent !== null && isPast(task.deadline_at, at)) {
    const closed = closeAttempt(work, task, at, { cause: end.cause, measure })
    endTask(work, task, closed, at, { outcome: 'failed', error: timedOutError(work.store, task) })
    return recorded
  }
  switch (end.kind) {
    case 'stopped':
      settle(work, task, closeAttempt(work, task, at, { measure }), at)
      return recorded
    case 'fail':
      endTask(work, task, closeAttempt(work, task, at, { cause: end.error, measure }), at, {
        outcome: 'failed',
        error: end.error,
      })
      return recorded
    case 'wait': {
      const closed = closeAttempt(work, task, at, { cause: end.cause, measure })
      settle(work, task, { ...closed, wait: end.gate, wait_until: end.wakeAtMs, server_asked: 0 }, at)
      return recorded
    }
    case 'retry': {
      const closed = closeAttempt(work, task, at, { cause: end.cause, measure })
      const fresh = end.serverAsked && originOfLane(work.store, task) !== end.origin
      settle(work, task, { ...closed, ...afterFailure(task, end), ...(fresh && noWait) }, at)
      if (end.reopensAtMs !== undefined) closeOrigin(work, end.origin, end.reopensAtMs)
      return fresh ? { found: 'recorded', fresh } : recorded
    }
  }
}

/**
 * The disk failed while names were changed: the part may have its own name still, or the one it was to get, and a power cut may take
 * either. The intent finds out which; until then, and after an end that gives the intent up, no byte counts.
 */
function doubted(work: Work, task: TaskRow, at: Moment): TaskRow {
  if (task.intent === null) return task
  work.store.run(`update part set ranges = '[]' where task = ?`, task.id)
  return settle(work, task, { received: 0 }, at)
}

function isPast(steadyMs: number | null, at: Moment): boolean {
  return steadyMs !== null && steadyMs <= at.steadyMs
}

function afterFailure(task: TaskRow, end: Extract<CommandInput<'endAttempt'>['end'], { kind: 'retry' }>): TaskChanges {
  return {
    wait: 'backoff',
    wait_until: end.wakeAtMs,
    server_asked: end.serverAsked ? 1 : 0,
    failed: task.failed + 1,
    failures: end.progressed ? 1 : task.failures + 1,
    ...(end.cause.code === 'DIGEST_MISMATCH' && { digest_failures: task.digest_failures + 1 }),
  }
}

/** The server asked everybody to wait, so no session asks this origin before then. */
function closeOrigin(work: Work, origin: string, untilMs: number): void {
  work.store.run(
    'insert into closed values (?, ?) on conflict do update set reopen_at = max(reopen_at, excluded.reopen_at)',
    origin,
    untilMs,
  )
  work.schedule = true
}
