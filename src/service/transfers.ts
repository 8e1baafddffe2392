/**
 * Attempts that run: a row becomes an assignment, reports become commands, and what they hold of the limits is counted. How an outcome
 * is recorded is in `attempt-ends`.
 *
 * Two attempts of one task never run at once: a task that was suspended and resumed at once waits until its earlier attempt
 * has closed its files. The fence keeps the earlier one from writing to the journal, this keeps it from writing to the part.
 */
import { asLonghaulError, isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { TaskId } from '../contract/words.ts'
import type { Delivery } from '../delivery/delivery.ts'
import type { Journal, Moment, SessionId, StartedAttempt, StopReason } from '../journal/journal.ts'
import type { Assignment, Engine, Measure, Outcome } from '../transfer/assignment.ts'
import type { World } from '../world/world.ts'
import type { Accounts } from './accounts.ts'
import { assignmentOf } from './assignment-of.ts'
import { recordEnd } from './attempt-ends.ts'
import type { Crowding, Refusal } from './crowding.ts'
import type { FurtherConnections, Holder } from './further-connections.ts'
import { now } from './moment.ts'
import { isSealed, openedProxy } from './proxy-secrets.ts'
import type { Progress } from './progress.ts'
import type { Recording } from './recording.ts'
import { createReport } from './reports.ts'
import { type Seat, Seats } from './seats.ts'

export interface TransferParts {
  readonly world: World
  readonly journal: Journal
  readonly engine: Engine
  readonly delivery: Delivery
  readonly progress: Progress
  readonly recording: Recording
  readonly connections: FurtherConnections
  readonly crowding: Crowding
  readonly accounts: Accounts
  /** Folder of files that have no destination. */
  readonly spool: string
  /** An attempt has ended and closed its files, of which this is the one that it wrote. */
  released(part: Run['part']): void
  /** A task could not be started: what the loop has seen of the queue is not so any more. */
  refused(): void
  /** There may be room for another connection. */
  roomier(): void
  /** Resolves when nothing is about to be unlinked at this path, which an attempt has just named as its own. */
  leaves(folder: string, name: string): Promise<void>
}

/** Where a task stands that is to be started. */
export interface Place {
  readonly task: TaskId
  readonly session: SessionId
  readonly origin: string
}

/** An attempt that is under way. */
export interface Begun {
  /** Steady ms. */
  readonly deadlineAtMs?: number
}

interface Run {
  readonly stopping: AbortController
  readonly place: Place
  /** Once it is committed. */
  holder?: Holder
  settled: Promise<void>
  /** The most bytes that it recorded as safe. */
  safeBytes: number
  /** So often it found other bytes and started over. */
  changes: number
  /** All its bytes are there: it needs no connection any more. */
  fetched: boolean
  seat: Seat
  /** It is one more than its origin takes, and nobody knows yet how it goes. */
  isTry: boolean
  /** Another bandwidth limit than the one it was assigned. */
  limit?: { readonly bytesPerSecond: number | undefined }
  /** The file it writes, once it has named it. */
  part?: { readonly folder: string; readonly name: string }
}

const nothingMeasured: Measure = { bytes: 0, transactions: [], redirects: 0 }

/** How long a running attempt may take to reach its checkpoint when the daemon stops. */
const stopWithinMs = 5000

export class Transfers {
  readonly #parts: TransferParts
  readonly #runs = new Map<TaskId, Run>()
  readonly #seats = new Seats()

  constructor(parts: TransferParts) {
    this.#parts = parts
  }

  get running(): number {
    return this.#runs.size
  }

  /** What they hold of the limits, from the decision to start one on. */
  get seats(): Pick<Seats, 'total' | 'taken'> {
    return this.#seats
  }

  /** Tasks of running attempts that need no connection any more. */
  withoutConnection(): readonly TaskId[] {
    const fetched: TaskId[] = []
    for (const [task, run] of this.#runs) if (run.fetched) fetched.push(task)
    return fetched
  }

  /** Whether a running attempt has named this file as its own. */
  writes(folder: string, name: string): boolean {
    for (const { part } of this.#runs.values()) if (part?.folder === folder && part.name === name) return true
    return false
  }

  /** Whether an attempt of it was stopped and has not ended yet: it cannot start before. */
  closes(task: TaskId): boolean {
    return this.#runs.get(task)?.stopping.signal.aborted === true
  }

  /** How many were stopped and have not ended yet. */
  get closing(): number {
    let count = 0
    for (const { stopping } of this.#runs.values()) if (stopping.signal.aborted) count++
    return count
  }

  /**
   * Resolves once the attempt is committed and under way; undefined when the task may not start any more, or not yet: while its
   * earlier attempt closes its files and records its last checkpoint. `released` tells the end of that.
   */
  async start(place: Place): Promise<Begun | undefined> {
    const { journal, world } = this.#parts
    const { task } = place
    if (this.#runs.has(task)) return undefined
    const run: Run = {
      stopping: new AbortController(),
      place,
      settled: Promise.resolve(),
      safeBytes: 0,
      changes: 0,
      fetched: false,
      seat: 'none',
      isTry: false,
    }
    // Known before the commit is: a cancel in the same commit finds it.
    this.#runs.set(task, run)
    this.#sit(run, 'connection')
    const started = await journal.startAttempt({ task, at: now(world.clock) }).catch((error: unknown) => {
      this.#forget(task)
      this.#parts.refused()
      throw error
    })
    if (started.found !== 'started') {
      this.#forget(task)
      this.#parts.refused()
      return undefined
    }
    // It finishes what an earlier one began to put in its place, and asks nobody.
    if (started.intent !== undefined) {
      this.#move(run, 'place')
      this.#parts.roomier()
    }
    run.settled = this.#run(started, run).finally(() => this.#forget(task))
    const { deadlineAtMs } = started.past
    return { ...(deadlineAtMs !== undefined && { deadlineAtMs }) }
  }

  /** The journal has ended the attempt. */
  stop(task: TaskId, why: StopReason): void {
    const run = this.#runs.get(task)
    if (run === undefined) return
    // It only closes its files.
    this.#sit(run, 'none')
    if (run.holder !== undefined) this.#parts.connections.closes(run.holder)
    this.#abort(run, why)
  }

  /** Tasks have another limit; those of them that run keep to it at once, and those that are about to from their first byte on. */
  limit(tasks: readonly TaskId[], bytesPerSecond: number | null): void {
    const limit = { bytesPerSecond: bytesPerSecond ?? undefined }
    for (const task of tasks) {
      const run = this.#runs.get(task)
      if (run === undefined) continue
      run.limit = limit
      this.#parts.engine.limit({ level: 'task', task }, limit.bytesPerSecond)
    }
  }

  #abort({ stopping, place: { task } }: Run, why: StopReason): void {
    stopping.abort(new LonghaulError('CANCELLED', `The attempt was stopped: ${why}.`, { task }))
  }

  /** All attempts end at a checkpoint; those that do not within 5 s are left to the next life, which finds their last one. */
  async stopAll(): Promise<void> {
    const settled = Promise.all([...this.#runs.values()].map((run) => run.settled))
    for (const run of this.#runs.values()) this.#abort(run, 'daemon stops')
    const patience = new AbortController()
    await Promise.race([settled, this.#parts.world.clock.sleep(stopWithinMs, patience.signal).catch(() => undefined)])
    patience.abort()
  }

  /** One that has left its seat gets none again. */
  #move(run: Run, seat: Seat): void {
    if (run.seat !== 'none') this.#sit(run, seat)
  }

  #sit(run: Run, seat: Seat): void {
    this.#seats.change(run.place, run.seat, seat)
    run.seat = seat
  }

  #forget(task: TaskId): void {
    const run = this.#runs.get(task)
    if (run !== undefined) this.#sit(run, 'none')
    this.#runs.delete(task)
    this.#parts.released(run?.part)
  }

  async #run(started: StartedAttempt, run: Run): Promise<void> {
    const { world, progress, connections, crowding } = this.#parts
    const { task, fence } = started
    const assignment = assignmentOf(started, this.#parts.spool)
    const holder = holderOf(started)
    run.holder = holder
    const { origin } = holder
    // One that only publishes asks nobody.
    if (started.intent === undefined) {
      connections.begin(holder)
      run.isTry = crowding.began(origin, connections.inUse(origin), world.clock.steady())
    }
    progress.begin(started, assignment.policy.stallMs)
    try {
      const outcome = await this.#attempt(started, assignment, run, holder)
      if (outcome.kind === 'finished') this.#served(run, holder)
      progress.close(task, fence)
      const crowded = (answer: Pick<Refusal, 'status' | 'waitMs'>, at: Moment): void =>
        this.#crowded(started, answer, run, at)
      await recordEnd({ ...this.#parts, origin, crowded }, started, outcome, run)
    } catch (error) {
      // Only a mistake of ours gets here. The task stays as it is until the next life looks at it.
      world.log.error('the end of an attempt could not be recorded', { task, error: String(error) })
    } finally {
      connections.end(holder)
      if (run.isTry) crowding.undecided(origin)
      progress.end(task, fence)
    }
  }

  /** It is answered with what it asked for. */
  #served(run: Run, holder: Holder): void {
    if (!run.isTry) return
    run.isTry = false
    this.#parts.crowding.served(holder.origin)
    this.#parts.roomier()
  }

  /** Its origin answered 429 or 503. */
  #crowded(started: StartedAttempt, answer: Pick<Refusal, 'status' | 'waitMs'>, run: Run, at: Moment): void {
    const { connections, crowding } = this.#parts
    const { origin } = holderOf(started)
    const { isTry } = run
    run.isTry = false
    const isNews = started.past.lastCode !== 'HTTP_STATUS'
    crowding.refused(origin, { ...answer, open: connections.count(origin), isTry, isNews }, at.steadyMs)
  }

  /** The next task of the origin may have its connection while it is hashed, synced and put in its place. */
  #fetched(run: Run, holder: Holder): void {
    if (run.fetched) return
    run.fetched = true
    this.#move(run, 'place')
    this.#parts.connections.end(holder)
    this.#parts.roomier()
  }

  #asks(run: Run, holder: Holder): void {
    if (run.fetched) return
    this.#move(run, 'connection')
    this.#parts.connections.begin(holder)
  }

  async #attempt(started: StartedAttempt, assignment: Assignment, run: Run, holder: Holder): Promise<Outcome> {
    const { world, journal, recording, progress, engine, connections, accounts } = this.#parts
    if (run.stopping.signal.aborted) return { kind: 'stopped', measure: nothingMeasured }
    const report = createReport({
      clock: world.clock,
      journal,
      recording,
      started,
      assignment,
      progress: (facts) => progress.report(started.task, started.fence, facts),
      safe: (bytes) => {
        run.safeBytes = Math.max(run.safeBytes, bytes)
      },
      more: (giveUp) => connections.further(holder, giveUp),
      fetched: () => this.#fetched(run, holder),
      restarts: (because) => {
        if (because === 'bytes changed') run.changes++
        // Whatever it found of its file, it asks anew.
        this.#asks(run, holder)
      },
      writes: (part) => {
        this.#served(run, holder)
        this.#asks(run, holder)
        run.part = part
        return this.#parts.leaves(part.folder, part.name)
      },
    })
    // Before anything else is waited for: whoever comes when the session is gone would be remembered for good.
    const access = accounts.of(started.session)
    try {
      const { proxy, bandwidthLimit } = assignment.policy
      const opened = isSealed(proxy) ? await openedProxy(world.vault, proxy) : proxy
      const limit = run.limit === undefined ? bandwidthLimit : run.limit.bytesPerSecond
      const policy = { ...assignment.policy, proxy: opened, bandwidthLimit: limit }
      return await engine.run({ ...assignment, policy }, report, run.stopping.signal, access)
    } catch (error) {
      if (isLonghaulError(error, 'PROXY_FAILED')) {
        const failure = { kind: error.retryable ? 'network' : 'final' } as const
        return { kind: 'failed', error, failure, progressed: false, measure: nothingMeasured }
      }
      world.log.error('an attempt broke', { task: started.task, error: stackOf(error) })
      return {
        kind: 'failed',
        error: asLonghaulError(
          error,
          'CANNOT_WRITE_TO_FILE',
          'The attempt broke by a mistake of ours; it is tried again.',
        ),
        failure: { kind: 'network' },
        progressed: false,
        measure: nothingMeasured,
      }
    }
  }
}

function holderOf({ session, request, configuration }: StartedAttempt): Holder {
  const origin = URL.parse(request.url)?.origin ?? ''
  return { session, origin, maximumPerHost: configuration.maximumConnectionsPerHost }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
