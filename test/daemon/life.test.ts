import assert from 'node:assert/strict'
import { existsSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { chmod, mkdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { readLock } from '../../src/platform/lock-file.ts'
import { connectLocal } from '../../src/wire/local-socket.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { assertStopped, connect, start, tryStart } from './running.ts'

const brief = ['--leave-after-ms', '50'] as const

test('SIGTERM ends the daemon cleanly and takes its socket and lock file along', async (t) => {
  const daemon = await start(t)
  const client = await connect(t, daemon)
  assert.equal((await client.ask('daemon.status', {})).pid, daemon.pid)
  const ended = await daemon.stop()
  assertStopped(daemon, ended)
  await client.closed
  assert.equal(existsSync(daemon.socket), false)
  assert.equal(readLock(daemon.home), undefined)
})

test('SIGTERM before the daemon is ready ends it as cleanly', async (t) => {
  const home = await temporaryFolder()
  const ended = await tryStart(t, { home, signalWhen: () => existsSync(join(home, 'journal.db')) })
  assert.ok('code' in ended)
  assertStopped({ home }, ended)
  assert.equal(readLock(home), undefined)
})

test('a second daemon for a home leaves with its own exit code and names the first, which goes on', async (t) => {
  const first = await start(t)
  const second = await tryStart(t, { home: first.home })
  assert(!('pid' in second))
  assert.equal(second.code, 75)
  assert.match(second.stderr, new RegExp(`process ${first.pid}\\b`))
  const client = await connect(t, first)
  assert.equal((await client.ask('daemon.status', {})).pid, first.pid)
})

test('of two daemons that are started at once for one home exactly one stays', async (t) => {
  const home = await temporaryFolder()
  const both = await Promise.all([tryStart(t, { home }), tryStart(t, { home })])
  assert.equal(both.filter((each) => 'pid' in each).length, 1)
  assert.deepEqual(
    both.flatMap((each) => ('code' in each ? [each.code] : [])),
    [75],
  )
})

test('after SIGKILL the next daemon starts in spite of the socket and lock file that were left', async (t) => {
  const first = await start(t)
  await first.stop('SIGKILL')
  assert.equal(existsSync(first.socket), true)
  assert.notEqual(readLock(first.home), undefined)
  const second = await start(t, { home: first.home })
  assert.notEqual(second.pid, first.pid)
  const client = await connect(t, second)
  assert.equal((await client.ask('daemon.status', {})).pid, second.pid)
})

test('a ceiling that makes no sense ends the start of a daemon in words', async (t) => {
  const daemon = await tryStart(t, {
    home: await temporaryFolder(),
    env: { LONGHAUL_MAXIMUM_ACTIVE_TASKS: 'lots' },
  })
  assert(!('pid' in daemon))
  assert.equal(daemon.code, 1)
  assert.match(
    daemon.stderr,
    /^LONGHAUL_MAXIMUM_ACTIVE_TASKS=lots: write a number from 1 to 1024\. .*then it is 32\.$/m,
  )
})

test('a daemon that nobody needs leaves by itself, cleanly', async (t) => {
  const daemon = await start(t, { args: brief })
  assertStopped(daemon, await daemon.ended)
})

test('a connection keeps the daemon, and its end lets it leave', async (t) => {
  const daemon = await start(t, { args: ['--leave-after-ms', '300'] })
  const client = await connect(t, daemon)
  let over = false
  void daemon.ended.then(() => (over = true))
  // Each answer is given after the time at which an unused daemon would have gone.
  const until = performance.now() + 900
  while (performance.now() < until) await client.ask('session.list', {})
  assert.equal(over, false)
  client.close()
  assertStopped(daemon, await daemon.ended)
})

test('suspended tasks do not keep the daemon, and are there in its next life', async (t) => {
  const daemon = await start(t, { args: brief })
  const client = await connect(t, daemon)
  await client.ask('session.open', { identifier: 'com.example.a', configuration: {}, strictConfiguration: false })
  const id = '01HF7YAT000000000000000001'
  await client.ask('task.add', {
    session: 'com.example.a',
    tasks: [
      {
        id,
        kind: 'download',
        request: { url: 'http://127.0.0.1:9/x', method: 'GET', headers: [] },
        destination: { kind: 'file', folder: daemon.home, name: 'x' },
        ifExists: 'replace',
        umask: 0o022,
        priority: 0.5,
        policy: {},
        start: false,
      },
    ],
  })
  client.close()
  assertStopped(daemon, await daemon.ended)
  const next = await start(t, { home: daemon.home })
  const again = await connect(t, next)
  assert.equal((await again.ask('task.get', { id }))?.state, 'suspended')
})

test('daemon.stop is answered before the daemon ends cleanly', async (t) => {
  const daemon = await start(t)
  const client = await connect(t, daemon)
  assert.deepEqual(await client.ask('daemon.stop', {}), { active: 0, waiting: 0, pid: daemon.pid })
  assertStopped(daemon, await daemon.ended)
})

test('a damaged journal ends the start with exit code 3 and stays as it is', async (t) => {
  const home = await temporaryFolder()
  const journal = join(home, 'journal.db')
  await writeFile(journal, 'This was a journal once. '.repeat(1000), { mode: 0o600 })
  const ended = await tryStart(t, { home })
  assert(!('pid' in ended))
  assert.equal(ended.code, 3)
  assert.match(ended.stderr, /journal\.db is damaged/)
  assert.match(await readFile(journal, 'utf8'), /^This was a journal once/)
  assert.match(await readFile(join(home, 'log', 'daemon.log'), 'utf8'), /JOURNAL_DAMAGED/)
})

test(
  'a home that other users can write to is refused with the command that mends it',
  { skip: needs('posix') },
  async (t) => {
    const home = await temporaryFolder()
    await chmod(home, 0o777)
    const ended = await tryStart(t, { home })
    assert(!('pid' in ended))
    assert.equal(ended.code, 1)
    assert.match(ended.stderr, /chmod 700/)
  },
)

test('another program’s file in the place of the socket is left alone, and the start fails naming it', async (t) => {
  const home = await temporaryFolder()
  const socket = join(home, 'run', 'daemon.sock')
  await mkdir(dirname(socket), { mode: 0o700 })
  await writeFile(socket, 'mine')
  const ended = await tryStart(t, { home })
  assert(!('pid' in ended))
  assert.equal(ended.code, 1)
  assert.ok(ended.stderr.includes(socket), ended.stderr)
  assert.equal(await readFile(socket, 'utf8'), 'mine')
})

test('a socket that a program without our lock left listening is replaced', async (t) => {
  const home = await temporaryFolder()
  await mkdir(join(home, 'run'), { mode: 0o700 })
  const squatter = createServer()
  await new Promise<void>((resolve) => squatter.listen(join(home, 'run', 'daemon.sock'), resolve))
  t.after(() => squatter.close())
  const daemon = await start(t, { home })
  const client = await connect(t, daemon)
  assert.equal((await client.ask('daemon.status', {})).home, home)
})

test('a socket that vanishes is made again, and open connections go on', async (t) => {
  const daemon = await start(t)
  const client = await connect(t, daemon)
  await unlink(daemon.socket)
  for (;;) {
    const channel = await connectLocal(daemon.socket).catch(() => undefined)
    if (channel !== undefined) {
      channel.close(new Error('it is there'))
      break
    }
    // The answer takes a turn of the daemon's loop: this waits for the daemon, not for a time.
    await client.ask('session.list', {})
  }
  assert.equal((await client.ask('daemon.status', {})).pid, daemon.pid)
})

test('a daemon whose home was removed does not stay', async (t) => {
  const daemon = await start(t, { args: brief })
  const client = await connect(t, daemon)
  // Moved away, for a folder that is written to while it is emptied cannot always be removed.
  await rename(daemon.home, `${daemon.home}-gone`)
  t.after(() => rm(`${daemon.home}-gone`, { recursive: true, force: true }))
  client.close()
  const { signal, stderr } = await daemon.ended
  assert.equal(signal, 'SIGKILL')
  assert.match(stderr, /was removed or exchanged while the daemon ran/)
})

test('what the daemon makes is closed to other users', { skip: needs('posix') }, async (t) => {
  const daemon = await start(t)
  for (const name of readdirSync(daemon.home, { recursive: true, encoding: 'utf8' }))
    assert.equal(statSync(join(daemon.home, name)).mode & 0o077, 0, name)
})

test(
  'the daemon stands in no folder, has sixteen threads for files, and passes no NODE_OPTIONS on',
  { skip: needs('linux') },
  async (t) => {
    const daemon = await start(t, { env: { NODE_OPTIONS: '--no-warnings', LC_ALL: 'C', SECRET: 'x' } })
    const client = await connect(t, daemon)
    const { environment } = await client.ask('daemon.status', {})
    assert.equal(environment['LC_ALL'], 'C')
    assert.equal(environment['NODE_OPTIONS'], undefined)
    assert.equal(environment['SECRET'], undefined)
    assert.equal(readlinkSync(`/proc/${daemon.pid}/cwd`), '/')
    assert.ok(readdirSync(`/proc/${daemon.pid}/task`).length >= 16 + 1)
  },
)
