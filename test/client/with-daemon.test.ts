import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { BackgroundSession, download, sessions } from '../../src/index.ts'
import { currentUmask } from '../../src/platform/this-process.ts'
import { type RunningDaemon, start } from '../daemon/running.ts'
import { runApp } from './child.ts'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

interface Scene {
  readonly running: RunningDaemon
  readonly daemon: { readonly home: string; readonly start: 'never' }
  readonly server: FaultServer
  readonly folder: string
}

async function scene(t: TestContext): Promise<Scene> {
  const running = await start(t)
  const server = await FaultServer.start()
  t.after(() => server[Symbol.asyncDispose]())
  return { running, daemon: { home: running.home, start: 'never' }, server, folder: await temporaryFolder() }
}

test('the short way a second time asks whether the file is still the newest, and fetches it anew when it is not', async (t) => {
  const { daemon, server, folder } = await scene(t)
  const url = server.file('/a.bin', { size: 50_000, etag: '"1"' })
  const to = join(folder, 'a.bin')
  const first = await download(url, { to, daemon })
  assert.equal(first.path, join(folder, 'a.bin'))
  assert.equal(first.notModified, false)

  const second = await download(`${url}?sig=2`, { to, daemon })
  assert.deepEqual([second.path, second.notModified], [first.path, true])
  assert.equal(server.requests[1]?.headers['if-none-match'], '"1"')

  server.change('/a.bin', { etag: '"2"', seed: 'other' })
  const third = await download(url, { to, daemon })
  assert.deepEqual([third.path, third.notModified], [first.path, false])
  assert.ok((await readFile(third.path)).equals(server.bytes('/a.bin')))
})

test('a file that somebody changed after the short way had left it is not replaced by a name that the server chose', async (t) => {
  const { daemon, server, folder } = await scene(t)
  const url = server.file('/a.bin', { size: 5000, etag: '"1"' })
  const { path } = await download(url, { to: `${folder}/`, daemon })
  await writeFile(path, 'mine')
  await assert.rejects(download(url, { to: `${folder}/`, daemon }), (error) =>
    isLonghaulError(error, 'DESTINATION_EXISTS'),
  )
  assert.equal(await readFile(path, 'utf8'), 'mine')
})

test('a wait for a download goes on over the death of the daemon, and the bytes are right', async (t) => {
  const { running, daemon, server, folder } = await scene(t)
  const url = server.file('/a.bin', { size: 300_000, etag: '"1"', script: [stallAfter(100_000)] })
  const session = await BackgroundSession.open({ identifier: 'com.example.test', daemon })
  t.after(() => session.close())
  const task = await session.download(url, { to: join(folder, 'a.bin') })
  const finished = task.finished()
  await server.sent('/a.bin', 100_000)
  await running.stop('SIGKILL')
  await start(t, { home: running.home })
  const { path, bytes } = await finished
  assert.equal(bytes, 300_000)
  assert.ok((await readFile(path)).equals(server.bytes('/a.bin')))
})

test('an owner has its events once each, in order, and moves the file out of the spool', async (t) => {
  const { daemon, server, folder } = await scene(t)
  const url = server.file('/a.bin', { size: 5000, etag: '"1"' })
  const seen: string[] = []
  const complete = Promise.withResolvers<void>()
  const session = await BackgroundSession.open<{ readonly n: number }>({
    identifier: 'com.example.test',
    daemon,
    delegate: {
      async didFinishDownloading(task, { sequence, moveTo }) {
        seen.push(`${sequence} ${task.snapshot.metadata.n} ${await moveTo(join(folder, 'made', 'moved.bin'))}`)
      },
      didFinishCollectingMetrics: (_, { sequence, metrics }) => void seen.push(`${sequence} ${metrics.attempts}`),
      didComplete(_, { sequence, error }) {
        seen.push(`${sequence} ${error === undefined}`)
        complete.resolve()
      },
    },
  })
  t.after(() => session.close())
  await session.activate()
  await session.download(url, { metadata: { n: 3 } })
  await complete.promise
  const moved = join(folder, 'made', 'moved.bin')
  assert.deepEqual(seen, [`1 3 ${moved}`, '2 1', '3 true'])
  assert.equal((await stat(moved)).mode & 0o777, 0o666 & ~currentUmask())
  assert.ok((await readFile(moved)).equals(server.bytes('/a.bin')))
})

test('a session that another object finishes ends its loop with didBecomeInvalid, and its name is free again', async (t) => {
  const { daemon } = await scene(t)
  const identifier = 'com.example.test'
  const owner = await BackgroundSession.open({ identifier, daemon })
  const events = await owner.events()
  const other = await BackgroundSession.open({ identifier, daemon })
  await other.finishTasksAndInvalidate()
  const kinds: string[] = []
  for await (const { type } of events) kinds.push(type)
  assert.deepEqual(kinds, ['didBecomeInvalid'])
  await Promise.all([owner.close(), other.close()])
  assert.deepEqual(await sessions({ daemon }), [])
})

test('the same key gives the same task, and only its first handle says that it is new', async (t) => {
  const { daemon, server } = await scene(t)
  const url = server.file('/a.bin', { size: 10 })
  const session = await BackgroundSession.open({
    identifier: 'com.example.test',
    daemon,
    delegate: {},
  })
  t.after(() => session.close())
  const first = await session.downloadTask(url, { key: 'k' })
  const second = await session.downloadTask(url, { key: 'k' })
  assert.deepEqual([first.isNew, second.isNew, first.id === second.id], [true, false, true])
  await assert.rejects(session.downloadTask(server.url('/b.bin'), { key: 'k' }), (error) =>
    isLonghaulError(error, 'INVALID_ARGUMENT'),
  )
  assert.deepEqual(
    await session.enqueue([
      { url, key: 'k' },
      { url, key: 'l' },
    ]),
    { added: 1, existing: 1 },
  )
  assert.equal((await session.counts()).suspended, 2)
})

test('leaving the loop over events comes back before the process ends by itself', async (t) => {
  const { daemon, server } = await scene(t)
  const url = server.file('/a.bin', { size: 5000 })
  const code = `
    const session = await BackgroundSession.open({ identifier: 'com.example.loop', daemon: ${JSON.stringify(daemon)} })
    const events = await session.events()
    await session.download(${JSON.stringify(url)})
    for await (const event of events) if (event.type === 'didComplete') break
    console.log('left')
    await session.close()
    console.log('closed')`
  const { code: exitCode, said, errors } = await runApp(code, {})
  assert.deepEqual([exitCode, said], [0, ['left', 'closed']], errors)
})

test('two files whose addresses differ in the query only are both fetched into one folder', async (t) => {
  const { daemon, server, folder } = await scene(t)
  const url = server.file('/get', { size: 5000 })
  const options = { to: `${folder}/`, daemon, ifExists: 'keepBoth' } as const
  const [one, two] = await Promise.all([download(`${url}?id=1`, options), download(`${url}?id=2`, options)])
  assert.notEqual(one.path, two.path)
  assert.deepEqual(server.requests.map(({ path }) => path).toSorted(), ['/get?id=1', '/get?id=2'])
})
