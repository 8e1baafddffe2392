/**
 * Servers whose heads and pages weigh more than one message between daemon and app has room for. The file arrives all the same, its
 * end is told, and `explain` answers.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackgroundSession, type LonghaulError } from '../../src/index.ts'
import { FaultServer, hugeHead, redirect, status, TestDaemon, together } from '../../src/testing/index.ts'

test('redirects with heads of 60 KB each keep neither the end of a task nor its metrics from the app', async () => {
  await using server = await FaultServer.start()
  await using daemon = await TestDaemon.start()
  const redirects = 18
  for (let n = 1; n <= redirects; n++)
    server.answers(`/${n}`, together(redirect(n === redirects ? '/file' : `/${n + 1}`), hugeHead(60_000)))
  server.file('/file', { size: 1000 })
  const ended = Promise.withResolvers<readonly string[]>()
  const told: string[] = []
  await using session = await BackgroundSession.open({
    identifier: 'com.example.heavy',
    daemon: daemon.options,
    delegate: {
      didFinishDownloading: () => void told.push('file'),
      didFinishCollectingMetrics: () => void told.push('metrics'),
      didComplete: () => ended.resolve(told),
    },
  })
  await session.activate()
  const task = await session.download(server.url('/1'), { to: `${daemon.home}/file` })
  const { metrics } = await task.finished()
  assert.deepEqual(await ended.promise, ['file', 'metrics'])
  assert.equal(metrics.redirectCount, redirects)
  assert.equal(metrics.transactions.at(-1)!.response?.status, 200, 'the newest are kept')
  assert.ok(metrics.transactions.length < redirects)
})

test('an owner that finds sixty ends with long pages is told of each once, and stays connected', async () => {
  await using server = await FaultServer.start()
  await using daemon = await TestDaemon.start()
  const url = server.answers('/file', status(404, {}, 'x'.repeat(70_000)))
  const options = { identifier: 'com.example.heavy', daemon: daemon.options }
  const count = 60
  {
    await using before = await BackgroundSession.open({ ...options, delegate: {} })
    const tasks = await Promise.all(Array.from({ length: count }, () => before.download(url)))
    await Promise.allSettled(tasks.map((task) => task.finished()))
  }
  await using other = await BackgroundSession.open({ identifier: 'com.example.other', daemon: daemon.options })
  const waits = await other.downloadTask(url, { to: `${daemon.home}/file` })
  const lost = waits.finished().catch((error: LonghaulError) => error.code)
  const told = Promise.withResolvers<void>()
  const again: number[] = []
  let ends = 0
  await using session = await BackgroundSession.open({
    ...options,
    delegate: {
      didComplete: (_task, { sequence, redelivered }) => {
        if (redelivered) again.push(sequence)
        if (++ends === count) told.resolve()
      },
    },
  })
  await session.activate()
  await told.promise
  assert.deepEqual(again, [])
  await waits.cancel()
  assert.equal(await lost, 'CANCELLED')
})

test('explain answers for a task that was refused twenty times with a long page', async () => {
  await using server = await FaultServer.start()
  await using daemon = await TestDaemon.start()
  await using session = await BackgroundSession.open({ identifier: 'com.example.heavy', daemon: daemon.options })
  const refusal = status(500, {}, 'x'.repeat(70_000))
  const url = server.answers('/file', refusal)
  const task = await session.download(url, {
    to: `${daemon.home}/file`,
    retry: { initialDelay: '1ms', maximumDelay: '1ms', maximumAttempts: 25 },
  })
  const refused = await task.finished().then(
    () => assert.fail('it has arrived'),
    (error: LonghaulError) => error,
  )
  const { attempts } = await task.explain()
  assert.equal(attempts.length, 20)
  assert.ok(attempts.every(({ cause }) => cause?.status === 500 && cause.body === undefined))
  assert.equal(refused.body?.byteLength, 65_536)
})
