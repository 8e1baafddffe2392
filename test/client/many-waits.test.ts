import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackgroundSession } from '../../src/index.ts'
import { start } from '../daemon/running.ts'

test('an app can wait for thousands of downloads at once', async (t) => {
  const { home } = await start(t)
  const session = await BackgroundSession.open({ identifier: 'com.example.waits', daemon: { home, start: 'never' } })
  t.after(() => session.close())
  const task = await session.downloadTask('http://127.0.0.1:9/never', { to: `${home}/never.bin` })
  const waits = Array.from({ length: 5000 }, () =>
    task.finished().then(
      () => 'resolved',
      (error: { code: string }) => error.code,
    ),
  )
  await task.cancel()
  assert.deepEqual([...new Set(await Promise.all(waits))], ['CANCELLED'])
})
