/**
 * A background session as an app holds it. It asks (`link`), owns (`ownership`, through one of the two doors for events),
 * and makes tasks; nothing of a transfer lives here. Longer than most files because it is the whole public class, each
 * method a few lines.
 */
import type { Credential } from '../contract/credential.ts'
import { LonghaulError } from '../contract/errors.ts'
import { type DurableEventJson, delegateMethods } from '../contract/events.ts'
import type { DaemonOptions, ResolvedConfiguration, SessionSummary, SessionSummaryJson } from '../contract/session.ts'
import type { BatchRow, DownloadOptions, RequestLike, TaskCounts, TaskFilter, WaitOptions } from '../contract/task.ts'
import type { Change, OpenedSession } from '../contract/verbs.ts'
import { isTaskId } from '../contract/words.ts'
import { credentialOf, originOf } from './credentials.ts'
import { delegateDoor } from './delegate-door.ts'
import { enqueueRows, makeDownload } from './enqueue.ts'
import { EventsDoor } from './events-door.ts'
import { checkFilter, checkFilterGiven, type PageQuestion, taskPages } from './filters.ts'
import { invalid, shown } from './known-names.ts'
import type { Launch } from './launched.ts'
import type { Link } from './link.ts'
import { checkOpenOptions, type CheckedOpen, type OpenOptions } from './open-options.ts'
import { checkDownloadOptions } from './options.ts'
import { Ownership } from './ownership.ts'
import { requireRequest } from './requests.ts'
import type { SessionDelegate, SessionEvent } from './session-events.ts'
import { snapshotOf, type TaskSnapshot } from './snapshot.ts'
import type { AnyTask, DownloadTask } from './task.ts'
import { TaskHandles } from './task-handles.ts'
import { type App, linkTo, thisApp } from './this-app.ts'
import { orAborted } from './waiting.ts'

/** Ms after which an owner that was neither activated nor closed is reminded. */
const reminderMs = 5000
const sharedSessions = new Map<
  string,
  { readonly session: Promise<BackgroundSession<never>>; readonly delegate: unknown }
>()

/**
 * A named group of tasks that belongs to an app and outlives it. Whoever opens it again, this process or a later one, finds
 * its tasks with the ids, metadata and bytes that they had.
 *
 * With a delegate this process is the *owner* and receives the events; without one it is a *controller* that lists, creates,
 * holds and cancels. An open session keeps Node alive only while something is awaited, a callback runs, or the process was
 * launched and has not completed.
 *
 * @example
 * await using session = await BackgroundSession.open({
 *   identifier: 'com.example.photos',
 *   launch: 'self',
 *   delegate: {
 *     didFinishDownloading: async (task, event) => { await event.moveTo(`photos/${task.id}.jpg`) },
 *     didComplete: (task, { error }) => console.log(task.id, error ?? 'done'),
 *   },
 * })
 * await session.activate()
 * await session.download('https://example.com/sunrise.jpg')
 */
export class BackgroundSession<M = undefined> implements AsyncDisposable {
  readonly identifier: string
  readonly #link: Link
  readonly #checked: CheckedOpen
  readonly #releaseLink: () => void
  readonly #handles: TaskHandles<M>
  readonly #launch: Launch | undefined
  readonly #eventsFinished = Promise.withResolvers<void>()
  /** Why this process is the owner no more, when it did not ask for that. */
  #lostTo: LonghaulError | undefined
  /** Undefined only before `open` has resolved. */
  #facts: OpenedSession | undefined
  #ownership: Ownership | undefined
  #door: EventsDoor<M> | undefined
  #activated = false
  #closed = false
  #releaseRef: (() => void) | undefined

  private constructor(link: Link, checked: CheckedOpen, launch: Launch | undefined) {
    this.#link = link
    this.#checked = checked
    this.#releaseLink = link.retain()
    this.#handles = new TaskHandles(link)
    this.identifier = checked.open.identifier
    this.#launch = launch
    // Nobody may wait for it.
    this.#eventsFinished.promise.catch(() => {})
  }

  /**
   * Creates the session, or re-associates with the one that has this identifier, whatever process made it.
   *
   * @throws SESSION_IN_USE (with a delegate: another owner; it names the pid and is not disturbed), CONFIGURATION_MISMATCH,
   *   INVALID_ARGUMENT (a misspelt option or delegate method), DAEMON_UNAVAILABLE, PROTOCOL_MISMATCH
   */
  static open<M = undefined>(options: OpenOptions<M>): Promise<BackgroundSession<M>> {
    return BackgroundSession.openIn(thisApp, options)
  }

  /** @internal As `open`, in another app than this process is. */
  static async openIn<M = undefined>(app: App, options: OpenOptions<M>): Promise<BackgroundSession<M>> {
    const checked = checkOpenOptions(options, app.world)
    const session = new BackgroundSession<M>(app.linkTo(options.daemon), checked, app.launched.of(options.identifier))
    try {
      if (options.delegate === undefined) session.#opened(await session.#link.call('session.open', checked.open))
      else await session.#own(options.delegate)
      return session
    } catch (error) {
      session.#closed = true
      session.#releaseLink()
      throw error
    }
  }

  /**
   * The same identifier in one process gives the same object, so that any part of the program can ask for it.
   * @throws INVALID_ARGUMENT for another delegate than the first one; else as `open`
   */
  static async shared<M = undefined>(options: OpenOptions<M>): Promise<BackgroundSession<M>> {
    const key = JSON.stringify([options.daemon?.home ?? null, options.identifier])
    const found = sharedSessions.get(key)
    if (found !== undefined) {
      if (options.delegate !== undefined && options.delegate !== found.delegate) {
        throw invalid(
          'delegate',
          `${options.identifier} is shared with another delegate already`,
          'The shared session is not disturbed.',
        )
      }
      return found.session
    }
    const session = BackgroundSession.open(options)
    sharedSessions.set(key, {
      session: session as unknown as Promise<BackgroundSession<never>>,
      delegate: options.delegate,
    })
    try {
      const opened = await session
      opened.#onClose = () => sharedSessions.delete(key)
      return opened
    } catch (error) {
      sharedSessions.delete(key)
      throw error
    }
  }

  /** `owner` while this process receives the events of the session. */
  get role(): 'owner' | 'controller' {
    return this.#ownership !== undefined && this.#ownership.ended === undefined ? 'owner' : 'controller'
  }

  /** As stored, every field filled in. Durations in ms, sizes in bytes. */
  get configuration(): ResolvedConfiguration {
    return this.#facts!.configuration
  }

  /** Fields whose stored values this open changed; only an owner changes those of a session that exists. */
  get changedConfiguration(): readonly (keyof ResolvedConfiguration)[] {
    return this.#facts!.changedConfiguration
  }

  /** What the transfers survive: see "What survives" in the README. */
  get survives(): 'installed' | 'on demand' | 'tethered' {
    return this.#facts!.survives
  }

  /**
   * Lets events flow to the delegate. Until then an owner can list tasks and rebuild its own state. Calling it again does
   * nothing.
   * @throws INVALID_ARGUMENT for a controller; SESSION_TAKEN_OVER when another process has become the owner
   */
  async activate(): Promise<void> {
    this.#requireOpen()
    if (this.#ownership === undefined && this.#lostTo !== undefined) throw this.#lostTo
    if (this.#ownership === undefined) {
      throw invalid(
        'activate',
        `${this.identifier} was opened without a delegate, so there are no events`,
        'Open it with a delegate, or use events().',
      )
    }
    this.#activated = true
    await this.#ownership.activate()
  }

  /**
   * The other door: becomes the owner and yields the durable events; no `activate()` is needed. Asking for the next
   * acknowledges the one before; leaving the loop does not, and ends the ownership.
   *
   * @throws SESSION_IN_USE; INVALID_ARGUMENT when there is a delegate, or a loop already; CANCELLED when the session is closed
   *   meanwhile
   * @example
   * for await (const event of await session.events()) {
   *   if (event.type === 'didComplete') console.log(event.task.id, event.error ?? 'done')
   * }
   */
  async events(): Promise<AsyncIterableIterator<SessionEvent<M>>> {
    this.#requireOpen()
    if (this.role === 'owner') {
      const why = this.#door === undefined ? 'the delegate receives the events' : 'another loop receives the events'
      throw invalid('events', `${this.identifier}: ${why}`, 'Nothing was changed.')
    }
    const door = new EventsDoor<M>({
      handles: this.#handles,
      acknowledged: (event) => this.#acknowledged(event),
      lost: (error) => this.#lost(error),
      left: async () => this.#disown(),
    })
    const releaseLink = this.#link.retain()
    try {
      const { ownership, opened } = await Ownership.attach({
        link: this.#link,
        open: this.#checked.open,
        methods: delegateMethods,
        takeover: this.#checked.takeover,
        launch: this.#launch,
        concurrency: 1,
        consumer: door,
      })
      if (this.#closed) {
        // While it was asked: nobody else would ever let go of it.
        await ownership.close()
        throw ownership.ended!
      }
      this.#ownership = ownership
      this.#door = door
      this.#facts = opened
      this.#activated = true
      await ownership.activate()
    } finally {
      releaseLink()
    }
    return door
  }

  /**
   * Resolves after `didFinishEvents` was acknowledged, or `didBecomeInvalid`, which nothing follows; at once when this process
   * was not launched for this session.
   * @throws `signal.reason`; CANCELLED when the session is closed first, SESSION_TAKEN_OVER when another process has become
   *   the owner: what was not acknowledged comes again
   */
  async eventsFinished(options: WaitOptions = {}): Promise<void> {
    if (this.#launch === undefined || this.#launch.completed) return
    this.#requireOpen()
    const release = this.#link.world.keepAlive.hold()
    try {
      await orAborted(this.#eventsFinished.promise, options.signal)
    } finally {
      release()
    }
  }

  /**
   * A download task, suspended until `resume()`. Resolves when the daemon has it on disk.
   *
   * @throws BAD_URL, UNSUPPORTED_URL, INVALID_ARGUMENT, CANNOT_CREATE_FILE, FILE_IS_DIRECTORY, DESTINATION_EXISTS,
   *   DESTINATION_BUSY, SESSION_INVALIDATED: nothing was added then
   */
  downloadTask(request: RequestLike, options: DownloadOptions<M> = {}): Promise<DownloadTask<M>> {
    return this.#add(request, options, { start: false })
  }

  /** Creates and starts: `downloadTask` and `resume` in one. Resolves when the daemon has it on disk. @throws the same */
  download(request: RequestLike, options: DownloadOptions<M> = {}): Promise<DownloadTask<M>> {
    return this.#add(request, options, { start: true })
  }

  /**
   * Any number of downloads, in transactions of at most 1,000. `start: false` (the default) leaves them suspended.
   * @throws the error of the first bad row, with its `index` and how many rows before it are on disk (`added`)
   */
  async enqueue(
    rows: Iterable<BatchRow<M>> | AsyncIterable<BatchRow<M>>,
    options: { readonly start?: boolean | undefined } & WaitOptions = {},
  ): Promise<{ readonly added: number; readonly existing: number }> {
    this.#requireOpen()
    return enqueueRows(this.#link, this.identifier, rows, options)
  }

  /** A handle for a task of this session, completed ones included, by `id` or `taskIdentifier`. */
  async task(id: string | number): Promise<AnyTask<M> | undefined> {
    this.#requireOpen()
    if (typeof id !== 'number' && !isTaskId(id)) {
      throw invalid(
        'id',
        `${shown(id)} is not the id of a task (26 characters) nor a taskIdentifier`,
        'Nothing was done.',
      )
    }
    const question = typeof id === 'number' ? { session: this.identifier, taskIdentifier: id } : { id }
    const record = await this.#link.call('task.get', question)
    return record === null || record.session !== this.identifier ? undefined : this.#handles.handle(record)
  }

  /** All that is not completed, suspended and held included, in order of creation. */
  tasks(filter?: TaskFilter): AsyncIterableIterator<TaskSnapshot<M>> {
    return this.#pages({ filter: checkFilter(filter, 'Nothing was listed.'), completed: false })
  }

  /** Completed tasks, as long as they are kept (30 days, at least 1,000). */
  history(filter: TaskFilter & { readonly since?: Date | undefined } = {}): AsyncIterableIterator<TaskSnapshot<M>> {
    const checked = checkFilter(filter, 'Nothing was listed.', ['since'])
    const { since } = filter
    if (since !== undefined && !(since instanceof Date && Number.isFinite(since.getTime()))) {
      throw invalid('since', `${shown(since)} is not a Date`, 'Nothing was listed.')
    }
    return this.#pages({ filter: checked, completed: true, ...(since !== undefined && { sinceMs: since.getTime() }) })
  }

  /** How many tasks are in which state. */
  async counts(filter?: TaskFilter): Promise<TaskCounts> {
    this.#requireOpen()
    const checked = checkFilter(filter, 'Nothing was counted.')
    return this.#link.call('session.counts', {
      identifier: this.identifier,
      ...(Object.keys(checked).length > 0 && { filter: checked }),
    })
  }

  /** A person's pause for the tasks that fit. Resolves with how many were changed. @default all tasks of the session */
  hold(filter?: TaskFilter): Promise<number> {
    return this.#change(filter, { kind: 'hold' })
  }

  /** The end of `hold`. @default all tasks of the session */
  release(filter?: TaskFilter): Promise<number> {
    return this.#change(filter, { kind: 'release' })
  }

  /** Cancels the tasks that fit; `{}` means all. Resolves with how many. @throws INVALID_ARGUMENT without a filter */
  async cancel(filter: TaskFilter): Promise<number> {
    checkFilterGiven(filter, 'Nothing was cancelled.')
    return this.#change(filter, { kind: 'cancel' })
  }

  /**
   * Who this session is to one origin, for all its tasks from now on, in later lives too; `null` forgets it. User and password
   * answer Digest and Basic challenges of that origin and no other; a bearer token goes with every request to it. A request's
   * own Authorization, and user and password in an address, come first. Resolves when it is on disk, sealed; nothing ever
   * gives it back.
   *
   * @example
   * const password = { from: 'file', name: '/run/secrets/backup' } as const
   * await session.setCredential('https://files.example.com', { user: 'backup', password })
   * @throws INVALID_ARGUMENT; USER_AUTHENTICATION_REQUIRED when a reference leads to nothing: nothing was changed then
   */
  async setCredential(origin: string | URL, credential: Credential | null): Promise<void> {
    this.#requireOpen()
    const checked = { origin: originOf(origin), credential: credentialOf(credential) }
    await this.#link.call('session.setCredential', { identifier: this.identifier, ...checked })
  }

  /** Of a launched app that needs longer than `launchTimeLimit`: starts it again. */
  stillWorking(): void {
    this.#say({ foreground: false })
  }

  /** The launched app is now in its user's hands: it is never signalled. */
  foreground(): void {
    this.#say({ foreground: true })
  }

  /**
   * No new tasks; those that are there finish, then `didBecomeInvalid` comes. Suspended and held tasks are waited for.
   * Resolves when the decision is on disk.
   */
  async finishTasksAndInvalidate(): Promise<void> {
    this.#requireOpen()
    const { waitingFor } = await this.#link.call('session.finish', { identifier: this.identifier, how: 'finish' })
    if (waitingFor.length === 0) return
    const named = waitingFor.slice(0, 5).join(', ') + (waitingFor.length > 5 ? ', …' : '')
    this.#link.world.warn(
      `${this.identifier} becomes invalid only when its suspended and held tasks have ended: ${named}. Resume, release or cancel them.`,
      'LONGHAUL_WAITS_FOR_SUSPENDED',
    )
  }

  /** All tasks are cancelled, then `didBecomeInvalid` comes. Resolves when the decision is on disk. */
  async invalidateAndCancel(): Promise<void> {
    this.#requireOpen()
    await this.#link.call('session.finish', { identifier: this.identifier, how: 'cancel' })
  }

  /** Discards undelivered events and files of a session that nobody will own, and frees the identifier. @throws SESSION_IN_USE */
  async drop(): Promise<{ readonly events: number; readonly files: number }> {
    this.#requireOpen()
    return this.#link.call('session.drop', { identifier: this.identifier })
  }

  /** Keeps Node alive until `unref()` or `close()`, whatever happens. */
  ref(): this {
    if (!this.#closed) this.#releaseRef ??= this.#link.world.keepAlive.hold()
    return this
  }

  unref(): this {
    this.#releaseRef?.()
    this.#releaseRef = undefined
    return this
  }

  /** Lets go of the session; its tasks go on. Handles of its tasks can still be used. Calling it again does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#onClose?.()
    this.unref()
    this.#eventsFinished.reject(
      new LonghaulError('CANCELLED', `${this.identifier} was closed in this process before its last event had come.`),
    )
    const disowned = this.#disown()
    this.#door?.end()
    await disowned
    this.#releaseLink()
  }

  /** `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  // ---------------------------------------------------------------- inside

  #onClose: (() => void) | undefined

  #opened(opened: OpenedSession): void {
    this.#facts = opened
    const { launch } = this.#checked.open
    if (opened.created && launch !== undefined && launch !== null && opened.survives !== 'installed') {
      this.#link.world.warn(
        `${this.identifier} has a launch command, but the daemon is not installed (${opened.survives}): after a reboot nothing is launched until a client connects.`,
        'LONGHAUL_NOT_INSTALLED',
        'once',
      )
    }
  }

  async #own(delegate: SessionDelegate<M>): Promise<void> {
    const { ownership, opened } = await Ownership.attach({
      link: this.#link,
      open: this.#checked.open,
      methods: this.#checked.methods ?? [],
      takeover: this.#checked.takeover,
      launch: this.#launch,
      concurrency: this.#checked.concurrency,
      consumer: delegateDoor<M>({
        delegate,
        handles: this.#handles,
        acknowledged: (event) => this.#acknowledged(event),
        lost: (error) => this.#lost(error),
      }),
    })
    this.#ownership = ownership
    this.#opened(opened)
    const { clock } = this.#link.world
    clock.timer(clock.steady() + reminderMs, () => {
      if (this.#activated || this.#closed || ownership.ended !== undefined) return
      this.#link.world.warn(
        `${this.identifier} was opened with a delegate ${reminderMs / 1000} s ago and is neither activated nor closed: no event is delivered before session.activate().`,
        'LONGHAUL_NOT_ACTIVATED',
      )
    })
  }

  async #disown(): Promise<void> {
    const ownership = this.#ownership
    this.#ownership = undefined
    await ownership?.close()
  }

  #lost(error: LonghaulError): void {
    this.#ownership = undefined
    this.#door = undefined
    this.#lostTo = error
    this.#eventsFinished.reject(error)
  }

  #acknowledged(event: DurableEventJson): void {
    // A session that has become invalid has no event after that.
    if (event.kind !== 'didFinishEvents' && event.kind !== 'didBecomeInvalid') return
    this.#eventsFinished.resolve()
    this.#launch?.eventsFinished()
  }

  async #add(
    request: RequestLike,
    options: DownloadOptions<M>,
    { start }: { readonly start: boolean },
  ): Promise<DownloadTask<M>> {
    this.#requireOpen()
    requireRequest(request)
    checkDownloadOptions(options)
    const making = { link: this.#link, destinations: this.#link.world.destinations(), start }
    const task = await makeDownload(request, options, making)
    const { tasks } = await this.#link.call('task.add', { session: this.identifier, tasks: [task] })
    return this.#handles.added(tasks[0]!)
  }

  async *#pages(question: Omit<PageQuestion, 'session'>): AsyncGenerator<TaskSnapshot<M>, void, undefined> {
    this.#requireOpen()
    for await (const record of taskPages(this.#link, { session: this.identifier, ...question }))
      yield snapshotOf<M>(record)
  }

  async #change(filter: TaskFilter | undefined, change: Change): Promise<number> {
    this.#requireOpen()
    const targets = { session: this.identifier, filter: checkFilter(filter, 'Nothing was changed.') }
    const { changed } = await this.#link.call('task.change', { targets, change }, { repeat: true })
    return changed
  }

  #say(what: { readonly foreground: boolean }): void {
    this.#requireOpen()
    // A wish that is lost with its connection is lost with what it was about.
    void this.#link.call('session.stillWorking', { identifier: this.identifier, ...what }).catch(() => {})
  }

  #requireOpen(): void {
    if (this.#closed) {
      throw new LonghaulError(
        'INVALID_ARGUMENT',
        `${this.identifier} was closed in this process. Its transfers go on; open it again to reach them.`,
      )
    }
  }
}

/** All sessions of this user's daemon. */
export async function sessions(
  options: { readonly daemon?: DaemonOptions | undefined } = {},
): Promise<readonly SessionSummary[]> {
  const found = await linkTo(options.daemon).call('session.list', {})
  return found.map(({ nextLaunchMs, ...summary }: SessionSummaryJson) => ({
    ...summary,
    ...(nextLaunchMs !== undefined && { nextLaunch: new Date(nextLaunchMs) }),
  }))
}
