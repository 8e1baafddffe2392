// A daemon's delivery on a real journal (in memory), a clock that a test moves, callers that write down what they are told,
// and a launcher that starts nothing.
import type { Caller } from '../../src/contract/caller.ts'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { DurableEventJson } from '../../src/contract/events.ts'
import type { LaunchTicket } from '../../src/contract/launch.ts'
import type { LaunchCommand, LaunchWhen } from '../../src/contract/session.ts'
import type { NewTask } from '../../src/contract/task.ts'
import type { Notes } from '../../src/contract/verbs.ts'
import { makeTaskId, type TaskId } from '../../src/contract/words.ts'
import { createDelivery } from '../../src/delivery/create-delivery.ts'
import type { Delivery, OwnRequest } from '../../src/delivery/delivery.ts'
import { createJournal } from '../../src/journal/in-thread.ts'
import type { Journal, Moment, SessionFacts } from '../../src/journal/journal.ts'
import { openStore } from '../../src/journal/open.ts'
import type { Exit, LaunchedApp, Launcher, LaunchRequest } from '../../src/world/launcher.ts'
import { silentLog } from '../../src/world/log.ts'
import { ManualClock } from '../support/manual-clock.ts'

export const appCommand: LaunchCommand = { command: '/opt/app/bin/app', args: ['--background'], cwd: '/opt/app' }

export interface Told {
  readonly name: keyof Notes
  readonly params: Notes[keyof Notes]
}

export class Listener implements Caller {
  readonly pid: number
  readonly told: Told[] = []
  /** How many notes its connection takes now. */
  #room = Infinity
  readonly #wantRoom: (() => void)[] = []
  constructor(pid: number) {
    this.pid = pid
  }

  note<N extends keyof Notes>(name: N, params: Notes[N]): void {
    this.#room -= 1
    this.told.push({ name, params })
  }

  latest<N extends keyof Notes>(name: N, _key: string, params: Notes[N]): void {
    this.told.push({ name, params })
  }

  whenRoom(send: () => void): void {
    if (this.#room > 0) send()
    else this.#wantRoom.push(send)
  }

  /** It has read what came, and its connection takes so many notes more. */
  async reads(room: number): Promise<void> {
    this.#room = room
    while (this.#room > 0 && this.#wantRoom.length > 0) this.#wantRoom.shift()!()
    await turn()
  }

  get events(): readonly DurableEventJson[] {
    return this.told.flatMap(({ name, params }) => (name === 'event' ? [(params as Notes['event']).event] : []))
  }

  /** Tasks whose last event came. */
  get completed(): readonly (TaskId | undefined)[] {
    return this.events.filter(({ kind }) => kind === 'didComplete').map(({ task }) => task?.id)
  }

  get sequences(): readonly number[] {
    return this.events.map(({ sequence }) => sequence)
  }

  get ended(): readonly string[] {
    return this.told.flatMap(({ name, params }) => (name === 'ended' ? [(params as Notes['ended']).error.code] : []))
  }
}

/** An app that was "launched": a test ends it, and sees what was sent to it. */
export class FakeApp implements LaunchedApp {
  readonly pid: number
  readonly request: LaunchRequest
  readonly ended: Promise<Exit>
  readonly signals: string[] = []
  readonly #exit = Promise.withResolvers<Exit>()
  constructor(pid: number, request: LaunchRequest) {
    this.pid = pid
    this.request = request
    this.ended = this.#exit.promise
  }

  get ticket(): LaunchTicket {
    return JSON.parse(this.request.env['LONGHAUL_LAUNCH']!) as LaunchTicket
  }

  ask(): void {
    this.signals.push('SIGTERM')
  }

  kill(): void {
    this.signals.push('SIGKILL')
  }

  async end(exit: Partial<Exit> = { code: 0 }): Promise<void> {
    this.#exit.resolve({ code: undefined, signal: undefined, ...exit })
    await turn()
  }
}

export class ScriptedLauncher implements Launcher {
  readonly apps: FakeApp[] = []
  /** The next starts fail with these. */
  readonly failures: Error[] = []

  start(request: LaunchRequest): Promise<LaunchedApp> {
    const failure = this.failures.shift()
    if (failure !== undefined) return Promise.reject(failure)
    const app = new FakeApp(4000 + this.apps.length, request)
    this.apps.push(app)
    return Promise.resolve(app)
  }
}

/** Everything that was caused has run: the journal in this thread and all promises. */
export async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
}

export interface OpenOptions {
  readonly launch?: LaunchCommand
  readonly launchWhen?: LaunchWhen
  readonly launchEnvironment?: Readonly<Record<string, string>>
  readonly launchTimeLimitMs?: number
  readonly sendsLaunchEvents?: boolean
}

export class Stage {
  readonly clock: ManualClock = new ManualClock()
  readonly launcher: ScriptedLauncher = new ScriptedLauncher()
  readonly journal: Journal = createJournal(openStore(':memory:'))
  /** Commands of the journal that fail so many times from now on, as on a full disk. */
  readonly failing: Map<string, number> = new Map()
  delivery: Delivery = this.#make()
  #tasks = 0

  #make(): Delivery {
    let drawn = 0
    const delivery = createDelivery({
      world: {
        clock: this.clock,
        random: { fraction: () => 0.5, bytes: (count) => new Uint8Array(count).fill(++drawn) },
        launcher: this.launcher,
        log: silentLog,
      },
      journal: this.#onBadDisk(),
      environment: { PATH: '/usr/bin', NODE_OPTIONS: '--inspect' },
      home: '/home/u/.local/state/longhaul',
    })
    this.journal.watch(({ events, sessions }) => delivery.changed({ events, launch: sessions }))
    return delivery
  }

  #onBadDisk(): Journal {
    return new Proxy(this.journal, {
      get: (journal, name: keyof Journal) => {
        const left = this.failing.get(name) ?? 0
        if (left === 0) return journal[name]
        return () => {
          this.failing.set(name, left - 1)
          return Promise.reject(new LonghaulError('DISK_FULL', 'no room'))
        }
      },
    })
  }

  /** Another life of the daemon on the same journal; sessions that are `owned` had an owner until then. */
  async restart(owned: readonly SessionFacts[] = []): Promise<void> {
    await this.delivery.stop()
    this.delivery = this.#make()
    await this.delivery.start(owned.map(({ id }) => id))
    await turn()
  }

  at(): Moment {
    return { steadyMs: this.clock.steady(), wallMs: this.clock.wall() }
  }

  /** The session as it is stored; made if there is none. */
  async session(identifier = 'com.example.app', options: OpenOptions = {}): Promise<SessionFacts> {
    const { launch, launchWhen, launchEnvironment, launchTimeLimitMs, sendsLaunchEvents } = options
    const { session } = await this.journal.openSession({
      at: this.at(),
      identifier,
      configuration: {
        ...(launchTimeLimitMs !== undefined && { launchTimeLimitMs }),
        ...(sendsLaunchEvents !== undefined && { sendsLaunchEvents }),
      },
      strict: false,
      owner: true,
      ...(launch !== undefined && { launch }),
      ...(launchWhen !== undefined && { launchWhen }),
      ...(launchEnvironment !== undefined && { launchEnvironment }),
    })
    return session
  }

  async attach(caller: Caller, session: SessionFacts, own: Partial<OwnRequest> = {}): Promise<number> {
    const { fence } = await this.delivery.attach(caller, session, {
      methods: ['didComplete', 'didWriteData'],
      takeover: false,
      ...own,
    })
    return fence
  }

  /** An active owner. */
  async own(
    session: SessionFacts,
    pid = 100,
    own: Partial<OwnRequest> = {},
  ): Promise<{ caller: Listener; fence: number }> {
    const caller = new Listener(pid)
    const fence = await this.attach(caller, session, own)
    await this.delivery.activate(caller, session, fence)
    await turn()
    return { caller, fence }
  }

  async add(session: SessionFacts, count = 1): Promise<readonly TaskId[]> {
    const tasks = Array.from({ length: count }, (): NewTask => {
      const n = ++this.#tasks
      const random = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, n >> 8, n & 255])
      return {
        id: makeTaskId(this.clock.wall(), random),
        kind: 'download',
        request: { url: `https://example.com/${n}`, method: 'GET', headers: [] },
        destination: { kind: 'spool' },
        ifExists: 'replace',
        umask: 0o022,
        priority: 0.5,
        policy: {},
        start: true,
      }
    })
    await this.journal.addTasks({ session: session.id, tasks, at: this.at() })
    return tasks.map(({ id }) => id)
  }

  /** Ends tasks by a cancel: each leaves `didFinishCollectingMetrics` and `didComplete`. */
  async end(ids: readonly TaskId[]): Promise<void> {
    await this.journal.change({ targets: { ids }, change: { kind: 'cancel' }, at: this.at() })
    await turn()
  }

  /** Tasks that have ended, their events waiting. */
  async ended(session: SessionFacts, count = 1): Promise<readonly TaskId[]> {
    const ids = await this.add(session, count)
    await this.end(ids)
    return ids
  }

  async wait(ms: number): Promise<void> {
    await turn()
    this.clock.advance(ms)
    await turn()
  }

  /** What an app does that takes all its events and says so. */
  async takeAll(app: FakeApp, session: SessionFacts): Promise<{ caller: Listener; fence: number }> {
    const { caller, fence } = await this.own(session, app.pid, { launchToken: app.ticket.token })
    for (let seen = 0; seen < caller.events.length;) {
      const sequences = caller.sequences.slice(seen)
      seen = caller.events.length
      await this.delivery.acknowledge(caller, session, fence, sequences)
      await turn()
    }
    return { caller, fence }
  }
}
