// The daemon for the tests of an app, used as such a test uses it: by the names of the package, with an app in this process.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BackgroundSession, download, isLonghaulError, type SessionDelegate, sessions } from 'longhaul'
import { FaultServer, TestDaemon, stallAfter } from 'longhaul/testing'

test('a test’s daemon downloads into the folder that the app names, and leaves nothing behind', async () => {
  await using server = await FaultServer.start()
  let home: string
  {
    await using daemon = await TestDaemon.start()
    home = daemon.home
    const to = join(home, 'a.bin')
    await download(server.file('/a.bin', { size: 50_000 }), { to, daemon: daemon.options })
    assert.deepEqual(readFileSync(to), server.bytes('/a.bin'))
    assert.match(readFileSync(daemon.logPath, 'utf8'), /the daemon is ready/)
  }
  assert.equal(existsSync(home), false)
})

test('events that an app had not dealt with when the test’s daemon crashed come again and say so', async () => {
  await using server = await FaultServer.start()
  await using daemon = await TestDaemon.start()
  const identifier = 'com.example.redelivery'
  const taken = Promise.withResolvers<boolean>()
  const stuck = Promise.withResolvers<void>()
  const first = await BackgroundSession.open({
    identifier,
    daemon: daemon.options,
    delegate: {
      didFinishDownloading: (_, { redelivered }) => {
        taken.resolve(redelivered)
        // This life of the app never comes to the end of it.
        return stuck.promise
      },
    },
  })
  await first.activate()
  await first.download(server.file('/a.bin', { size: 50_000 }), { to: `${daemon.home}/` })
  assert.equal(await taken.promise, false)
  await daemon.crash()
  await first.close()

  await daemon.restart()
  const again = Promise.withResolvers<boolean>()
  const delegate: SessionDelegate<unknown> = {
    didFinishDownloading: (_, { redelivered }) => again.resolve(redelivered),
  }
  await using second = await BackgroundSession.open({ identifier, daemon: daemon.options, delegate })
  await second.activate()
  assert.equal(await again.promise, true)
  stuck.resolve()
})

test('a test’s daemon launches the app whose session is done', async () => {
  await using server = await FaultServer.start()
  await using daemon = await TestDaemon.start()
  const came = server.file('/launched', { size: 1 })
  const session = await BackgroundSession.open({
    identifier: 'com.example.launched',
    daemon: daemon.options,
    launch: {
      command: process.execPath,
      args: ['-e', `fetch('${came}', { headers: { 'X-Home': process.env.LONGHAUL_HOME } })`],
    },
  })
  await session.download(server.file('/a.bin', { size: 5000 }), { to: `${daemon.home}/` })
  await session.close()
  const { headers } = await server.received(1, '/launched')
  assert.equal(headers['x-home'], daemon.home)
})

test('a test’s daemon that cannot start says why, and lets go of the home', async () => {
  await using outer = await TestDaemon.start()
  const home = join(outer.home, 'damaged')
  mkdirSync(home, { mode: 0o700 })
  writeFileSync(join(home, 'journal.db'), 'not a journal'.repeat(1000))
  await assert.rejects(TestDaemon.start({ home }), (error) => isLonghaulError(error, 'JOURNAL_DAMAGED'))
  rmSync(join(home, 'journal.db'))
  await using daemon = await TestDaemon.start({ home })
  assert.ok(daemon.isRunning)
})

test('a test’s daemon in which something went wrong says so at its end, and lets go of the home', async () => {
  await using outer = await TestDaemon.start()
  const home = join(outer.home, 'inner')
  const daemon = await TestDaemon.start({ home })
  await daemon.crash()
  for (const name of readdirSync(home)) if (name.startsWith('journal.db')) rmSync(join(home, name))
  writeFileSync(join(home, 'journal.db'), 'not a journal'.repeat(1000))
  await assert.rejects(daemon.restart(), (error) => isLonghaulError(error, 'JOURNAL_DAMAGED'))
  await assert.rejects(daemon[Symbol.asyncDispose](), (error) => isLonghaulError(error, 'JOURNAL_DAMAGED'))
  rmSync(join(home, 'journal.db'))
  await using next = await TestDaemon.start({ home })
  assert.ok(next.isRunning)
})

test('without its test’s daemon an app is told so and starts none of its own', async () => {
  await using daemon = await TestDaemon.start()
  await daemon.stop()
  await assert.rejects(sessions({ daemon: daemon.options }), (error) => isLonghaulError(error, 'DAEMON_UNAVAILABLE'))
  await daemon.restart()
  assert.deepEqual(await sessions({ daemon: daemon.options }), [])
})

test('two daemons of one test know nothing of each other, and one home takes only one', async () => {
  await using one = await TestDaemon.start()
  await using other = await TestDaemon.start()
  const session = await BackgroundSession.open({ identifier: 'com.example.one', daemon: one.options })
  await session.close()
  assert.equal((await sessions({ daemon: one.options })).length, 1)
  assert.equal((await sessions({ daemon: other.options })).length, 0)
  await assert.rejects(TestDaemon.start({ home: one.home }), (error) => isLonghaulError(error, 'DAEMON_UNAVAILABLE'))
  await one.crash()
  await assert.rejects(TestDaemon.start({ home: one.home }), /runs already/)
})

test('a home that the test gave to its daemon stays, and the next daemon finds the tasks in it', async () => {
  await using outer = await TestDaemon.start()
  const home = join(outer.home, 'inner')
  {
    await using daemon = await TestDaemon.start({ home })
    await using session = await BackgroundSession.open({ identifier: 'com.example.stays', daemon: daemon.options })
    await session.downloadTask('http://127.0.0.1:9/a.bin', { to: `${home}/` })
  }
  await using daemon = await TestDaemon.start({ home })
  assert.equal((await sessions({ daemon: daemon.options }))[0]?.identifier, 'com.example.stays')
})

test('a test’s daemon that was started again and again leaves no open file in the process', async (t) => {
  if (process.platform !== 'linux') {
    t.diagnostic('open files are listed by /proc only')
    return
  }
  const open = (): readonly string[] =>
    readdirSync('/proc/self/fd').flatMap((name) => {
      try {
        return [readlinkSync(join('/proc/self/fd', name))]
      } catch {
        // The listing itself.
        return []
      }
    })
  await using server = await FaultServer.start()
  const url = server.file('/a.bin', { size: 500_000, etag: '"1"', script: [1, 2, 3].map(() => stallAfter(100_000)) })
  let home: string
  {
    await using daemon = await TestDaemon.start()
    home = daemon.home
    await using session = await BackgroundSession.open({ identifier: 'com.example.files', daemon: daemon.options })
    await session.download(url, { to: `${home}/` })
    for (let life = 1; life <= 3; life++) {
      await server.received(life)
      await daemon.restart()
    }
  }
  await server.deserted()
  assert.deepEqual(
    open().filter((path) => path.includes(home)),
    [],
  )
})
