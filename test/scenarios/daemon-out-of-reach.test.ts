/**
 * The daemon cannot be started, or what listens in its place is not it: each is told with its code and what to do, nothing is
 * enqueued, and a stranger learns nothing. What a daemon that died has left (lock file, socket) is in nobody's way.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { FaultServer } from '../../src/testing/index.ts'
import { type App, Stage, type ThrownThere } from '../support/stage.ts'

const url = 'http://127.0.0.1:1/secret-name.bin'

type Thrown = ThrownThere & { readonly hint: string }

/** What download() with these options of the daemon rejects with. */
async function refusal(app: App, to: string, daemon: Readonly<Record<string, string>> = {}): Promise<Thrown> {
  return app
    .run(
      async ({ longhaul }, address, place, options) =>
        void (await longhaul.download(address, { to: place, daemon: options })),
      url,
      to,
      daemon,
    )
    .then(
      () => assert.fail('it was taken'),
      (thrown: unknown) => thrown as Thrown,
    )
}

test('a daemon that cannot start is told with the reason and the way out, and leaves none behind', async () => {
  await using stage = await Stage.open()
  const app = await stage.start()
  const file = stage.path('a file')
  writeFileSync(file, 'mine', { mode: 0o755 })
  const damaged = join(stage.folder, 'damaged')
  mkdirSync(damaged, { mode: 0o700 })
  writeFileSync(join(damaged, 'journal.db'), 'no journal at all'.repeat(100))
  const open = join(stage.folder, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  // One home each: which Node runs a daemon is told by who asks first for its home.
  const home = (name: string): string => join(stage.folder, name)
  const rows: readonly (readonly [
    daemon: Readonly<Record<string, string>>,
    code: string,
    says: RegExp,
    hint: RegExp,
  ])[] = [
    [
      { home: home('1'), execPath: '/bin/false' },
      'DAEMON_UNAVAILABLE',
      /needs Node 24\.\d+.*daemon\.execPath: did not answer \(\/bin\/false\)/,
      /Install Node 24\.\d+ or newer/,
    ],
    [{ home: home('2'), execPath: home('nothing') }, 'DAEMON_UNAVAILABLE', /did not answer \(.*nothing\)/, /execPath/],
    [{ home: home('3'), execPath: file }, 'DAEMON_UNAVAILABLE', /did not answer \(.*a file\)/, /execPath/],
    [{ home: file }, 'CANNOT_CREATE_FILE', /The home .*a file could not be made/, /LONGHAUL_HOME/],
    [{ home: join(file, 'below') }, 'CANNOT_CREATE_FILE', /The home .*below could not be made/, /LONGHAUL_HOME/],
    [{ home: open }, 'INVALID_ARGUMENT', /mode 777: other users can write/, /chmod 700/],
    [{ home: damaged }, 'DAEMON_UNAVAILABLE', /did not start.*journal\.db/s, /start\.log/],
  ]
  for (const [daemon, code, says, hint] of rows) {
    const error = await refusal(app, stage.path('a.bin'), daemon)
    assert.equal(error.code, code, error.message)
    assert.match(error.message, says)
    assert.match(error.hint, hint)
    assert.ok(!existsSync(join(daemon['home']!, 'lock')), 'no daemon runs')
  }
  assert.equal(readFileSync(file, 'utf8'), 'mine')
  assert.match(readFileSync(join(damaged, 'journal.db'), 'latin1'), /^no journal at all/, 'it is kept as it is')
})

test('lock file and socket of a daemon that was killed are in nobody’s way', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const good = server.file('/a.bin', { size: 1000 })
  const first = await stage.longhaul('get', good, '-o', stage.path('1.bin'))
  assert.equal(first.code, 0, first.stderr)
  const lock = stage.daemon!
  const killed = await stage.killDaemon()
  assert.ok(existsSync(lock.socket) && existsSync(join(stage.home, 'lock')), 'both are left')
  const second = await stage.longhaul('get', good, '-o', stage.path('2.bin'))
  assert.equal(second.code, 0, second.stderr)
  assert.notEqual(stage.daemon!.pid, killed)
  assert.equal(await stage.digest(stage.path('2.bin')), server.digest('/a.bin'))
})

test('another program behind the socket is told nothing, and the person who it may be', async () => {
  await using stage = await Stage.open()
  const run = join(stage.home, 'run')
  mkdirSync(run, { recursive: true, mode: 0o700 })
  const socket = join(run, 'daemon.sock')
  let heard = ''
  const stranger = createServer((connection) => {
    connection.on('error', () => {})
    connection.on('data', (bytes: Buffer) => {
      heard += bytes.toString('latin1')
      connection.write('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
  })
  stranger.listen(socket)
  await once(stranger, 'listening')
  try {
    const facts = { pid: process.pid, bootId: '', socket, version: '0.1.0', protocols: [1], startedAt: 0 }
    writeFileSync(join(stage.home, 'lock'), JSON.stringify(facts))
    const app = await stage.start()
    const error = await refusal(app, stage.path('a.bin'))
    assert.equal(error.code, 'PROTOCOL_MISMATCH')
    assert.match(error.message, /Something else than the handshake of Longhaul came/)
    assert.ok(error.hint.length > 10)
    const ran = await stage.longhaul('get', url)
    assert.equal(ran.code, 13, ran.stderr)
    assert.match(ran.stderr, /handshake/)
    assert.match(heard, /"hello"/)
    assert.doesNotMatch(heard, /secret-name|"prove"/, 'nothing of value was sent')
    assert.ok(!existsSync(join(stage.home, 'journal.db')), 'no daemon was started')
  } finally {
    stranger.close()
  }
})

test('a daemon with another secret is not believed, and gets no task', async () => {
  await using stage = await Stage.open()
  const app = await stage.start()
  await app.run(async ({ longhaul }) => void (await longhaul.sessions()))
  const daemon = await stage.newDaemon()
  const secret = join(stage.home, 'secret')
  const right = readFileSync(secret)
  writeFileSync(secret, randomBytes(32))
  const stranger = await stage.start()
  const error = await refusal(stranger, stage.path('a.bin'))
  assert.equal(error.code, 'PROTOCOL_MISMATCH')
  assert.match(error.message, /could not prove that it is the Longhaul daemon of this user; nothing was sent to it/)
  assert.match(error.hint, /secret file/)
  assert.equal((await stage.longhaul('get', url)).code, 13)
  writeFileSync(secret, right)
  const sessions = await app.run(({ longhaul }) => longhaul.sessions())
  assert.deepEqual(sessions, [], 'neither a session nor a task')
  assert.equal(stage.daemon!.pid, daemon.pid)
})
