import assert from 'node:assert/strict'
import test from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { Listener, Stage, turn } from './stage.ts'

test('a second owner is refused, the refusal names the first by its pid, and the first is not disturbed', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session, 100)
  await assert.rejects(stage.attach(new Listener(200), session), (error) => {
    assert(isLonghaulError(error, 'SESSION_IN_USE'))
    assert.equal(error.ownerPid, 100)
    assert.match(error.message, /process 100/)
    return true
  })
  await stage.ended(session)
  assert.equal(caller.completed.length, 1)
  assert.deepEqual(caller.ended, [])
  assert.deepEqual(await stage.delivery.acknowledge(caller, session, fence, caller.sequences), { acknowledged: 2 })
})

test('the same connection cannot own one session twice', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller } = await stage.own(session, 100)
  await assert.rejects(stage.attach(caller, session, { takeover: true }), { code: 'SESSION_IN_USE', ownerPid: 100 })
})

test('of two owners that attach at once one wins and the other is refused', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const results = await Promise.allSettled([
    stage.attach(new Listener(1), session),
    stage.attach(new Listener(2), session),
  ])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  assert.equal(stage.delivery.ownerPid(session.id), 1)
})

test('a broken connection ends the ownership at once, and the next owner gets the open events again', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller } = await stage.own(session, 100)
  await stage.ended(session)
  assert.deepEqual(
    caller.events.map(({ redelivered }) => redelivered),
    [false, false],
  )
  stage.delivery.gone(caller)
  assert.equal(stage.delivery.ownerPid(session.id), undefined)
  const next = await stage.own(session, 200)
  assert.deepEqual(
    next.caller.events.map(({ sequence, redelivered }) => [sequence, redelivered]),
    caller.sequences.map((sequence) => [sequence, true]),
  )
})

test('a connection that breaks while it is being attached owns nothing', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const caller = new Listener(100)
  const attaching = stage.attach(caller, session)
  stage.delivery.gone(caller)
  await assert.rejects(attaching, { code: 'DAEMON_UNAVAILABLE' })
  await turn()
  assert.equal(stage.delivery.ownerPid(session.id), undefined)
  await stage.own(session, 200)
})

test('no event reaches an owner before it is active', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const caller = new Listener(100)
  const fence = await stage.attach(caller, session)
  await stage.ended(session)
  assert.deepEqual(caller.events, [])
  await stage.delivery.activate(caller, session, fence)
  await turn()
  assert.equal(caller.completed.length, 1)
})

test('a takeover waits for a running callback, then fences its owner and gives the open events to the new one', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller: former, fence } = await stage.own(session, 100)
  await stage.ended(session)
  let attached = false
  const caller = new Listener(200)
  const attaching = stage.attach(caller, session, { takeover: true }).then((given) => {
    attached = true
    return given
  })
  await turn()
  assert.equal(attached, false)
  // One returns in time and counts; the other one does not.
  await stage.delivery.acknowledge(former, session, fence, [former.sequences[0]!])
  await stage.ended(session)
  assert.equal(former.events.length, 2, 'nothing new is sent to an owner that is taken over')
  await stage.wait(4999)
  assert.equal(attached, false)
  await stage.wait(1)
  await stage.delivery.activate(caller, session, await attaching)
  await turn()
  assert.deepEqual(former.ended, ['SESSION_TAKEN_OVER'])
  assert.deepEqual(
    caller.events.map(({ sequence, redelivered }) => [sequence, redelivered]),
    [
      [former.sequences[1], true],
      [former.sequences[1]! + 1, false],
      [former.sequences[1]! + 2, false],
    ],
  )
})

test('a takeover does not wait when no callback runs, or as soon as the last one has returned', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const first = await stage.own(session, 100)
  const second = await stage.own(session, 200, { takeover: true })
  assert.deepEqual(first.caller.ended, ['SESSION_TAKEN_OVER'])
  await stage.ended(session)
  const attaching = stage.attach(new Listener(300), session, { takeover: true })
  await stage.delivery.acknowledge(second.caller, session, second.fence, second.caller.sequences)
  await attaching
  assert.equal(stage.delivery.ownerPid(session.id), 300)
})

test('a late acknowledgement of a former owner is refused and leaves the event', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller: former, fence } = await stage.own(session, 100)
  await stage.ended(session)
  const attaching = stage.attach(new Listener(200), session, { takeover: true })
  await stage.wait(5000)
  await attaching
  await assert.rejects(stage.delivery.acknowledge(former, session, fence, former.sequences), {
    code: 'SESSION_TAKEN_OVER',
    ownerPid: 200,
  })
  assert.equal((await stage.journal.launchFacts({ session: session.id }))?.events, 2)
})

test('a takeover whose connection breaks while it waits leaves the owner as it was', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller: owner, fence } = await stage.own(session, 100)
  await stage.ended(session)
  const taker = new Listener(200)
  const attaching = stage.attach(taker, session, { takeover: true })
  await turn()
  stage.delivery.gone(taker)
  await stage.delivery.acknowledge(owner, session, fence, owner.sequences)
  await assert.rejects(attaching, { code: 'DAEMON_UNAVAILABLE' })
  await stage.ended(session)
  assert.deepEqual(owner.ended, [])
  assert.equal(owner.completed.length, 2)
})

test('a takeover waits for a running callback also when one before it came to nothing', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller: owner, fence } = await stage.own(session, 100)
  stage.failing.set('attach', 1)
  await assert.rejects(stage.attach(new Listener(200), session, { takeover: true }), { code: 'DISK_FULL' })
  await stage.ended(session)
  assert.equal(owner.events.length, 2)
  const attaching = stage.attach(new Listener(200), session, { takeover: true })
  await turn()
  assert.equal(stage.delivery.ownerPid(session.id), 100)
  await stage.delivery.acknowledge(owner, session, fence, owner.sequences)
  await attaching
  assert.equal(stage.delivery.ownerPid(session.id), 200)
})

test('an owner that comes back before its old connection was found broken takes its place under a new fence', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller: before, fence } = await stage.own(session, 100)
  await stage.ended(session)
  const after = new Listener(100)
  const newFence = await stage.attach(after, session, { fence })
  assert.ok(newFence > fence)
  stage.delivery.gone(before)
  assert.equal(stage.delivery.ownerPid(session.id), 100)
  await stage.delivery.activate(after, session, newFence)
  await turn()
  assert.equal(after.completed.length, 1)
})

test('an owner that comes back after another one came is told that it was taken over', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session, 100)
  stage.delivery.gone(caller)
  await stage.own(session, 200)
  await assert.rejects(stage.attach(new Listener(100), session, { fence }), {
    code: 'SESSION_TAKEN_OVER',
    ownerPid: 200,
  })
})

test('a closed ownership can be taken by the next one, and closing twice is harmless', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session, 100)
  await stage.delivery.close(caller, session, fence)
  await stage.delivery.close(caller, session, fence)
  const next = await stage.own(session, 200)
  await stage.delivery.close(caller, session, fence)
  assert.equal(stage.delivery.ownerPid(session.id), next.caller.pid)
})

test('the acknowledged didBecomeInvalid ends the ownership, and its name can be owned anew', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session, 100)
  await stage.journal.invalidate({ session: session.id, how: 'finish', at: stage.at() })
  await turn()
  assert.deepEqual(
    caller.events.map(({ kind }) => kind),
    ['didBecomeInvalid'],
  )
  await stage.delivery.acknowledge(caller, session, fence, caller.sequences)
  assert.equal(stage.delivery.ownerPid(session.id), undefined)
  const anew = await stage.session()
  const next = await stage.own(anew, 200)
  assert.ok(next.fence > fence)
})
