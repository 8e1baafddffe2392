// What is started, what is not, and that explanations never disagree with it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { TaskId } from '../../src/contract/words.ts'
import { type Plan, plan, type Schedule } from '../../src/scheduler/plan.ts'
import { fullOrigins, mayStart, reasonsToWait } from '../../src/scheduler/rules.ts'
import { daemonLimits, type LaneHead, type SessionShare, viewOf } from '../../src/scheduler/view.ts'

const origins = ['https://a.test', 'https://b.test', 'https://c.test', 'http://d.test:8080']

function share(session: number, more: Partial<SessionShare> = {}): SessionShare {
  return { session, maximumActiveTasks: 16, maximumConnectionsPerHost: 6, held: false, lastStart: 0, ...more }
}

function head(session: number, origin: string, more: Partial<LaneHead> = {}): LaneHead {
  return { session, origin, task: `${session}-${origin}`, priority: 0.5, ready: 1, ...more }
}

function schedule(more: Partial<Schedule>): Schedule {
  return { nowMs: 1000, limits: daemonLimits, sessions: [], lanes: [], active: [], ...more }
}

const someSchedule: fc.Arbitrary<Schedule> = fc
  .record({
    limits: fc.record({
      maximumActiveTasks: fc.integer({ min: 1, max: 12 }),
      maximumConnectionsPerOrigin: fc.integer({ min: 1, max: 6 }),
    }),
    shares: fc.array(
      fc.record({
        maximumActiveTasks: fc.integer({ min: 1, max: 6 }),
        maximumConnectionsPerHost: fc.integer({ min: 1, max: 4 }),
        held: fc.boolean(),
        lastStart: fc.nat(20),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    lanes: fc.uniqueArray(
      fc.record({
        session: fc.nat(4),
        origin: fc.constantFrom(...origins),
        priority: fc.constantFrom(0, 0.5, 1),
        closedUntilMs: fc.option(fc.integer({ min: 500, max: 2000 }), { nil: undefined }),
        ready: fc.integer({ min: 1, max: 3 }),
      }),
      { selector: (lane) => `${lane.session} ${lane.origin}`, maxLength: 20 },
    ),
    active: fc.array(fc.record({ session: fc.nat(4), origin: fc.constantFrom(...origins) }), { maxLength: 14 }),
  })
  .map(({ limits, shares, lanes, active }) => ({
    nowMs: 1000,
    limits,
    sessions: shares.map((each, session) => ({ session, ...each })),
    lanes: lanes
      .filter((lane) => lane.session < shares.length)
      .map((lane, index) => ({ ...lane, task: `T${String(index).padStart(3, '0')}` })),
    active: active.filter((task) => task.session < shares.length),
  }))

/** With the names of those that it starts. */
function planned(given: Schedule): Omit<Plan, 'start'> & { readonly start: readonly TaskId[] } {
  const { start, ...rest } = plan(given)
  return { start: start.map(({ task }) => task), ...rest }
}

test('a plan starts what no rule holds back, and holds back only what some rule names', () => {
  fc.assert(
    fc.property(someSchedule, (given) => {
      const started = new Set(planned(given).start)
      const byTask = new Map(given.lanes.map((lane) => [lane.task, lane]))
      // In its order, each start was allowed when its turn came.
      const view = viewOf(given)
      for (const task of started) {
        assert.deepEqual(reasonsToWait(byTask.get(task)!, view), [])
        view.load.add(byTask.get(task)!)
      }
      for (const lane of given.lanes) {
        const reasons = reasonsToWait(lane, view)
        assert.equal(mayStart(lane, view), reasons.length === 0)
        if (!started.has(lane.task)) assert.notDeepEqual(reasons, [], `${lane.task} waits without a reason`)
      }
    }),
  )
})

test('no limit is ever exceeded by a plan', () => {
  fc.assert(
    fc.property(someSchedule, (given) => {
      const started = plan(given).start
      const before = viewOf(given).load
      const after = viewOf({ ...given, active: [...given.active, ...started] }).load
      assert.ok(after.total <= Math.max(before.total, given.limits.maximumActiveTasks))
      for (const { session, origin } of started) {
        const of = given.sessions.find((each) => each.session === session)!
        assert.ok(after.ofSession(session) <= of.maximumActiveTasks)
        assert.ok(after.ofOrigin(origin) <= given.limits.maximumConnectionsPerOrigin)
        assert.ok(after.ofLane(session, origin) <= of.maximumConnectionsPerHost)
        assert.equal(of.held, false)
      }
    }),
  )
})

test('a plan asks for another look only where one who was not shown could start', () => {
  fc.assert(
    fc.property(someSchedule, (given) => {
      const { start, more } = plan(given)
      const started = given.lanes.filter(({ task }) => start.some((head) => head.task === task))
      const view = viewOf({ ...given, active: [...given.active, ...started] })
      // The next of a lane is as its head was.
      const next = started.filter(({ ready }) => ready > 1)
      assert.equal(
        more,
        next.some((lane) => mayStart(lane, view)),
      )
    }),
  )
  const shown = ['a', 'b'].map((task) => head(1, 'https://a.test', { task, ready: 3 }))
  const places = { maximumActiveTasks: 16, maximumConnectionsPerOrigin: 2 }
  assert.equal(plan(schedule({ sessions: [share(1)], lanes: shown, limits: places })).more, false)
  assert.equal(plan(schedule({ sessions: [share(1)], lanes: shown })).more, true)
})

test('no session starves, however many tasks the others have', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 6 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.nat(), { minLength: 200, maxLength: 200 }),
      (sessions, places, ends) => {
        // Every session always has more to do; one running task ends at a time, whichever chance names.
        const lastStart = new Map<number, number>()
        const waitedFor = new Map<number, number>()
        let active: { session: number; origin: string }[] = []
        let starts = 0
        for (const end of ends) {
          const { start } = planned(
            schedule({
              limits: { maximumActiveTasks: places, maximumConnectionsPerOrigin: 100 },
              sessions: Array.from({ length: sessions }, (_, session) =>
                share(session, { lastStart: lastStart.get(session) ?? 0 }),
              ),
              lanes: Array.from({ length: sessions }, (_, session) =>
                head(session, 'https://a.test', { task: String(session), priority: session === 0 ? 1 : 0 }),
              ),
              active,
            }),
          )
          for (const task of start) {
            const session = Number(task)
            lastStart.set(session, ++starts)
            active.push({ session, origin: 'https://a.test' })
            // One that has a task running is being served, however long that task takes.
            for (let each = 0; each < sessions; each++) {
              const served = active.some((task) => task.session === each)
              waitedFor.set(each, served ? 0 : (waitedFor.get(each) ?? 0) + 1)
              assert.ok(waitedFor.get(each)! < sessions, `session ${each} waited for ${waitedFor.get(each)} starts`)
            }
          }
          active = active.filter((_, index) => index !== end % active.length)
        }
      },
    ),
  )
})

test('inside a session the best priority starts first, then the oldest', () => {
  const lanes = [
    head(1, 'https://a.test', { task: '01B', priority: 0.5 }),
    head(1, 'https://b.test', { task: '01C', priority: 0.9 }),
    head(1, 'https://c.test', { task: '01A', priority: 0.5 }),
  ]
  assert.deepEqual(planned(schedule({ sessions: [share(1)], lanes })).start, ['01C', '01A', '01B'])
})

test('the session with the fewest active tasks is served first, then the one unserved for longest', () => {
  const given = schedule({
    limits: { maximumActiveTasks: 3, maximumConnectionsPerOrigin: 8 },
    sessions: [share(1, { lastStart: 1 }), share(2, { lastStart: 9 }), share(3, { lastStart: 5 })],
    lanes: [1, 2, 3].map((session) => head(session, 'https://a.test', { task: String(session) })),
    active: [{ session: 1, origin: 'https://b.test' }],
  })
  assert.deepEqual(planned(given).start, ['3', '2'])
})

test('a session that was just served in this plan is behind one with as many active tasks', () => {
  const given = schedule({
    limits: { maximumActiveTasks: 3, maximumConnectionsPerOrigin: 8 },
    sessions: [share(1, { lastStart: 1 }), share(2, { lastStart: 2 })],
    lanes: [
      head(1, 'https://a.test', { task: '1a' }),
      head(1, 'https://b.test', { task: '1b' }),
      head(2, 'https://a.test', { task: '2a' }),
    ],
    active: [{ session: 2, origin: 'https://c.test' }],
  })
  assert.deepEqual(planned(given).start, ['1a', '2a'])
})

test('an origin that asked us to wait is left alone until then, and is looked at again at that time', () => {
  const given = schedule({
    sessions: [share(1)],
    lanes: [head(1, 'https://a.test', { closedUntilMs: 5000 })],
    wakeAtMs: 9000,
  })
  assert.deepEqual(planned(given), { start: [], more: false, wakeAtMs: 5000 })
  assert.deepEqual(planned({ ...given, nowMs: 5000 }), { start: ['1-https://a.test'], more: false, wakeAtMs: 9000 })
})

test('a full origin does not hold back tasks of another', () => {
  const active = Array.from({ length: 6 }, () => ({ session: 1, origin: 'https://a.test' }))
  const lanes = [head(1, 'https://a.test', { priority: 1 }), head(1, 'https://b.test')]
  assert.deepEqual(planned(schedule({ sessions: [share(1)], lanes, active })).start, ['1-https://b.test'])
})

test('without anything to do a plan asks for no wake-up', () => {
  assert.deepEqual(planned(schedule({ sessions: [share(1)] })), { start: [], more: false })
})

test('of a crowded origin no more start than it takes, and it is looked at again when one more may be tried', () => {
  const [a, b] = origins as [string, string]
  const crowded = new Map([[a, { most: 2, untilMs: 11_000 }]])
  const facts = {
    sessions: [share(1)],
    lanes: [head(1, a, { ready: 3 }), head(1, a, { task: 'next', ready: 3 }), head(1, b)],
    active: [{ session: 1, origin: a }],
    crowded,
  }
  assert.deepEqual(planned(schedule(facts)), { start: [`1-${a}`, `1-${b}`], more: false, wakeAtMs: 11_000 })
  assert.equal(
    plan(schedule({ ...facts, crowded: new Map([[a, { most: 2 }]]) })).wakeAtMs,
    undefined,
    'one is being tried',
  )
})

test('an origin is full at the ceiling of the daemon, or when it is crowded and has what it takes', () => {
  const [a, b, c] = origins as [string, string, string]
  const limits = { maximumActiveTasks: 10, maximumConnectionsPerOrigin: 3 }
  const crowded = new Map([
    [b, { most: 1 }],
    [c, { most: 2 }],
  ])
  const sessions = [share(1)]
  const active = [a, a, a, b, c].map((origin) => ({ session: 1, origin }))
  const view = viewOf({ nowMs: 1000, limits, crowded, sessions, active })
  assert.deepEqual(fullOrigins(view), [a, b])
  assert.deepEqual(
    [a, b, c].filter((origin) => !mayStart(head(1, origin), view)),
    [a, b],
  )
})

test('nobody is woken for a crowd that is not all that holds a task back', () => {
  const [a] = origins as [string]
  const crowded = new Map([[a, { most: 1, untilMs: 11_000 }]])
  const facts = { sessions: [share(1)], lanes: [head(1, a)], active: [{ session: 1, origin: a }], crowded }
  assert.equal(plan(schedule(facts)).wakeAtMs, 11_000)
  assert.equal(plan(schedule({ ...facts, sessions: [share(1, { held: true })] })).wakeAtMs, undefined)
  const closed = [head(1, a, { closedUntilMs: 30_000 })]
  assert.equal(plan(schedule({ ...facts, lanes: closed })).wakeAtMs, 30_000)
})
