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
