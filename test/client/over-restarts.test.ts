import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackgroundSession } from '../../src/index.ts'
import { start } from '../daemon/running.ts'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('a wait for a download goes on over a clean stop of the daemon', async (t) => {
  const first = await start(t)
  const server = await FaultServer.start()
  t.after(() => server[Symbol.asyncDispose]())
  const url = server.file('/a.bin', { size: 50_000, etag: '"1"', script: [stallAfter(10_000)] })
  const folder = await temporaryFolder()
  const session = await BackgroundSession.open({
    identifier: 'com.example.restarts',
    daemon: { home: first.home, start: 'never' },
  })
  t.after(() => session.close())
  const task = await session.download(url, { to: `${folder}/` })
  const finished = task.finished()
  finished.catch(() => {})
  for await (const { received } of task.updates()) if (received > 0) break
  await first.stop()
  await start(t, { home: first.home })
  assert.equal((await finished).bytes, 50_000)
})
