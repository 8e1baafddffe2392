/** The daemon is killed, loses its socket, leaves by itself: whoever needs it goes on with the next one, without being told. */
import assert from 'node:assert/strict'
import { unlinkSync } from 'node:fs'
import { test } from 'node:test'
import type { DownloadTask } from 'longhaul'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { type App, listens, Stage } from '../support/stage.ts'

const identifier = 'com.example.comes.and.goes'
const [size, first] = [400_000, 100_000]

/** Starts a file that stalls, twice, after its first bytes. */
async function begin(server: FaultServer, app: App, to: string): Promise<string> {
  const url = server.file('/a.bin', { size, etag: '"v1"', script: [stallAfter(first), stallAfter(first)] })
  const id = await app.run(
    async ({ session }, address, place) => (await session.download(address, { to: place })).id,
    url,
    to,
  )
  await server.sent('/a.bin', first)
  return id
}

test('killed while an owner idles: it is connected again by itself, and gets the events of the next daemon', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const app = await stage.start({ identifier })
  const id = await begin(server, app, stage.path('a.bin'))
  const pid = await stage.killDaemon()
  // Nobody asks for anything: the owner alone brings the next one.
  await stage.newDaemon(pid)
  await server.until(() => (server.requests[1]?.bytesSent ?? 0) >= first, 'the second answer stalls')
  server.release()
  const end = await stage.event('didComplete', ({ task }) => task === id)
  assert.equal(end.fields['error'], undefined)
  assert.equal(await stage.digest(stage.path('a.bin')), server.digest('/a.bin'))
})

test('killed while finished() waits and updates() runs in a controller: both go on to the end', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const app = await stage.start({ identifier, role: 'controller' })
  const to = stage.path('a.bin')
  const id = await begin(server, app, to)
  const waited = app.run(async ({ session, say }, wanted) => {
    const task = (await session.task(wanted)) as unknown as DownloadTask
    const watch = async (): Promise<number> => {
      let last = 0
      for await (const { received } of task.updates()) say('update', { received: (last = received) })
      return last
    }
    const [{ path, bytes }, last] = await Promise.all([task.finished(), watch()])
    return { path, bytes, last }
  }, id)
  await stage.reports.first(({ name, fields }) => name === 'update' && fields['received'] === first, 'an update')
  const pid = await stage.killDaemon()
  await stage.newDaemon(pid)
  await server.until(() => (server.requests[1]?.bytesSent ?? 0) >= first, 'the second answer stalls')
  server.release()
  assert.deepEqual(await waited, { path: to, bytes: size, last: size })
})

test('the socket is deleted under the daemon: other clients still get in, to the same daemon', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const app = await stage.start({ identifier })
  const id = await begin(server, app, stage.path('a.bin'))
  const { pid, socket } = stage.daemon!
  unlinkSync(socket)
  const other = await stage.start({ identifier, role: 'controller' })
  const phase = await other.run(async ({ session }, wanted) => (await session.task(wanted))!.snapshot.phase, id)
  assert.equal(phase, 'transferring')
  assert.equal((await stage.longhaul('ls')).code, 0)
  assert.equal(stage.daemon?.pid, pid)
  assert.ok(await listens(socket))
  server.release()
  await stage.event('didComplete', ({ task }) => task === id)
  assert.equal(server.requests.length, 1)
})

test('a daemon with nothing to do leaves by itself, one with work stays, and the next call starts another', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const app = await stage.start({ identifier, role: 'controller' })
  await begin(server, app, stage.path('a.bin'))
  await app.kill()
  await stage.killDaemon()
  // Nobody is connected to this one from its start on, so it looks at once, and again and again, what keeps it.
  const { pid, socket } = await stage.startDaemon('--leave-after-ms', '1')
  await server.until(() => (server.requests[1]?.bytesSent ?? 0) >= first, 'the second answer stalls')
  assert.equal(stage.daemon?.pid, pid)
  server.release()
  await stage.daemonGone(pid)
  assert.equal(await stage.digest(stage.path('a.bin')), server.digest('/a.bin'))
  assert.equal(server.requests.length, 2)
  assert.ok(!(await listens(socket)))

  const later = await stage.start({ identifier, role: 'controller' })
  assert.equal(await later.run(async ({ session }) => (await session.counts()).completed), 1)
  assert.notEqual((await stage.newDaemon()).pid, pid)
})

test('a launch command with a daemon that is not installed warns once, and the session says what survives', async () => {
  await using stage = await Stage.open()
  const app = await stage.start({ identifier, launch: {} })
  const survives = await app.run(({ session }) => session.survives)
  const status = JSON.parse((await stage.longhaul('daemon', 'status', '--json')).stdout) as {
    readonly survives: string
  }
  assert.equal(survives, status.survives)
  assert.ok(['on demand', 'tethered'].includes(survives))
  await app.kill()
  const again = await stage.start({ identifier, launch: {} })
  await again.run(({ session }) => session.counts())
  const warnings = stage.reports.which(({ what, code }) => what === 'warning' && code === 'LONGHAUL_NOT_INSTALLED')
  assert.deepEqual(
    warnings.map((warning) => warning.pid),
    [app.pid],
  )
  assert.ok(String(warnings[0]!.fields['message']).includes(survives))
})
