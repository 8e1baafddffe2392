/**
 * The app may be killed inside any callback: what it had not acknowledged comes again, with its number and the word that it
 * was delivered before; what it had acknowledged never does; the order stays.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cutAfter, FaultServer, stallAfter } from '../../src/testing/index.ts'
import { type Report, Stage } from '../support/stage.ts'

const identifier = 'com.example.killed'
const order = ['didResumeAtOffset', 'didFinishDownloading', 'didFinishCollectingMetrics', 'didComplete'] as const

/** A file that is cut once in its middle, so that every callback there is comes. */
async function play(stage: Stage, server: FaultServer, dieIn: string, unacknowledged?: number): Promise<Report[]> {
  const url = server.file('/a.bin', { size: 500_000, etag: '"v1"', script: [cutAfter(200_000), stallAfter(100_000)] })
  const app = await stage.start({
    identifier,
    launch: {},
    dieIn,
    ...(unacknowledged !== undefined && { dieWithUnacknowledged: unacknowledged }),
  })
  const to = stage.path('a.bin')
  await app.run(
    async ({ session }, address, place) =>
      void (await session.download(address, { to: place, retry: { initialDelay: '1ms' } })),
    url,
    to,
  )
  await server.received(2, '/a.bin')
  await server.sent('/a.bin', 300_000)
  if (dieIn === 'didResumeAtOffset') await app.ended
  server.release()
  assert.equal((await app.ended).signal, 'SIGKILL')
  const exit = await stage.reports.first(({ launched, what }) => launched && what === 'exit', 'the launched app ends')
  assert.equal(exit.code, 0)
  assert.equal(await stage.digest(to), server.digest('/a.bin'))
  return [...stage.events()]
}

for (const [index, dieIn] of order.entries()) {
  test(`killed inside ${dieIn}: that event comes again, those before it never, those after it in order`, async () => {
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    // The last three are of one commit; what is left of them when the one before is acknowledged.
    const events = await play(stage, server, dieIn, index === 0 ? 1 : order.length - index)
    const first = events.filter(({ launched }) => !launched)
    const second = events.filter(({ launched }) => launched)
    const facts = ({ name, sequence, redelivered }: Report): unknown => [name, sequence, redelivered]
    assert.deepEqual(
      first.map(facts),
      order.slice(0, index + 1).map((name, before) => [name, before + 1, false]),
    )
    assert.deepEqual(second.map(facts), [
      // What was on its way to the first app besides counts as delivered too: it may have arrived.
      ...order.slice(index).map((name, after) => [name, index + after + 1, index === 0 ? after === 0 : true]),
      ['didFinishEvents', order.length + 1, false],
    ])
  })
}

test('killed inside didWriteData: nothing durable is lost, and nothing counts as delivered before', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size: 500_000, etag: '"v1"', script: [stallAfter(100_000)] })
  const app = await stage.start({ identifier, launch: {}, dieIn: 'didWriteData' })
  const to = stage.path('a.bin')
  await app.run(async ({ session }, address, place) => void (await session.download(address, { to: place })), url, to)
  assert.equal((await app.ended).signal, 'SIGKILL')
  server.release()
  await stage.reports.first(({ launched, what }) => launched && what === 'exit', 'the launched app ends')
  assert.deepEqual(
    stage.events().map(({ name, sequence, redelivered, launched }) => [name, sequence, redelivered, launched]),
    ['didFinishDownloading', 'didFinishCollectingMetrics', 'didComplete', 'didFinishEvents'].map((name, before) => [
      name,
      before + 1,
      false,
      true,
    ]),
  )
  assert.equal(server.requestsFor('/a.bin').length, 1)
  assert.equal(await stage.digest(to), server.digest('/a.bin'))
})

test('killed inside didFinishEvents: an app that its user starts gets nothing again, and nothing is left', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size: 500_000, script: [stallAfter(100_000)] })
  const app = await stage.start({ identifier, launch: { dieIn: 'didFinishEvents', dieWithUnacknowledged: 1 } })
  await app.run(async ({ session }, address) => void (await session.download(address)), url)
  await server.sent('/a.bin', 100_000)
  await app.kill()
  server.release()
  const finish = await stage.event('didFinishEvents')
  assert.equal(finish.launched, true)
  // The user starts it in the middle: there is no launch whose end could be told, and no event of a task is left.
  const later = await stage.start({ identifier })
  await later.run(async ({ longhaul }) => {
    for (;;) if ((await longhaul.sessions())[0]!.unacknowledged === 0) return
  })
  assert.deepEqual(
    stage.events().filter(({ pid }) => pid === later.pid),
    [],
  )
  assert.deepEqual(
    stage.events().map(({ sequence }) => sequence),
    [1, 2, 3, 4],
  )
})

test('killed inside didBecomeInvalid: it comes again to who opens the session, which is gone after it', async () => {
  await using stage = await Stage.open()
  const app = await stage.start({ identifier, dieIn: 'didBecomeInvalid' })
  await app.run(({ session }) => session.finishTasksAndInvalidate()).catch(() => {})
  assert.equal((await app.ended).signal, 'SIGKILL')
  const later = await stage.start({ identifier })
  await stage.event('didBecomeInvalid', ({ pid }) => pid === later.pid)
  assert.deepEqual(
    stage.events().map(({ name, sequence, redelivered }) => [name, sequence, redelivered]),
    [
      ['didBecomeInvalid', 1, false],
      ['didBecomeInvalid', 1, true],
    ],
  )
  const sessions = await later.run(async ({ longhaul }) => {
    for (;;) {
      const all = await longhaul.sessions()
      if (all.length === 0) return all
    }
  })
  assert.deepEqual(sessions, [])
  // The name is free: another session, that knows nothing of the first.
  const again = await stage.start({ identifier })
  const count = await again.run(({ session }) => session.counts())
  assert.equal(count.completed, 0)
})
