import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import type { NewTask } from '../../src/contract/task.ts'
import { makeTaskId } from '../../src/contract/words.ts'
import { random } from '../../src/platform/clock.ts'
import { drip, FaultServer } from '../../src/testing/index.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { assertStopped, type Client, connect, start } from './running.ts'

const session = 'com.example.app'

async function serve(t: TestContext): Promise<FaultServer> {
  const server = await FaultServer.start()
  t.after(() => server.stop())
  return server
}

function download(url: string, folder: string): NewTask {
  return {
    id: makeTaskId(1_700_000_000_000, random.bytes(10)),
    kind: 'download',
    request: { url, method: 'GET', headers: [] },
    destination: { kind: 'file', folder, name: 'file.bin' },
    ifExists: 'replace',
    umask: 0o022,
    priority: 0.5,
    policy: {},
    start: true,
  }
}

async function enqueue(client: Client, url: string, folder: string): Promise<string> {
  await client.ask('session.open', { identifier: session, configuration: {}, strictConfiguration: false })
  const { tasks } = await client.ask('task.add', { session, tasks: [download(url, folder)] })
  return tasks[0]!.task.id
}

async function digestOf(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

test('a download goes on without its client, and the daemon leaves when it is done', async (t) => {
  const server = await serve(t)
  const url = server.file('/a.bin', { size: 3_000_000, etag: '"v1"' })
  const folder = await temporaryFolder()
  const daemon = await start(t, { args: ['--leave-after-ms', '100'] })
  const client = await connect(t, daemon)
  await enqueue(client, url, folder)
  client.close()
  const ended = await daemon.ended
  assert.equal(ended.signal, 'SIGTERM', ended.stderr + (await readFile(join(daemon.home, 'log', 'daemon.log'), 'utf8')))
  assert.equal(await digestOf(join(folder, 'file.bin')), server.digest('/a.bin'))
})

test('SIGTERM stops a download at a checkpoint, and the next daemon goes on from there', async (t) => {
  const server = await serve(t)
  const size = 8_000_000
  const url = server.file('/b.bin', { size, etag: '"v1"', script: [drip(200_000, 20)] })
  const folder = await temporaryFolder()
  const first = await start(t)
  const id = await enqueue(await connect(t, first), url, folder)
  await server.sent('/b.bin', 2_000_000)
  assertStopped(first, await first.stop())
  const second = await start(t, { home: first.home })
  const client = await connect(t, second)
  const { task } = await client.ask('task.wait', { id })
  assert.equal(task.error, undefined)
  assert.equal(await digestOf(join(folder, 'file.bin')), server.digest('/b.bin'))
  const range = (await server.received(2, '/b.bin')).headers['range']
  assert.match(range ?? '', /^bytes=[1-9]\d*-$/, 'it goes on, it does not start over')
})

test('after SIGKILL in a download the next daemon delivers the whole file', async (t) => {
  const server = await serve(t)
  const url = server.file('/c.bin', { size: 6_000_000, etag: '"v1"', script: [drip(200_000, 20)] })
  const folder = await temporaryFolder()
  const first = await start(t)
  const id = await enqueue(await connect(t, first), url, folder)
  await server.sent('/c.bin', 1_000_000)
  await first.stop('SIGKILL')
  const second = await start(t, { home: first.home })
  const client = await connect(t, second)
  const { task } = await client.ask('task.wait', { id })
  assert.equal(task.error, undefined)
  assert.equal(await digestOf(join(folder, 'file.bin')), server.digest('/c.bin'))
})

test('events reach an owner through the socket and count when they are acknowledged', async (t) => {
  const server = await serve(t)
  const url = server.file('/d.bin', { size: 10_000, etag: '"v1"' })
  const folder = await temporaryFolder()
  const daemon = await start(t)
  const client = await connect(t, daemon)
  const own = { methods: ['didComplete'], takeover: false }
  const opening = { identifier: session, configuration: {}, strictConfiguration: false, own }
  const { fence } = await client.ask('session.open', opening)
  await client.ask('session.activate', { identifier: session, fence: fence! })
  await assert.rejects((await connect(t, daemon)).ask('session.open', opening), {
    code: 'SESSION_IN_USE',
    ownerPid: process.pid,
  })
  await client.ask('task.add', { session, tasks: [download(url, folder)] })
  const kinds: string[] = []
  while (kinds.at(-1) !== 'didComplete') {
    const { event } = await client.next('event')
    kinds.push(event.kind)
    await client.ask('event.acknowledge', { session, fence: fence!, sequences: [event.sequence] })
  }
  assert.deepEqual(kinds, ['didFinishDownloading', 'didFinishCollectingMetrics', 'didComplete'])
  const [summary] = await client.ask('session.list', {})
  assert.equal(summary?.unacknowledged, 0)
  assert.equal(summary?.ownerPid, process.pid)
})
