/** Many clients at once, a daemon that dies in the middle of a long call, one that does not answer. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DownloadTask } from 'longhaul'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { Stage } from '../support/stage.ts'

const identifier = 'com.example.strain'

test('six apps that need a daemon at once start one, and all of them are served', async () => {
  await using stage = await Stage.open()
  const apps = await Promise.all(Array.from({ length: 6 }, () => stage.start()))
  const created = await Promise.all(
    apps.map((app, index) =>
      app.run(async ({ longhaul }, name) => {
        const session = await longhaul.BackgroundSession.open({ identifier: name })
        return session.identifier
      }, `${identifier}-${index}`),
    ),
  )
  const all = await apps[0]!.run(({ longhaul }) => longhaul.sessions())
  assert.deepEqual(
    all.map((each) => each.identifier).toSorted((a, b) => a.localeCompare(b)),
    created.toSorted((a, b) => a.localeCompare(b)),
  )
  await stage.daemonProcesses((count) => count === 1)
})

test('an app that is killed while it starts the daemon leaves the next one nothing to stumble over', async () => {
  await using stage = await Stage.open()
  const first = await stage.start()
  void first.run(({ longhaul }) => longhaul.sessions()).catch(() => {})
  await stage.daemonProcesses((count) => count > 0)
  await first.kill()
  const second = await stage.start({ identifier })
  assert.equal(await second.run(({ session }) => session.role), 'owner')
  await stage.daemonProcesses((count) => count === 1)
})

test('the daemon is killed twice in the middle of 6,000 rows: the call goes on, and each row is one task', async () => {
  await using stage = await Stage.open()
  const app = await stage.start({ identifier })
  const enqueued = app.run(async ({ session, say }) => {
    const rows = function* (): Generator<{ readonly url: string }> {
      for (let row = 0; row < 6000; row++) {
        if (row % 2500 === 2400) say('reached', { row })
        yield { url: `http://127.0.0.1:9/${row}` }
      }
    }
    return session.enqueue(rows())
  })
  for (const row of [2400, 4900]) {
    await stage.reports.first(({ name, fields }) => name === 'reached' && fields['row'] === row, `row ${row}`)
    await stage.killDaemon()
  }
  assert.deepEqual(await enqueued, { added: 6000, existing: 0 })
  const found = await app.run(async ({ session, all }) => {
    const urls = (await all(session.tasks())).map(({ originalRequest, taskIdentifier }) => ({
      url: originalRequest.url,
      taskIdentifier,
    }))
    return { urls: new Set(urls.map(({ url }) => url)).size, counts: await session.counts(), last: urls.at(-1) }
  })
  assert.equal(found.urls, 6000)
  assert.equal(found.counts.suspended, 6000)
  assert.deepEqual(found.last, { url: 'http://127.0.0.1:9/5999', taskIdentifier: 6000 })
})

test(
  'a daemon that does not answer holds up nobody who can stop waiting, and goes on where it stood',
  { skip: needs('posix') },
  async () => {
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    const app = await stage.start({ identifier })
    const url = server.file('/a.bin', { size: 500_000, etag: '"v1"', script: [stallAfter(200_000)] })
    await app.run(async ({ session, kept }, address) => void kept.set('task', await session.download(address)), url)
    await stage.event('didWriteData')
    const { pid } = await stage.newDaemon()
    process.kill(pid, 'SIGSTOP')
    try {
      const told = await app.run(async ({ kept }) => {
        const task = kept.get('task') as DownloadTask
        const stop = new AbortController()
        const waiting = task.finished({ signal: stop.signal })
        setImmediate(() => stop.abort(new Error('enough')))
        return waiting.then(String, String)
      })
      assert.equal(told, 'Error: enough')
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    server.release()
    const end = await stage.event('didComplete')
    assert.equal(end.fields['error'], undefined)
    assert.equal((await stage.newDaemon()).pid, pid)
    assert.equal(server.requestsFor('/a.bin').length, 1)
  },
)

test('a deadline ends a task with the error of its last attempt, and time in suspension does not count', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const app = await stage.start({ identifier })
  server.hold()
  const url = server.file('/a.bin', { size: 1000 })
  const made = await app.run(async ({ session }, address) => {
    const options = { timeoutIntervalForResource: '900ms', timeoutIntervalForRequest: '200ms' } as const
    const retry = { initialDelay: '1ms', maximumDelay: '10ms' } as const
    const late = await session.download(address, { ...options, retry })
    const suspended = await session.download(address, { ...options, retry })
    await suspended.suspend()
    return { late: late.id, suspended: suspended.id }
  }, url)
  const end = await stage.event('didComplete', ({ task }) => task === made.late)
  const error = end.fields['error'] as { readonly code: string; readonly cause?: { readonly code?: string } }
  assert.equal(error.code, 'TIMED_OUT')
  assert.equal(error.cause?.code, 'STALLED')
  server.resume()
  const state = await app.run(async ({ session }, which) => {
    const task = (await session.task(which))!
    const before = task.snapshot.state
    await task.resume()
    const { bytes } = await task.finished()
    return { before, bytes }
  }, made.suspended)
  assert.deepEqual(state, { before: 'suspended', bytes: 1000 })
})
