/** One identifier, two processes: one receives the events, the others may do everything else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { Stage, type ThrownThere } from '../support/stage.ts'

const identifier = 'com.example.two'

test('a second owner is refused with the pid of the first, which is not disturbed', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size: 300_000, etag: '"v1"', script: [stallAfter(100_000)] })
  const first = await stage.start({ identifier })
  const second = await stage.start()
  await first.run(async ({ session }, address) => void (await session.download(address)), url)
  await stage.event('didWriteData')
  await assert.rejects(
    second.run(async ({ open }, name) => void (await open({ identifier: name })), identifier),
    (error: ThrownThere & { readonly ownerPid?: number; readonly hint?: string }) => {
      assert.equal(error.code, 'SESSION_IN_USE')
      assert.equal(error.ownerPid, first.pid)
      assert.match(error.message, new RegExp(`process ${first.pid}\\b`))
      assert.match(error.hint!, /takeover: true/)
      return true
    },
  )
  server.release()
  const end = await stage.event('didComplete')
  assert.equal(end.pid, first.pid)
  assert.deepEqual(
    stage.events().map(({ sequence, redelivered }) => [sequence, redelivered]),
    [1, 2, 3].map((sequence) => [sequence, false]),
  )
  assert.deepEqual(
    stage.reports.which(({ what }) => what === 'lost'),
    [],
  )
})

test('a controller in another process adds, lists, suspends, holds, cancels and waits beside the owner', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size: 300_000, etag: '"v1"' })
  const owner = await stage.start({ identifier })
  const controller = await stage.start({ identifier, role: 'controller' })
  const done = await controller.run(
    async ({ session, all }, address, to) => {
      const refused = await session.activate().then(
        () => undefined,
        (error: unknown) => (error as { readonly code: string }).code,
      )
      const task = await session.downloadTask(address, { to, taskDescription: 'by a controller' })
      const other = await session.downloadTask(address)
      const listed = (await all(session.tasks())).map(({ id }) => id)
      const cancelled = await other.cancel()
      await task.hold()
      await task.resume()
      const { phase } = await task.explain()
      await task.release()
      const { path, bytes } = await task.finished()
      return { role: session.role, refused, listed, cancelled, phase, path, bytes, ids: [task.id, other.id] }
    },
    url,
    stage.path('a.bin'),
  )
  assert.deepEqual([done.role, done.refused], ['controller', 'INVALID_ARGUMENT'])
  assert.deepEqual(done.listed, done.ids)
  assert.deepEqual(done.cancelled, { cancelled: true })
  assert.equal(done.phase, 'held')
  assert.deepEqual([done.path, done.bytes], [stage.path('a.bin'), 300_000])
  await stage.reports.until(() => stage.events(({ name }) => name === 'didComplete').length === 2, 'both were told')
  assert.ok(
    stage.events().every(({ pid }) => pid === owner.pid),
    'the owner gets the events, also of tasks that others made',
  )
  const [cancelled] = stage.events(({ name }) => name === 'didComplete')
  assert.equal((cancelled!.fields['error'] as { readonly code: string }).code, 'CANCELLED')
})

test('takeover tells the former owner, and what it had not acknowledged goes to the new one', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size: 1000 })
  const former = await stage.start({ identifier, hangIn: 'didFinishCollectingMetrics' })
  await former.run(async ({ session }, address) => void (await session.download(address)), url)
  await stage.event('didFinishCollectingMetrics')
  const began = performance.now()
  const next = await stage.start({ identifier, options: { takeover: true } })
  const waited = performance.now() - began
  assert.ok(waited >= 5000, `running callbacks get five seconds (${waited})`)
  const lost = await stage.reports.first(({ what }) => what === 'lost', 'didLoseOwnership')
  assert.deepEqual([lost.pid, lost.code], [former.pid, 'SESSION_TAKEN_OVER'])
  await stage.event('didComplete')
  assert.deepEqual(
    stage.events(({ pid }) => pid === next.pid).map(({ name, sequence, redelivered }) => [name, sequence, redelivered]),
    [
      ['didFinishCollectingMetrics', 2, true],
      // It was on its way to the former owner, behind the callback that did not return.
      ['didComplete', 3, true],
    ],
  )
  const left = await former.run(async ({ session, longhaul }) => {
    const [summary] = await longhaul.sessions()
    return { role: session.role, owner: summary!.ownerPid }
  })
  assert.deepEqual(left, { role: 'controller', owner: next.pid })
})

test('takeover waits for callbacks that do return, and nothing is told twice', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size: 1000 })
  const former = await stage.start()
  await former.run(
    async ({ longhaul, say, kept }, name, address) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      kept.set('finish', resolve)
      const session = await longhaul.BackgroundSession.open({
        identifier: name,
        delegate: {
          didFinishDownloading: async (_task, { sequence }) => {
            say('running', { sequence })
            await promise
          },
          didLoseOwnership: () => say('lost'),
        },
      })
      await session.activate()
      await session.download(address)
    },
    identifier,
    url,
  )
  await stage.reports.first(({ name }) => name === 'running', 'the callback runs')
  const next = stage.launch({ identifier, options: { takeover: true } })
  // It waits by now, for nothing was sent to it and it has not opened.
  await stage.reports.first(({ pid, what }) => pid === next.pid && what === 'started', 'the new owner comes')
  await former.run(({ kept }) => (kept.get('finish') as () => void)())
  await next.ready()
  await next.run(async ({ longhaul }) => {
    for (;;) if ((await longhaul.sessions())[0]!.unacknowledged === 0) return
  })
  const sequences = stage.events(({ pid }) => pid === next.pid).map(({ sequence }) => sequence)
  assert.ok(!sequences.includes(1), 'acknowledged by the former owner before it lost the session')
})

test('in one process shared() twice is one object, and a second delegate is refused', async () => {
  await using stage = await Stage.open()
  const app = await stage.start()
  const found = await app.run(async ({ longhaul, delegate }, name) => {
    const { BackgroundSession } = longhaul
    const code = (error: unknown): unknown => {
      const { code: what, ownerPid } = error as { readonly code: string; readonly ownerPid?: number }
      return { what, ownerPid }
    }
    const mine = delegate(name)
    const [one, two] = await Promise.all([
      BackgroundSession.shared<never>({ identifier: name, delegate: mine }),
      BackgroundSession.shared<never>({ identifier: name, delegate: mine }),
    ])
    const three = await BackgroundSession.shared<never>({ identifier: name })
    const other = await BackgroundSession.shared<never>({ identifier: name, delegate: delegate(name) }).catch(code)
    const opened = await BackgroundSession.open<never>({ identifier: name, delegate: delegate(name) }).catch(code)
    return { same: one === two && one === three, role: one.role, other, opened }
  }, identifier)
  assert.deepEqual(found, {
    same: true,
    role: 'owner',
    other: { what: 'INVALID_ARGUMENT' },
    opened: { what: 'SESSION_IN_USE', ownerPid: app.pid },
  })
})

test('an owner that is killed frees the session at once', async () => {
  await using stage = await Stage.open()
  const first = await stage.start({ identifier })
  await first.kill()
  const second = await stage.start({ identifier })
  assert.equal(await second.run(({ session }) => session.role), 'owner')
})
