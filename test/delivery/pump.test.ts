import assert from 'node:assert/strict'
import test from 'node:test'
import { type Listener, Stage, turn } from './stage.ts'

test('at most 64 events are unacknowledged, and each acknowledgement lets the next one come', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session)
  await stage.ended(session, 50)
  assert.equal(caller.events.length, 64)
  await stage.delivery.acknowledge(caller, session, fence, [caller.sequences[10]!])
  await turn()
  assert.equal(caller.events.length, 65)
  await stage.delivery.acknowledge(caller, session, fence, caller.sequences)
  await turn()
  await stage.delivery.acknowledge(caller, session, fence, caller.sequences)
  await turn()
  assert.equal(caller.events.length, 100)
  assert.deepEqual(
    caller.sequences,
    caller.sequences.toSorted((a, b) => a - b),
  )
  assert.equal(new Set(caller.sequences).size, 100)
})

test('events that come in a burst of commits are sent once each and in order', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller } = await stage.own(session)
  const ids = await stage.add(session, 30)
  await Promise.all(ids.map((id) => stage.end([id])))
  assert.deepEqual(
    caller.sequences,
    caller.sequences.toSorted((a, b) => a - b),
  )
  assert.deepEqual(caller.completed, ids)
})

test('an owner is sent no more than its connection takes, and the rest as it reads, once each and in order', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller } = await stage.own(session)
  await caller.reads(5)
  await stage.ended(session, 20)
  assert.equal(caller.events.length, 5)
  await caller.reads(1)
  assert.equal(caller.events.length, 6)
  await stage.ended(session)
  await caller.reads(Infinity)
  assert.deepEqual(
    caller.sequences,
    Array.from({ length: 42 }, (_, index) => index + 1),
  )
  assert.ok(caller.events.every(({ redelivered }) => !redelivered))
})

test('what a connection had no room for before a takeover is sent to the next owner only', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session)
  await caller.reads(2)
  await stage.ended(session, 5)
  const next = stage.own(session, 101, { takeover: true })
  await turn()
  await stage.delivery.acknowledge(caller, session, fence, caller.sequences)
  await caller.reads(Infinity)
  const { caller: second } = await next
  assert.deepEqual(caller.sequences, [1, 2])
  assert.deepEqual(second.sequences, [3, 4, 5, 6, 7, 8, 9, 10])
})

test('what a connection had no room for goes on where a takeover came to nothing', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session)
  await caller.reads(2)
  await stage.ended(session, 5)
  stage.failing.set('attach', 1)
  const next = stage.own(session, 101, { takeover: true }).catch(() => 'refused')
  await turn()
  await stage.delivery.acknowledge(caller, session, fence, caller.sequences)
  await caller.reads(Infinity)
  assert.equal(await next, 'refused')
  await turn()
  assert.deepEqual(caller.sequences, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
})

test('a refused callback holds back later events of its task only, and does not fill the window', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session)
  const ids = await stage.ended(session, 50)
  assert.equal(caller.events.length, 64)
  for (const { sequence, kind } of caller.events)
    if (kind === 'didFinishCollectingMetrics')
      stage.delivery.refuse(caller, session, fence, sequence, 'no such table: photos')
  await turn()
  assert.deepEqual(caller.completed, ids)
  assert.deepEqual(stage.delivery.blockers(session.id, ids[0]!), [
    { code: 'callback', of: 'didFinishCollectingMetrics, which failed: no such table: photos' },
  ])
  assert.deepEqual(stage.delivery.blockers(session.id, ids[49]!), [])
})

test('a refused event comes again at the next attach', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session)
  await stage.ended(session)
  stage.delivery.refuse(caller, session, fence, caller.sequences[0]!, 'bug')
  await stage.delivery.close(caller, session, fence)
  const next = await stage.own(session)
  assert.deepEqual(next.caller.sequences, caller.sequences)
})

test('a callback that runs long is named with its kind and time until it returns', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session)
  const [id] = await stage.ended(session)
  const sequence = caller.sequences[0]!
  stage.delivery.slow(caller, session, fence, sequence, true)
  await stage.wait(20_000)
  assert.deepEqual(stage.delivery.blockers(session.id, id!), [
    { code: 'callback', of: 'didFinishCollectingMetrics, running for over 30 s' },
  ])
  stage.delivery.slow(caller, session, fence, sequence, false)
  assert.deepEqual(stage.delivery.blockers(session.id, id!), [])
})

test('progress reaches an active owner that has the method, with the number of the last event before it', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session)
  const [id] = await stage.ended(session)
  const pass = (kind: 'didWriteData' | 'didRetry'): void =>
    stage.delivery.pass(session.id, {
      kind,
      timeMs: 1,
      task: id!,
      bytesWritten: 1,
      totalBytesWritten: 1,
      progress: { received: 1, sent: 0, rate: 1 },
      attempt: 1,
      cause: { code: 'STALLED', message: '', hint: '', retryable: true },
      nextAtMs: 2,
    })
  pass('didWriteData')
  pass('didRetry')
  const passed = caller.told.filter(({ name }) => name === 'passing')
  assert.deepEqual(
    passed.map(({ params }) => 'event' in params && 'afterSequence' in params.event && params.event.afterSequence),
    [caller.sequences[1]],
  )
  await stage.delivery.close(caller, session, fence)
  pass('didWriteData')
  assert.equal(caller.told.filter(({ name }) => name === 'passing').length, 1)
})

test('an event that has not been sent cannot be acknowledged', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session)
  await stage.ended(session, 40)
  const answer = await stage.delivery.acknowledge(caller, session, fence, [...caller.sequences, 79, 80])
  assert.deepEqual(answer, { acknowledged: 64 })
  await turn()
  assert.equal(caller.events.length, 80)
})

test('an owner that was not launched gets no didFinishEvents', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session)
  await stage.ended(session, 3)
  await stage.delivery.acknowledge(caller, session, fence, caller.sequences)
  await turn()
  assert.deepEqual(
    caller.events.map(({ kind }) => kind),
    Array.from({ length: 3 }, () => ['didFinishCollectingMetrics', 'didComplete']).flat(),
  )
})

test('didBecomeInvalid comes last: not before everything else is acknowledged', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session)
  await stage.ended(session)
  await stage.journal.invalidate({ session: session.id, how: 'finish', at: stage.at() })
  await turn()
  assert.deepEqual(kindsOf(caller), ['didFinishCollectingMetrics', 'didComplete'])
  await stage.delivery.acknowledge(caller, session, fence, [caller.sequences[1]!])
  await turn()
  assert.deepEqual(kindsOf(caller), ['didFinishCollectingMetrics', 'didComplete'])
  await stage.delivery.acknowledge(caller, session, fence, [caller.sequences[0]!])
  await turn()
  assert.deepEqual(kindsOf(caller), ['didFinishCollectingMetrics', 'didComplete', 'didBecomeInvalid'])
})

test('a session that is invalidated keeps the event whose callback failed for the next attach', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const first = await stage.own(session)
  await stage.ended(session)
  await stage.journal.invalidate({ session: session.id, how: 'finish', at: stage.at() })
  await turn()
  const [metrics, complete] = first.caller.sequences as [number, number]
  stage.delivery.refuse(first.caller, session, first.fence, metrics, 'no such table: photos')
  await turn()
  assert.ok(!kindsOf(first.caller).includes('didBecomeInvalid'))
  await stage.delivery.close(first.caller, session, first.fence)
  const second = await stage.own(session)
  assert.deepEqual(second.caller.sequences, [metrics, complete])
  await stage.delivery.acknowledge(second.caller, session, second.fence, [metrics, complete])
  await turn()
  assert.equal(kindsOf(second.caller).at(-1), 'didBecomeInvalid')
})

test('the journal takes the acknowledgement of didBecomeInvalid only after all others, in whatever order they come', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { fence } = await stage.journal.attach({ session: session.id, pid: 1, methods: [] })
  await stage.ended(session)
  await stage.journal.invalidate({ session: session.id, how: 'finish', at: stage.at() })
  const owner = { session: session.id, fence }
  await stage.journal.takeEvents({ ...owner, after: 0, limit: 10 })
  const acknowledge = (...sequences: number[]): ReturnType<typeof stage.journal.acknowledge> =>
    stage.journal.acknowledge({ ...owner, sequences, at: stage.at() })
  assert.deepEqual(await acknowledge(3), { found: 'recorded', acknowledged: 0 })
  assert.deepEqual(await acknowledge(3, 2), { found: 'recorded', acknowledged: 1 })
  assert.deepEqual(await acknowledge(3, 1), { found: 'recorded', acknowledged: 2 })
  assert.deepEqual(await stage.journal.listSessions({}), [])
})

function kindsOf(caller: Listener): readonly string[] {
  return caller.events.map(({ kind }) => kind)
}
