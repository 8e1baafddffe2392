// Every reason, once; when it ends; what can be done.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Gate, phaseOf } from '../../src/contract/words.ts'
import { explain } from '../../src/scheduler/explain.ts'
import { daemonLimits, type TaskFacts, viewOf } from '../../src/scheduler/view.ts'

const origin = 'https://a.test'
const share = { session: 1, maximumActiveTasks: 2, maximumConnectionsPerHost: 1, held: false, lastStart: 0 }
const idle = viewOf({ nowMs: 1000, limits: daemonLimits, sessions: [share], active: [] })
const busy = viewOf({
  nowMs: 1000,
  limits: daemonLimits,
  sessions: [share],
  active: [
    { session: 1, origin },
    { session: 1, origin: 'https://b.test' },
  ],
})
const facts = (more: Partial<TaskFacts>): TaskFacts => ({ session: 1, origin, sessionName: 'com.example', ...more })

test('a task at each gate has a phase, and one that waits has a reason', () => {
  const gates: Record<Gate, string> = {
    suspended: 'suspended',
    held: 'held',
    dependency: 'waiting',
    time: 'waiting',
    backoff: 'waiting',
    disk: 'waiting',
    destination: 'waiting',
    ready: 'queued',
    active: 'transferring',
    publishing: 'delivering',
    done: 'completed',
  }
  for (const gate of Object.keys(gates) as Gate[]) {
    assert.equal(phaseOf(gate), gates[gate])
    const { reasons } = explain(facts({ gate, unmet: gate === 'dependency' ? ['01X'] : [] }), busy)
    const waits = gate !== 'active' && gate !== 'publishing' && gate !== 'done'
    assert.equal(reasons.length > 0, waits, gate)
  }
})

test('every reason that blocks is named, not only the first', () => {
  const held = viewOf({ nowMs: 0, limits: daemonLimits, sessions: [{ ...share, held: true }], active: [] })
  const { reasons, remedies, nextWakeUpMs } = explain(
    facts({ gate: 'suspended', suspends: 2, held: true, unmet: ['01X', '01Y'] }),
    held,
  )
  assert.deepEqual(
    reasons.map((reason) => [reason.code, reason.of]),
    [
      ['suspended', undefined],
      ['held', undefined],
      ['sessionHeld', 'com.example'],
      ['dependency', '01X'],
      ['dependency', '01Y'],
    ],
  )
  assert.deepEqual(remedies, ['resume', 'release', 'cancel'])
  assert.equal(nextWakeUpMs, undefined)
})

test('limits of the session and of the host are named by who they belong to', () => {
  assert.deepEqual(explain(facts({ gate: 'ready' }), busy).reasons, [
    { code: 'activeLimit', of: 'com.example' },
    { code: 'hostLimit', of: origin },
  ])
})

test('a task that waits for itself is not said to be behind a limit', () => {
  const { reasons } = explain(facts({ gate: 'backoff', wakeAtMs: 4000 }), busy)
  assert.deepEqual(reasons, [{ code: 'backoff', untilMs: 4000 }])
})

test('a wait that the server asked for cannot be ended by trying now', () => {
  const asked = explain(facts({ gate: 'backoff', serverAsked: true, wakeAtMs: 4000 }), idle)
  assert.deepEqual(asked.reasons, [{ code: 'serverAskedToWait', untilMs: 4000, of: origin }])
  assert.deepEqual(asked.remedies, ['cancel'])
  assert.equal(asked.nextWakeUpMs, 4000)
  const own = explain(facts({ gate: 'backoff', wakeAtMs: 4000 }), idle)
  assert.deepEqual(own.remedies, ['tryNow', 'cancel'])
})

test('a task that was active in several unclean ends says so', () => {
  const { reasons, remedies } = explain(facts({ gate: 'backoff', parked: true, wakeAtMs: 9000 }), idle)
  assert.deepEqual(reasons, [{ code: 'crashLoop', untilMs: 9000 }])
  assert.deepEqual(remedies, ['tryNow', 'cancel'])
})

test('a completed task waits for nothing and has no remedies of a waiting one', () => {
  assert.deepEqual(explain(facts({ gate: 'done' }), idle), { phase: 'completed', reasons: [], remedies: [] })
})

test('a task whose earlier attempt closes its files is held back by it while it is ready, and by nothing else then', () => {
  assert.deepEqual(explain(facts({ gate: 'ready', isClosing: true }), idle).reasons, [{ code: 'earlierAttempt' }])
  assert.deepEqual(explain(facts({ gate: 'held', isClosing: true }), idle).reasons, [{ code: 'held' }])
})

test('a crowded origin holds a task back until one more is tried, and not while it is closed anyway', () => {
  const view = viewOf({
    nowMs: 1000,
    limits: daemonLimits,
    crowded: new Map([[origin, { most: 1, untilMs: 11_000 }]]),
    sessions: [{ ...share, maximumConnectionsPerHost: 2 }],
    active: [{ session: 1, origin }],
  })
  const waits = explain(facts({ gate: 'ready' }), view)
  assert.deepEqual(waits.reasons, [{ code: 'hostLimit', untilMs: 11_000, of: origin }])
  assert.equal(waits.nextWakeUpMs, 11_000)
  const closed = explain(facts({ gate: 'ready', closedUntilMs: 60_000 }), view)
  assert.deepEqual(closed.reasons, [{ code: 'serverAskedToWait', untilMs: 60_000, of: origin }])
  assert.deepEqual(explain(facts({ gate: 'ready', origin: 'https://b.test' }), view).reasons, [])
})
