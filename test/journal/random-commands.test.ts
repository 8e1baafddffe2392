// Random lives of a few tasks: any command at any moment, attempts that write after they were stopped, daemons that die. After
// each command the rules hold that no order of commands may break.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isLonghaulError } from '../../src/contract/errors.ts'
import type { NewTask } from '../../src/contract/task.ts'
import { makeTaskId, type TaskId } from '../../src/contract/words.ts'
import type { Request } from '../../src/journal/commands.ts'
import { runGroup } from '../../src/journal/group.ts'
import { createJournal } from '../../src/journal/in-thread.ts'
import type { AttemptEnd, CommandName, Journal, Moment } from '../../src/journal/journal.ts'
import { recompute } from '../../src/journal/lanes.ts'
import { openStore } from '../../src/journal/open.ts'
import type { Store } from '../../src/journal/store.ts'
import { errorJson, identity, measure, minute, response } from '../suites/journal-subject.ts'

const lost = errorJson('NETWORK_CONNECTION_LOST')
const kinds = ['resume', 'suspend', 'hold', 'release', 'cancel', 'tryNow'] as const
const representation = { etag: '"1"', total: 100, acceptsRanges: true }

/** `pick` chooses among tasks and attempts that exist when the step runs. */
type Step = { readonly pick: number } & (
  | { readonly do: 'add'; readonly variant: number }
  | { readonly do: 'change'; readonly kind: (typeof kinds)[number] }
  | { readonly do: 'start' | 'reserve' | 'checkpoint' | 'restart' | 'resumed' | 'intent' | 'finish' }
  | { readonly do: 'end'; readonly how: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'retry' | 'take' | 'acknowledge' | 'attach' | 'network' | 'priority' | 'request' | 'retire' }
  | { readonly do: 'life'; readonly clean: boolean }
  | { readonly do: 'invalidate'; readonly how: 'finish' | 'cancel' }
)

const pick = fc.nat({ max: 1000 })
const attemptStep = fc.constantFrom('reserve', 'checkpoint', 'restart', 'resumed', 'intent', 'finish')
const otherStep = fc.constantFrom('retry', 'take', 'acknowledge', 'attach', 'network', 'priority', 'request', 'retire')
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('add'), variant: fc.nat({ max: 5 }), pick }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('start'), pick }) },
  { weight: 9, arbitrary: fc.record({ do: attemptStep, pick }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('end'), how: fc.nat({ max: 5 }), pick }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('change'), kind: fc.constantFrom(...kinds), pick }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1, 1000, minute, 5 * minute), pick }),
  },
  { weight: 4, arbitrary: fc.record({ do: otherStep, pick }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('life'), clean: fc.boolean(), pick }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('invalidate'), how: fc.constantFrom('finish', 'cancel'), pick }),
  },
)

interface Attempt {
  readonly task: TaskId
  readonly fence: number
  /** Answered `fenced`; one that was stopped from outside may still give its last checkpoint. */
  over: boolean
  /** By its own last word. */
  ended: boolean
}

class Run {
  readonly store: Store = openStore(':memory:')
  readonly journal: Journal
  /** All that was asked, in order. */
  readonly asked: Request[] = []
  readonly #tasks: TaskId[] = []
  readonly #attempts: Attempt[] = []
  readonly #completed = new Map<TaskId, number>()
  #session = 0
  #owner = 0
  #steadyMs = 1000
  #ids = 0
  /** The highest number that was ever given. */
  #highest = 0
  #invalid = false

  constructor() {
    const journal = createJournal(this.store)
    this.journal = new Proxy(journal, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function' || name === 'watch' || name === 'close') return value
        return (input: unknown): unknown => {
          this.asked.push({ name: name as CommandName, input })
          return (value as (input: unknown) => unknown)(input)
        }
      },
    })
  }

  get at(): Moment {
    return { steadyMs: this.#steadyMs, wallMs: this.#steadyMs + 1e12 }
  }

  async begin(): Promise<void> {
    await this.journal.openLife({ at: this.at, bootId: 'boot', pid: 1 })
    await this.#open()
  }

  async #open(): Promise<void> {
    const { at } = this
    const opened = await this.journal.openSession({
      at,
      identifier: 'com.example.app',
      configuration: { timeoutIntervalForResourceMs: 20 * minute },
      strict: false,
      owner: true,
    })
    if (opened.session.id !== this.#session) {
      this.#highest = 0
      this.#invalid = false
    }
    this.#session = opened.session.id
    this.#owner = (await this.journal.attach({ session: this.#session, pid: 1, methods: [] })).fence
  }

  async step(step: Step): Promise<void> {
    const { journal, at } = this
    const task = this.#tasks[step.pick % Math.max(1, this.#tasks.length)]
    switch (step.do) {
      case 'add':
        return this.#add(step.variant, task)
      case 'pass':
        this.#steadyMs += step.ms
        while ((await journal.wakeDue({ at: this.at })).more);
        return
      case 'take':
        return this.#take()
      case 'acknowledge':
        await journal.acknowledge({
          session: this.#session,
          fence: this.#owner,
          at,
          sequences: await this.#some(step.pick),
        })
        if ((await journal.listSessions({})).length === 0) await this.#open()
        return
      case 'attach':
        return this.#open()
      case 'network':
        await journal.networkChanged({ at })
        return
      case 'retire':
        await journal.retire({ at })
        return
      case 'life':
        await journal.saveClock({ at, cleanEnd: step.clean })
        await journal.openLife({ at, bootId: 'boot', pid: 1 })
        for (const attempt of this.#attempts) attempt.over = true
        return
      case 'invalidate':
        if (step.pick % 3 > 0) return
        await journal.invalidate({ session: this.#session, how: step.how, at })
        return
      case 'change':
        if (task !== undefined) await journal.change({ targets: { ids: [task] }, change: { kind: step.kind }, at })
        return
      case 'priority': {
        const change = { kind: 'priority', priority: step.pick / 1000 } as const
        if (task !== undefined) await journal.change({ targets: { ids: [task] }, change, at })
        return
      }
      case 'request': {
        const change = { kind: 'request', url: `http://h${step.pick % 3}/f`, restart: step.pick % 2 === 0 } as const
        if (task !== undefined) await journal.change({ targets: { ids: [task] }, change, at })
        return
      }
      case 'retry':
        if (task !== undefined) await this.#mayBeRefused(journal.retryTask({ id: task, newId: this.#newId(), at }))
        return
      case 'start': {
        if (task === undefined) return
        const started = await journal.startAttempt({ task, at })
        if (started.found === 'started') this.#attempts.push({ task, fence: started.fence, over: false, ended: false })
        return
      }
      default:
        return this.#attemptStep(step)
    }
  }

  #newId(): TaskId {
    this.#ids += 1
    const random = new Uint8Array(10)
    random[9] = this.#ids % 256
    random[8] = this.#ids >> 8
    const id = makeTaskId(this.at.wallMs, random)
    this.#tasks.push(id)
    return id
  }

  async #add(variant: number, other: TaskId | undefined): Promise<void> {
    const destination = { kind: 'file', folder: '/d', name: `f${variant}` } as const
    const fields: Partial<NewTask> = [
      {},
      { start: false },
      { key: 'k', again: this.#ids % 2 === 0 },
      { destination },
      { earliestBeginMs: this.at.wallMs + minute },
      other === undefined ? {} : { after: [other] },
    ][variant]!
    const task: NewTask = {
      id: this.#newId(),
      kind: 'download',
      request: { url: `http://h${variant % 2}/f`, method: 'GET', headers: [] },
      destination: { kind: 'spool' },
      ifExists: 'replace',
      umask: 0,
      priority: 0.5,
      policy: {},
      start: true,
      ...fields,
    }
    await this.#mayBeRefused(this.journal.addTasks({ session: this.#session, tasks: [task], at: this.at }))
  }

  async #mayBeRefused(answer: Promise<unknown>): Promise<void> {
    await answer.catch((error: unknown) => {
      if (!isLonghaulError(error)) throw error
    })
  }

  /** One that is over must be answered `fenced`, and change nothing. */
  async #attemptStep(step: Step): Promise<void> {
    const attempt = this.#attempts[step.pick % Math.max(1, this.#attempts.length)]
    if (attempt === undefined) return
    const before = dump(this.store)
    const told = this.store.get<{ n: number }>(
      'select cancel_asked <> 0 or held <> 0 or suspends > 0 n from task where uid = ?',
      attempt.task,
    )
    const { found } = await this.#write(step, attempt)
    if (found === 'fenced') {
      // Only one that fetches again may find out that a cancel, a hold or a suspend was waiting, and end with that answer.
      const mayFindOut = (step.do === 'reserve' || step.do === 'restart') && told?.n === 1
      if (attempt.over || !mayFindOut) assert.deepEqual(dump(this.store), before)
      attempt.over = true
    } else {
      const newest = this.#attempts.findLast(({ task }) => task === attempt.task) === attempt
      const mayStill = !attempt.over || (step.do === 'checkpoint' && newest && !attempt.ended)
      assert.ok(mayStill, `an attempt that was over could still ${step.do}`)
    }
    if (found === 'fenced') return
    if (step.do === 'finish' || step.do === 'end') attempt.ended = true
    attempt.over ||= attempt.ended || found === 'cancelled'
  }

  async #write(step: Step, { task, fence }: Attempt): Promise<{ readonly found: string }> {
    const { journal, at } = this
    const own = { task, fence, at }
    switch (step.do) {
      case 'reserve':
        return journal.reserve({
          ...own,
          response,
          representation,
          destination: step.pick % 2 === 0 ? 'spool' : { folder: '/d', names: ['f3', 'f3 (1)'] },
          // Names have the id in them: two tasks never use one.
          part: { folder: '/d', name: `part ${step.pick % 5 === 0 ? 'again ' : ''}${task}` },
          kept: (['in place', 'to be copied', 'none'] as const)[step.pick % 3]!,
        })
      case 'checkpoint':
        return journal.checkpoint({
          ...own,
          identity,
          ranges: [[0, 1 + (step.pick % 100)]],
          representation,
          part: { folder: '/d', name: `part ${step.pick % 5 === 0 ? 'again ' : ''}${task}` },
        })
      case 'restart':
        return journal.restart({ ...own, why: 'test', because: step.pick % 2 === 0 ? 'bytes changed' : 'cannot go on' })
      case 'resumed':
        return journal.resumed({ ...own, offset: 1, proof: 'digest' })
      case 'intent':
        return journal.intent({
          ...own,
          intent: {
            folder: '/d',
            name: `f${step.pick % 4}`,
            how: 'replace',
            identity,
            bytes: 100,
            lengthVerified: true,
            modifiedMs: 1,
          },
        })
      case 'finish':
        return journal.finish({
          ...own,
          result: { path: '/d/f', bytes: 100, lengthVerified: true, notModified: false },
          response: undefined,
          delivered: { folder: '/d', name: 'f', identity, size: 100, modifiedMs: 1 },
          measure,
        })
      default:
        return journal.endAttempt({ ...own, end: this.#end(step.do === 'end' ? step.how : 0), measure })
    }
  }

  #end(how: number): AttemptEnd {
    const wakeAtMs = this.#steadyMs + minute
    const retry = {
      kind: 'retry',
      cause: lost,
      origin: 'http://h0',
      wakeAtMs,
      serverAsked: false,
      progressed: false,
    } as const
    const ends: readonly AttemptEnd[] = [
      retry,
      { ...retry, serverAsked: true, reopensAtMs: wakeAtMs, progressed: true },
      { kind: 'wait', gate: 'disk', cause: lost, wakeAtMs },
      { kind: 'wait', gate: 'destination', cause: lost, wakeAtMs },
      { kind: 'fail', error: lost },
      { kind: 'stopped' },
    ]
    return ends[how]!
  }

  async #take(): Promise<void> {
    const taken = await this.journal.takeEvents({ session: this.#session, fence: this.#owner, after: 0, limit: 1000 })
    assert.ok(taken.found === 'taken')
  }

  async #some(seed: number): Promise<readonly number[]> {
    const rows = this.store.all<{ sequence: number }>('select sequence from event where session = ?', this.#session)
    await this.#take()
    return rows.map(({ sequence }) => sequence).filter((sequence) => (sequence * 7 + seed) % 3 > 0)
  }

  /** What holds after every command. */
  check(): void {
    const { store } = this
    assert.deepEqual(recompute(store), { gates: 0, lanes: 0, tallies: 0 })
    const none = (what: string, sql: string): void => {
      assert.deepEqual(
        store.all<object>(sql).map((row) => ({ ...row })),
        [],
        what,
      )
    }
    none(
      'a waiting task has a time to wake up',
      `select uid, gate from task where wake_at is null and gate in ('backoff', 'disk', 'destination')`,
    )
    none('a dated task has its date', `select uid from task where gate = 'time' and begin_at is null`)
    none(
      'a task that needs others needs one that has not ended, or is about to be told',
      `select uid from task where gate = 'dependency' and not exists (select 1 from dependency join task n on n.id = needs
         where dependency.task = task.id and (n.outcome is null or exists (select 1 from sweep where subject = n.id)))`,
    )
    none(
      'blockers are counted',
      'select uid from task where outcome is null and blockers <> (select count(*) from dependency where dependency.task = task.id)',
    )
    none('an active task has a deadline', `select uid from task where gate = 'active' and deadline_at is null`)
    none(
      'a deadline stands still in the queue',
      `select uid from task where gate in ('ready', 'suspended', 'held', 'time', 'dependency') and deadline_at is not null`,
    )
    none(
      'a task that ended holds no destination',
      `select path from destination join task on task.id = destination.task where outcome is not null`,
    )
    none('a task that ended has no intent', 'select uid from task where outcome is not null and intent is not null')
    none('publishing has an intent', `select uid from task where gate = 'publishing' and intent is null`)
    none(
      'a file with a row is not owed',
      'select part.name from part join owed on owed.folder = part.folder and owed.name = part.name',
    )
    none(
      'events are counted',
      'select id from session where identifier is not null and events <> (select count(*) from event where event.session = session.id)',
    )
    none(
      'completions are counted',
      `select id from session where identifier is not null and waiting_tasks <> (select count(*) from event where event.session = session.id and kind = 'didComplete')`,
    )
    this.#checkEvents()
  }

  /** Numbers without a gap; one `didComplete` a task, and nothing of it after that. */
  #checkEvents(): void {
    const events = this.store.all<{ sequence: number; uid: TaskId | null; kind: string }>(
      `select sequence, uid, kind from event left join task on task.id = event.task
       where event.session = ? and sequence > ? order by sequence`,
      this.#session,
      this.#highest,
    )
    for (const { sequence, uid, kind } of events) {
      assert.equal(sequence, this.#highest + 1)
      this.#highest = sequence
      assert.ok(!this.#invalid, `${kind} after didBecomeInvalid`)
      this.#invalid = kind === 'didBecomeInvalid'
      if (uid === null) continue
      assert.ok(!this.#completed.has(uid), `${kind} of ${uid} after its didComplete`)
      if (kind === 'didComplete') this.#completed.set(uid, sequence)
    }
    const ended = this.store.all<{ uid: TaskId }>(
      'select uid from task where session = ? and outcome is not null',
      this.#session,
    )
    for (const { uid } of ended) assert.ok(this.#completed.has(uid), `${uid} ended without its didComplete`)
  }
}

function dump(store: Store): unknown {
  const tables = store.all<{ name: string }>(
    `select name from sqlite_schema where type = 'table' and name not like 'sqlite%'`,
  )
  return tables.map(({ name }) => [name, store.all(`select * from ${name}${name === 'tally' ? ' where n <> 0' : ''}`)])
}

test('no order of commands breaks a rule of the journal', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 20, maxLength: 80 }), async (all) => {
      const run = new Run()
      await run.begin()
      for (const step of all) {
        await run.step(step)
        run.check()
      }
      await run.journal.close()
    }),
    { numRuns: 300 },
  )
})

test('commands that share a commit leave what they leave one by one', { timeout: 120_000 }, async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 10 })
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 20, maxLength: 80 }), sizes, async (all, some) => {
      const run = new Run()
      await run.begin()
      for (const step of all) await run.step(step)
      const alone = dump(run.store)
      const store = openStore(':memory:')
      for (let from = 0, n = 0; from < run.asked.length; n++) {
        const size = some[n % some.length]!
        const { answers, problem } = runGroup(store, run.asked.slice(from, from + size))
        assert.equal(problem, undefined)
        assert.ok(!answers.some((answer) => 'goOn' in answer))
        from += size
      }
      assert.deepEqual(dump(store), alone)
      assert.deepEqual(recompute(store), { gates: 0, lanes: 0, tallies: 0 })
      store.database.close()
      await run.journal.close()
    }),
    { numRuns: 300 },
  )
})
