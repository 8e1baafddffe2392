// A journal under test with a clock that only the test moves, and short ways to the states that tests begin in.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PartIdentity, PublishIntent } from '../../src/contract/bytes.ts'
import { errorTable, type ErrorCode, type ErrorJson } from '../../src/contract/errors.ts'
import type { DurableEventJson } from '../../src/contract/events.ts'
import type { NewTask, RequestFacts, ResponseJson, TaskRecord, TaskResult } from '../../src/contract/task.ts'
import { makeTaskId, type TaskId } from '../../src/contract/words.ts'
import type {
  AttemptEnd,
  AttemptMeasure,
  Consequences,
  Journal,
  Moment,
  Recorded,
  StartedAttempt,
} from '../../src/journal/journal.ts'
import { recompute } from '../../src/journal/lanes.ts'
import { openStore } from '../../src/journal/open.ts'

export type OpenJournal = (path: string) => Promise<Journal>

export const second = 1000
export const minute = 60_000
export const hour = 3_600_000
export const day: number = 24 * hour

export const response: ResponseJson = { url: 'http://127.0.0.1/file', status: 200, headers: [['etag', '"1"']] }
export const identity: PartIdentity = { inode: '7', birthMs: 5, device: 'dev' }
export const measure: AttemptMeasure = { bytes: 10, transactions: [], redirects: 0 }
export const lost: ErrorJson = errorJson('NETWORK_CONNECTION_LOST')

export function errorJson(code: ErrorCode): ErrorJson {
  const { hint, retryable } = errorTable[code]
  return { code, message: `${code} in a test`, hint, retryable }
}

export class Subject {
  readonly path: string
  journal: Journal
  steadyMs = 1_000_000
  /** A wall clock far from the steady one, so that a mix-up shows. */
  wallMs = 1_800_000_000_000
  readonly consequences: Consequences[] = []
  readonly #open: OpenJournal
  readonly #folder: string
  #ids = 0
  #boot = 'boot 1'

  private constructor(open: OpenJournal, folder: string, journal: Journal) {
    this.#open = open
    this.#folder = folder
    this.path = join(folder, 'journal.db')
    this.journal = journal
  }

  static async open(open: OpenJournal): Promise<Subject> {
    const folder = mkdtempSync(join(tmpdir(), 'journal-'))
    const subject = new Subject(open, folder, await open(join(folder, 'journal.db')))
    await subject.#begin()
    return subject
  }

  async #begin(): Promise<void> {
    this.journal.watch((consequences) => this.consequences.push(consequences))
    await this.journal.openLife({ at: this.at, bootId: this.#boot, pid: 1 })
  }

  get at(): Moment {
    return { steadyMs: this.steadyMs, wallMs: this.wallMs }
  }

  pass(ms: number): void {
    this.steadyMs += ms
    this.wallMs += ms
  }

  /** The daemon ends, the next one begins. */
  async restart(how: { readonly clean: boolean; readonly boot?: string }): ReturnType<Journal['openLife']> {
    await this.journal.saveClock({ at: this.at, cleanEnd: how.clean })
    await this.journal.close()
    this.journal = await this.#open(this.path)
    this.journal.watch((consequences) => this.consequences.push(consequences))
    if (how.boot !== undefined) this.#boot = how.boot
    return this.journal.openLife({ at: this.at, bootId: this.#boot, pid: 2 })
  }

  /** Ends the test: what is derived must be what the facts say. */
  async close(): Promise<void> {
    await this.journal.close()
    const store = openStore(this.path)
    try {
      assert.deepEqual(recompute(store), { gates: 0, lanes: 0, tallies: 0 })
    } finally {
      store.database.close()
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }

  id(): TaskId {
    this.#ids += 1
    const random = new Uint8Array(10)
    new DataView(random.buffer).setUint32(6, this.#ids)
    return makeTaskId(this.wallMs, random)
  }

  newTask(fields: Partial<NewTask> & { readonly url?: string } = {}): NewTask {
    const { url = 'http://127.0.0.1:1/file', ...rest } = fields
    return {
      id: this.id(),
      kind: 'download',
      request: { url, method: 'GET', headers: [] },
      destination: { kind: 'spool' },
      ifExists: 'replace',
      umask: 0o22,
      priority: 0.5,
      policy: {},
      start: true,
      ...rest,
    }
  }

  /** A session that is owned, so that events are kept. */
  async owned(identifier = 'com.example.app'): Promise<{ readonly session: number; readonly fence: number }> {
    const opened = await this.openSession(identifier)
    const { fence } = await this.journal.attach({ session: opened.session.id, pid: 10, methods: ['didComplete'] })
    return { session: opened.session.id, fence }
  }

  openSession(
    identifier: string,
    more: Partial<Parameters<Journal['openSession']>[0]> = {},
  ): ReturnType<Journal['openSession']> {
    return this.journal.openSession({
      at: this.at,
      identifier,
      configuration: {},
      strict: false,
      owner: true,
      ...more,
    })
  }

  async add(session: number, ...tasks: readonly (Partial<NewTask> & { readonly url?: string })[]): Promise<TaskId[]> {
    const rows = tasks.map((task) => this.newTask(task))
    const added = await this.journal.addTasks({ session, tasks: rows, at: this.at })
    return added.tasks.map(({ task }) => task.id)
  }

  async addOne(session: number, task: Partial<NewTask> & { readonly url?: string } = {}): Promise<TaskId> {
    return (await this.add(session, task))[0]!
  }

  async record(id: TaskId): Promise<TaskRecord> {
    const record = await this.journal.getTask({ id })
    assert.ok(record !== undefined, `there is no task ${id}`)
    return record
  }

  async gate(id: TaskId): Promise<string> {
    return (await this.record(id)).gate
  }

  async start(task: TaskId): Promise<StartedAttempt> {
    const started = await this.journal.startAttempt({ task, at: this.at })
    assert.ok(started.found === 'started', `task ${task} is ${JSON.stringify(started)}`)
    const { found: _, ...attempt } = started
    return attempt
  }

  /** Started, with a response and `bytes` of 100 on disk. */
  async startWithBytes(task: TaskId, bytes = 40): Promise<StartedAttempt> {
    const attempt = await this.start(task)
    await this.reserve(attempt)
    if (bytes > 0) assert.deepEqual(await this.checkpoint(attempt, bytes), { found: 'recorded' })
    return attempt
  }

  reserve(
    attempt: { readonly task: TaskId; readonly fence: number },
    more: Partial<Parameters<Journal['reserve']>[0]> = {},
  ): ReturnType<Journal['reserve']> {
    return this.journal.reserve({
      task: attempt.task,
      fence: attempt.fence,
      at: this.at,
      response,
      representation: { etag: '"1"', total: 100, acceptsRanges: true },
      destination: 'spool',
      part: { folder: '/spool', name: `${attempt.task}.part` },
      kept: 'none',
      ...more,
    })
  }

  checkpoint(
    attempt: { readonly task: TaskId; readonly fence: number },
    bytes: number,
    part: { readonly folder: string; readonly name: string } = { folder: '/spool', name: `${attempt.task}.part` },
  ): Promise<Recorded> {
    return this.journal.checkpoint({
      task: attempt.task,
      fence: attempt.fence,
      at: this.at,
      identity,
      ranges: [[0, bytes]],
      representation: { etag: '"1"', total: 100, acceptsRanges: true },
      part,
    })
  }

  intent(
    attempt: { readonly task: TaskId; readonly fence: number },
    more: Partial<PublishIntent> = {},
  ): ReturnType<Journal['intent']> {
    return this.journal.intent({
      task: attempt.task,
      fence: attempt.fence,
      at: this.at,
      intent: {
        folder: '/spool',
        name: `${attempt.task}.file`,
        how: 'replace',
        identity,
        bytes: 100,
        lengthVerified: true,
        modifiedMs: 9,
        ...more,
      },
    })
  }

  finish(
    attempt: { readonly task: TaskId; readonly fence: number },
    more: Partial<TaskResult> = {},
  ): Promise<Recorded> {
    return this.journal.finish({
      task: attempt.task,
      fence: attempt.fence,
      at: this.at,
      result: { path: `/spool/${attempt.task}.file`, bytes: 100, lengthVerified: true, notModified: false, ...more },
      response,
      delivered: { folder: '/spool', name: `${attempt.task}.file`, identity, size: 100, modifiedMs: 9 },
      measure,
    })
  }

  end(attempt: { readonly task: TaskId; readonly fence: number }, end: AttemptEnd): Promise<Recorded> {
    return this.journal.endAttempt({ task: attempt.task, fence: attempt.fence, at: this.at, end, measure })
  }

  retry(
    attempt: { readonly task: TaskId; readonly fence: number },
    more: Partial<Extract<AttemptEnd, { kind: 'retry' }>> = {},
  ): Promise<Recorded> {
    return this.end(attempt, {
      kind: 'retry',
      cause: lost,
      origin: 'http://127.0.0.1:1',
      wakeAtMs: this.steadyMs + 10 * second,
      serverAsked: false,
      progressed: false,
      ...more,
    })
  }

  /** The whole way of a task. */
  async complete(task: TaskId): Promise<void> {
    const attempt = await this.startWithBytes(task, 100)
    assert.deepEqual(await this.intent(attempt), { found: 'recorded' })
    assert.deepEqual(await this.finish(attempt), { found: 'recorded' })
  }

  async fail(task: TaskId, code: ErrorCode = 'HTTP_STATUS'): Promise<void> {
    assert.deepEqual(await this.end(await this.start(task), { kind: 'fail', error: errorJson(code) }), {
      found: 'recorded',
    })
  }

  change(
    ids: readonly TaskId[],
    change: Parameters<Journal['change']>[0]['change'],
  ): Promise<{ readonly changed: number }> {
    return this.journal.change({ targets: { ids }, change, at: this.at })
  }

  async take(
    owner: { readonly session: number; readonly fence: number },
    after = 0,
  ): Promise<readonly DurableEventJson[]> {
    const taken = await this.journal.takeEvents({ ...owner, after, limit: 1000 })
    assert.ok(taken.found === 'taken')
    return taken.events
  }

  async kinds(owner: { readonly session: number; readonly fence: number }): Promise<readonly string[]> {
    return (await this.take(owner)).map(({ kind }) => kind)
  }

  wakeDue(): ReturnType<Journal['wakeDue']> {
    return this.journal.wakeDue({ at: this.at })
  }

  schedule(): ReturnType<Journal['schedule']> {
    return this.journal.schedule({ at: this.at, lanesPerSession: 10 })
  }
}

export const requestOf = (url: string, headers: RequestFacts['headers'] = []): RequestFacts => ({
  url,
  method: 'GET',
  headers,
})
