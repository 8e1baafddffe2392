import assert from 'node:assert/strict'
import test from 'node:test'
import { appCommand, Stage, turn } from './stage.ts'

test('events that could not be taken from the journal are taken a second later', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller } = await stage.own(session)
  stage.failing.set('takeEvents', 2)
  await stage.ended(session)
  assert.deepEqual(caller.events, [])
  await stage.wait(1000)
  assert.deepEqual(caller.events, [])
  await stage.wait(1000)
  assert.equal(caller.completed.length, 1)
})

test('an acknowledgement that could not be committed is refused to the client, and counts when it is said again', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller, fence } = await stage.own(session)
  await stage.ended(session)
  stage.failing.set('acknowledge', 1)
  const acknowledge = (): Promise<unknown> => stage.delivery.acknowledge(caller, session, fence, caller.sequences)
  await assert.rejects(acknowledge(), { code: 'DISK_FULL' })
  assert.deepEqual(await acknowledge(), { acknowledged: 2 })
})

test('didFinishEvents that could not be written comes a second later', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  stage.failing.set('queueDidFinishEvents', 1)
  const { caller, fence } = await stage.own(session, app.pid, { launchToken: app.ticket.token })
  await stage.delivery.acknowledge(caller, session, fence, caller.sequences)
  await turn()
  assert.notEqual(caller.events.at(-1)?.kind, 'didFinishEvents')
  await stage.wait(1000)
  assert.equal(caller.events.at(-1)?.kind, 'didFinishEvents')
})

test('a launch that could not be decided or recorded is neither forgotten nor started without its record', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  stage.failing.set('launchFacts', 1)
  stage.failing.set('launchChanged', 1)
  await stage.ended(session)
  assert.equal(stage.launcher.apps.length, 0)
  await stage.wait(1000)
  assert.equal(stage.launcher.apps.length, 0)
  await stage.wait(60_000)
  assert.equal(stage.launcher.apps.length, 1)
})

test('the end of a launch that could not be recorded does not launch at once', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  stage.failing.set('launchChanged', 1)
  await stage.launcher.apps[0]!.end({ code: 1 })
  assert.equal(stage.launcher.apps.length, 1)
  await stage.wait(1000)
  await stage.wait(59_999)
  assert.equal(stage.launcher.apps.length, 1)
  await stage.wait(1)
  assert.equal(stage.launcher.apps.length, 2)
})

test('an attach that could not be committed changes nothing for the present owner', async () => {
  const stage = new Stage()
  const session = await stage.session()
  const { caller } = await stage.own(session, 100)
  stage.failing.set('attach', 1)
  await assert.rejects(stage.own(session, 200, { takeover: true }), { code: 'DISK_FULL' })
  await stage.ended(session)
  assert.equal(caller.completed.length, 1)
  assert.deepEqual(caller.ended, [])
})
