/** The sequence of Apple's sample, SimpleBackgroundTransfer, from the first line to the last. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cutAfter, FaultServer, stallAfter } from '../../src/testing/index.ts'
import { Stage } from '../support/stage.ts'

const identifier = 'com.example.SimpleBackgroundTransfer'

test('an app that has ended is launched for its finished file, is told everything in order, and ends by itself', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const size = 3_000_000
  const url = server.file('/sunrise.jpg', { size, etag: '"v1"', script: [stallAfter(1_000_000)] })

  const app = await stage.start({ identifier, launch: {} })
  const made = await app.run(async ({ longhaul, session }, address) => {
    const task = await session.downloadTask(address, { taskDescription: 'sunrise' })
    const before = task.snapshot.state
    await task.resume()
    const again = await longhaul.BackgroundSession.shared({ identifier: 'com.example.shared' })
    const same = (await longhaul.BackgroundSession.shared({ identifier: 'com.example.shared' })) === again
    await again.close()
    const all = await longhaul.sessions()
    return { id: task.id, before, after: task.snapshot.state, same, sessions: all.map((each) => each.identifier) }
  }, url)
  assert.deepEqual([made.before, made.after, made.same], ['suspended', 'running', true])
  assert.ok(made.sessions.includes(identifier))

  const progress = await stage.event('didWriteData', ({ fields }) => fields['totalBytesWritten'] === 1_000_000)
  assert.equal(progress.pid, app.pid)
  assert.equal(progress.fields['totalBytesExpectedToWrite'], size)
  assert.equal((await app.exit()).code, 0)
  server.release()

  const exit = await stage.reports.first(({ launched, what }) => launched && what === 'exit', 'the launched app ends')
  assert.equal(exit.code, 0)
  const told = stage.reports.which(({ pid, what }) => pid === exit.pid && what !== 'passing' && what !== 'warning')
  assert.deepEqual(
    told.map(({ what, name }) => name ?? what),
    [
      'started',
      'handleEvents',
      'opened',
      'didFinishDownloading',
      'didFinishCollectingMetrics',
      'didComplete',
      'didFinishEvents',
      'completionHandler',
      'exit',
    ],
  )
  assert.equal(told[1]!.session, identifier)
  const events = stage.events()
  assert.deepEqual(
    events.map(({ sequence, redelivered }) => [sequence, redelivered]),
    [1, 2, 3, 4].map((sequence) => [sequence, false]),
  )
  assert.deepEqual(
    events.map(({ task }) => task),
    [made.id, made.id, made.id, undefined],
  )
  assert.equal(events[0]!.fields['sha256'], server.digest('/sunrise.jpg'), 'whole before the callback ends')
  assert.equal((events[1]!.fields['metrics'] as { readonly attempts: number }).attempts, 1)
  assert.equal(events[2]!.fields['error'], undefined)
  assert.deepEqual(events[3]!.fields['blocked'], [])
})

test('a launched app finds its session and task as they were, and moveTo() gives it the file', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/sunrise.jpg', { size: 200_000, etag: '"v1"' })
  const app = await stage.start({ identifier, launch: { moveTo: stage.files } })
  server.hold()
  const id = await app.run(async ({ session }, address) => {
    const options = { taskDescription: 'sunrise', metadata: { row: 7 } as never, tags: ['a'] }
    return (await session.download(address, options)).id
  }, url)
  await app.kill()
  server.resume()
  const exit = await stage.reports.first(({ launched, what }) => launched && what === 'exit', 'the launched app ends')
  assert.equal(exit.code, 0)
  assert.equal(await stage.digest(stage.path('1.bin')), server.digest('/sunrise.jpg'))

  const later = await stage.start({ identifier })
  const found = await later.run(async ({ session, all }, wanted) => {
    const task = await session.task(wanted)
    const [past] = await all(session.history())
    return { past: past?.toJSON(), state: task?.snapshot.state, open: (await all(session.tasks())).length }
  }, id)
  assert.equal(found.state, 'completed')
  assert.equal(found.open, 0)
  const { taskDescription, metadata, tags } = found.past as Record<string, unknown>
  assert.deepEqual(
    { taskDescription, metadata, tags },
    { taskDescription: 'sunrise', metadata: { row: 7 }, tags: ['a'] },
  )
})

test('a transfer that went on by itself says didResumeAtOffset before its first didWriteData', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const [size, cut] = [2_000_000, 700_000]
  const url = server.file('/cut.bin', { size, etag: '"v1"', script: [cutAfter(cut), stallAfter(100_000)] })
  const app = await stage.start({ identifier })
  await app.run(
    async ({ session }, address, to) => {
      const task = await session.download(address, { to, retry: { initialDelay: '1ms' } })
      return task.id
    },
    url,
    stage.path('cut.bin'),
  )
  const resumed = await stage.event('didResumeAtOffset')
  assert.equal(resumed.fields['fileOffset'], cut)
  const first = await stage.event('didWriteData', ({ fields }) => Number(fields['totalBytesWritten']) > cut)
  assert.ok(stage.reports.all.indexOf(resumed) < stage.reports.all.indexOf(first))
  assert.ok(Number(first.fields['bytesWritten']) <= 100_000, 'kept bytes are not written again')
  const numbers = stage.reports
    .which(({ name }) => name === 'didWriteData')
    .map(({ fields }) => Number(fields['totalBytesWritten']))
  assert.deepEqual(
    numbers,
    numbers.toSorted((a, b) => a - b),
    'it never goes back',
  )
  server.release()
  await stage.event('didComplete')
  assert.equal(server.requestsFor('/cut.bin')[1]!.headers['range'], `bytes=${cut}-`)
  assert.equal(await stage.digest(stage.path('cut.bin')), server.digest('/cut.bin'))
})

test('an app that is alive gets its events directly: no launch, no handleEvents, no didFinishEvents', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size: 100_000 })
  const app = await stage.start({ identifier, launch: {} })
  await app.run(async ({ session }, address) => {
    const tasks = [await session.download(address), await session.download(address)]
    await Promise.all(tasks.map((task) => task.finished()))
  }, url)
  await stage.reports.until(() => stage.events(({ name }) => name === 'didComplete').length === 2, 'both completed')
  // Whatever would come has come once it is told that nothing is left.
  const left = await app.run(async ({ longhaul }) => {
    for (;;) {
      const [summary] = await longhaul.sessions()
      if (summary!.unacknowledged === 0) return summary
    }
  })
  assert.equal(left!.nextLaunch, undefined)
  assert.deepEqual(await app.leave(), { code: 0, signal: null })
  assert.deepEqual([...new Set(stage.reports.all.map(({ pid }) => pid))], [app.pid])
  assert.deepEqual(
    stage.events(({ name }) => name === 'didFinishEvents'),
    [],
  )
})
