// The inside of a daemon on a real journal (in memory), the real delivery and real files; the clock is virtual, the engine
// does what the test says, apps are not started. `restart` ends a life (cleanly or by a crash) and begins the next on the
// same journal.
import { afterEach } from 'node:test'
import type { Caller } from '../../src/contract/caller.ts'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { ExplicitConfiguration } from '../../src/contract/session.ts'
import type { NewTask, TaskRecord } from '../../src/contract/task.ts'
import type { Notes, Params, Result, Verb } from '../../src/contract/verbs.ts'
import { makeTaskId, type TaskId } from '../../src/contract/words.ts'
import { createDelivery } from '../../src/delivery/create-delivery.ts'
import { createJournal } from '../../src/journal/in-thread.ts'
import type { CommandInput, Journal } from '../../src/journal/journal.ts'
import { openStore } from '../../src/journal/open.ts'
import { createFileSystem } from '../../src/platform/files.ts'
import type { Limits } from '../../src/scheduler/view.ts'
import { createService } from '../../src/service/create-service.ts'
import type { Service } from '../../src/service/service.ts'
import type { Access } from '../../src/transfer/access.ts'
import type {
  Assignment,
  Engine,
  Failure,
  Measure,
  OriginFacts,
  Outcome,
  RateNode,
  Report,
  SlowedBy,
} from '../../src/transfer/assignment.ts'
import type { EnvironmentState } from '../../src/world/environment.ts'
import { silentLog } from '../../src/world/log.ts'
import type { Vault } from '../../src/world/vault.ts'
import type { World } from '../../src/world/world.ts'
import { settle, VirtualClock } from '../support/virtual-clock.ts'
import { openVault } from '../support/open-vault.ts'

export const measured: Measure = { bytes: 0, transactions: [], redirects: 0 }
export const noSignal: AbortSignal = new AbortController().signal

/** Writes down what it is told. */
export class Listener implements Caller {
  readonly pid: number
  readonly told: { readonly name: keyof Notes; readonly key?: string; readonly params: Notes[keyof Notes] }[] = []
  constructor(pid = 77) {
    this.pid = pid
  }
  note<N extends keyof Notes>(name: N, params: Notes[N]): void {
    this.told.push({ name, params })
  }
  latest<N extends keyof Notes>(name: N, key: string, params: Notes[N]): void {
    this.told.push({ name, key, params })
  }
  whenRoom(send: () => void): void {
    send()
  }
  of<N extends keyof Notes>(name: N): readonly Notes[N][] {
    return this.told.filter((each) => each.name === name).map((each) => each.params as Notes[N])
  }
}

/** One attempt, as a test plays the engine. */
export class Attempt {
  readonly assignment: Assignment
  readonly report: Report
  readonly signal: AbortSignal
  readonly access: Access | undefined
  readonly outcome: PromiseWithResolvers<Outcome> = Promise.withResolvers<Outcome>()
  ended = false

  constructor(assignment: Assignment, report: Report, signal: AbortSignal, access?: Access) {
    this.assignment = assignment
    this.report = report
    this.signal = signal
    this.access = access
    const end = (): void => {
      this.ended = true
    }
    this.outcome.promise.then(end, end)
  }

  get task(): TaskId {
    return this.assignment.task
  }

  /** What a checkpoint would report. */
  checkpoint(to: number, total: number): Promise<'recorded' | 'fenced'> {
    const { folder, task } = this.assignment
    return this.report.checkpoint({
      part: { folder, name: `.${task.slice(-8)}.longhaul-part` },
      identity: { inode: '1', birthMs: 1, device: '1' },
      ranges: [[0, to]],
      representation: { etag: '"a"', total, acceptsRanges: true },
    })
  }

  /** @param url to where redirects led */
  reserve(url: string = this.assignment.request.url): ReturnType<Report['reserve']> {
    const { folder, name } = this.assignment
    return this.report.reserve({
      response: { url, status: 200, headers: [] },
      representation: { etag: '"a"', total: 1000, acceptsRanges: true },
      folder,
      names: [name ?? 'file'],
      part: { folder, name: `.${this.task.slice(-8)}.longhaul-part` },
      kept: 'none',
    })
  }

  /** All its bytes are there. */
  async verify(): Promise<void> {
    this.report.fetched()
    this.report.progress({ phase: 'verifying', received: 1000, total: 1000 })
    await settle()
  }

  /** Records what is to be put in its place. */
  async publish(): Promise<void> {
    await this.report.intent({
      folder: this.assignment.folder,
      // A name for each: two tasks never write to one.
      name: `file-${this.task}`,
      how: 'replace',
      identity: { inode: '1', birthMs: 1, device: '1' },
      bytes: 1000,
      lengthVerified: true,
      modifiedMs: 1,
    })
    await settle()
  }

  async finish(bytes = 1000): Promise<void> {
    this.outcome.resolve({
      kind: 'finished',
      measure: { ...measured, bytes },
      response: { url: this.assignment.request.url, status: 200, headers: [] },
      result: {
        path: `${this.assignment.folder}/${this.assignment.name ?? 'file'}`,
        bytes,
        lengthVerified: true,
        notModified: false,
      },
    })
    await settle()
  }

  async fail(
    error: LonghaulError = lost,
    failure: Failure = { kind: 'network' },
    how: { readonly progressed: boolean } = { progressed: false },
  ): Promise<void> {
    this.outcome.resolve({ kind: 'failed', error, failure, ...how, measure: measured })
    await settle()
  }

  async end(outcome: Outcome): Promise<void> {
    this.outcome.resolve(outcome)
    await settle()
  }
}

/** A journal that starts attempts in the test's own way. */
export function startsBy(
  start: (real: Journal, input: CommandInput<'startAttempt'>) => ReturnType<Journal['startAttempt']>,
): (journal: Journal) => Journal {
  return (real) =>
    new Proxy(real, {
      get: (target, name: keyof Journal) =>
        name === 'startAttempt' ? (input: CommandInput<'startAttempt'>) => start(target, input) : target[name],
    })
}

export const lost: LonghaulError = new LonghaulError('NETWORK_CONNECTION_LOST', 'cut')

/** Starts nothing by itself; `obeys` false: it does not end when it is told to stop. */
export class ScriptedEngine implements Engine {
  readonly attempts: Attempt[] = []
  /** What it was told last, by node. */
  readonly limits: Map<string, number | undefined> = new Map()
  readonly slowed: Map<TaskId, SlowedBy> = new Map()
  readonly origins: Map<string, OriginFacts> = new Map()
  obeys = true

  run(assignment: Assignment, report: Report, signal: AbortSignal, access?: Access): Promise<Outcome> {
    const attempt = new Attempt(assignment, report, signal, access)
    this.attempts.push(attempt)
    signal.addEventListener('abort', () => {
      if (this.obeys) attempt.outcome.resolve({ kind: 'stopped', measure: measured })
    })
    return attempt.outcome.promise
  }

  limit(node: RateNode, bytesPerSecond: number | undefined): void {
    const name = node.level === 'daemon' ? '' : ` ${node.level === 'session' ? node.session : node.task}`
    this.limits.set(`${node.level}${name}`, bytesPerSecond)
  }

  learnt(origin: string): OriginFacts | undefined {
    return this.origins.get(origin)
  }

  slowedBy(task: TaskId): SlowedBy | undefined {
    return this.slowed.get(task)
  }

  get running(): readonly Attempt[] {
    return this.attempts.filter((attempt) => !attempt.ended)
  }

  /** The newest attempt of the task, which must be running. */
  of(task: TaskId): Attempt {
    const found = this.attempts.findLast((attempt) => attempt.task === task)
    if (found === undefined || found.ended) throw new Error(`no attempt of ${task} runs`)
    return found
  }

  isRunning(task: TaskId): boolean {
    return this.running.some((attempt) => attempt.task === task)
  }
}

export interface HouseOptions {
  readonly limits?: Limits
  /** Drawn for each back-off. @default 0.5 */
  readonly fraction?: number
  readonly spool?: string
  /** Stands between the service and the journal. */
  readonly wrap?: (journal: Journal) => Journal
  /** @default one without a lock */
  readonly vault?: Vault
}

export interface Life {
  readonly clock: VirtualClock
  readonly journal: Journal
  readonly service: Service
  readonly engine: ScriptedEngine
  readonly stopsAsked: () => number
  network(networkId: string): void
  readonly watchesNetwork: () => boolean
}

export class House {
  readonly #store = openStore(':memory:')
  readonly #options: HouseOptions
  readonly caller: Listener = new Listener()
  life!: Life
  #ids = 0

  /** Errors in the log. */
  readonly logged: string[] = []

  constructor(options: HouseOptions = {}) {
    this.#options = options
  }

  static async open(options: HouseOptions = {}): Promise<House> {
    const house = new House(options)
    await house.#begin(new VirtualClock())
    return house
  }

  get clock(): VirtualClock {
    return this.life.clock
  }
  get engine(): ScriptedEngine {
    return this.life.engine
  }

  /** The next life; `awayMs` later. A crash leaves the old one dead: its clock never moves again. */
  async restart(how: { readonly clean: boolean; readonly awayMs?: number }): Promise<void> {
    const { clock, service } = this.life
    if (how.clean) {
      const stopped = service.stop()
      await clock.advance(0)
      await stopped
    }
    await this.#begin(new VirtualClock(clock.steady() + (how.awayMs ?? 0), clock.wall() + (how.awayMs ?? 0)))
  }

  async #begin(clock: VirtualClock): Promise<void> {
    const real = createJournal(this.#store)
    const journal = this.#options.wrap?.(real) ?? real
    const engine = new ScriptedEngine()
    let environment: EnvironmentState = { power: 'unknown', metered: 'unknown', constrained: 'unknown', networkId: 'a' }
    const watchers = new Set<(state: EnvironmentState) => void>()
    const unused = (): never => {
      throw new Error('not part of this house')
    }
    const world: World = {
      clock,
      random: { fraction: () => this.#options.fraction ?? 0.5, bytes: (count) => new Uint8Array(count).fill(7) },
      files: createFileSystem(),
      transport: { open: unused, close: () => Promise.resolve() },
      launcher: { start: () => Promise.reject(new LonghaulError('LAUNCH_FAILED', 'no apps here')) },
      environment: {
        get now() {
          return environment
        },
        watch: (changed) => {
          watchers.add(changed)
          return () => watchers.delete(changed)
        },
      },
      hasher: { follow: unused },
      vault: this.#options.vault ?? openVault,
      log: { ...silentLog, error: (message) => void this.logged.push(message) },
    }
    let stops = 0
    const service = createService(world, journal, {
      engine,
      delivery: createDelivery({ world, journal, environment: {}, home: '/home' }),
      ...(this.#options.limits !== undefined && { limits: this.#options.limits }),
      facts: {
        pid: 4711,
        version: '0.0.0',
        home: '/home',
        socket: '/home/s',
        spool: this.#options.spool ?? '/home/spool',
        bootId: 'boot',
        survives: 'on demand',
        environment: {},
        node: 'v24',
        rssBytes: () => 1,
        connections: () => 2,
        requestStop: () => stops++,
      },
    })
    this.life = {
      clock,
      journal,
      service,
      engine,
      stopsAsked: () => stops,
      network: (networkId) => {
        environment = { ...environment, networkId }
        for (const watcher of watchers) watcher(environment)
      },
      watchesNetwork: () => watchers.size > 0,
    }
    await service.start()
    await settle()
  }

  async call<V extends Verb>(
    verb: V,
    params: Params<V>,
    asking: { readonly caller?: Caller; readonly signal?: AbortSignal } = {},
  ): Promise<Result<V>> {
    const answer = await this.life.service.call(asking.caller ?? this.caller, verb, params, asking.signal ?? noSignal)
    await settle()
    return answer
  }

  /** As its owner, so that its events are kept and its tasks need no destination; nothing flows before `session.activate`. */
  openSession(identifier = 'com.example', configuration: ExplicitConfiguration = {}): Promise<Result<'session.open'>> {
    return this.call('session.open', {
      identifier,
      configuration,
      strictConfiguration: false,
      own: { methods: ['didWriteData', 'didRetry', 'didComplete'], takeover: false },
    })
  }

  newTask(more: Partial<NewTask> = {}): NewTask {
    const random = new Uint8Array(10)
    new DataView(random.buffer).setUint32(6, ++this.#ids)
    const id = makeTaskId(this.clock.wall(), random)
    return {
      id,
      kind: 'download',
      request: { url: `https://a.test/${this.#ids}`, method: 'GET', headers: [] },
      destination: { kind: 'spool' },
      ifExists: 'replace',
      umask: 0o022,
      priority: 0.5,
      policy: {},
      start: true,
      ...more,
    }
  }

  /** Adds one task, started, and lets it come as far as it can. */
  async add(more: Partial<NewTask> = {}, session = 'com.example'): Promise<TaskId> {
    const { tasks } = await this.call('task.add', { session, tasks: [this.newTask(more)] })
    return tasks[0]!.task.id
  }

  async get(id: TaskId): Promise<TaskRecord> {
    const found = await this.call('task.get', { id })
    if (found === null) throw new Error(`no task ${id}`)
    return found
  }

  async change(id: TaskId, kind: 'resume' | 'suspend' | 'hold' | 'release' | 'cancel' | 'tryNow'): Promise<void> {
    await this.call('task.change', { targets: { ids: [id] }, change: { kind } })
  }

  async blockers(id: TaskId): Promise<readonly string[]> {
    return (await this.call('task.explain', { id })).blockers.map(({ code }) => code)
  }

  async close(): Promise<void> {
    const stopped = this.life.service.stop()
    await this.clock.advance(10_000)
    await stopped
    this.#store.database.close()
  }
}

/** For a file of tests: opens a house that has a session, closed when its test has ended. */
export function housesWithSession(): () => Promise<House> {
  let house: House | undefined
  afterEach(async () => {
    await house?.close()
    house = undefined
  })
  return async () => {
    house = await House.open()
    await house.openSession()
    return house
  }
}
