import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, lstat, mkdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isLonghaulError, type LonghaulError } from '../../src/contract/errors.ts'
import { frame } from '../../src/wire/framing.ts'
import { connectLocal, listenLocal, type LocalListener } from '../../src/wire/local-socket.ts'
import { Peer } from '../../src/wire/peer.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const options = { skip: needs('posix') }

async function serve(t: TestContext, path: string): Promise<LocalListener> {
  const peers: Peer[] = []
  const listener = await listenLocal(path, {
    connected: (channel) => void peers.push(new Peer(channel, { handlers: { ping: () => 'pong' } })),
  })
  t.after(async () => {
    for (const peer of peers) peer.close(new Error('the test is over'))
    await listener.close()
  })
  return listener
}

async function ping(path: string): Promise<unknown> {
  const peer = new Peer(await connectLocal(path))
  try {
    return await peer.call('ping', {})
  } finally {
    peer.close(new Error('done'))
  }
}

async function failure(promise: Promise<unknown>): Promise<LonghaulError> {
  const error = await promise.then(
    () => assert.fail('it should have been refused'),
    (why: unknown) => why,
  )
  assert.ok(isLonghaulError(error), String(error))
  return error
}

test('the folder is made with mode 0700 and the socket has 0600', options, async (t) => {
  const path = join(await temporaryFolder(), 'run', 'daemon.sock')
  await serve(t, path)
  assert.equal((await stat(join(path, '..'))).mode & 0o777, 0o700)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.equal(await ping(path), 'pong')
})

test('a folder that others can enter is refused by daemon and client, and stays as it is', options, async (t) => {
  const folder = join(await temporaryFolder(), 'run')
  const path = join(folder, 's')
  const listener = await serve(t, path)
  for (const mode of [0o710, 0o701, 0o755, 0o777]) {
    await chmod(folder, mode)
    for (const error of [
      await failure(listenLocal(path, { connected: () => {} })),
      await failure(connectLocal(path)),
    ]) {
      assert.equal(error.code, 'DAEMON_UNAVAILABLE')
      assert.equal(error.retryable, false)
      assert.match(error.message, new RegExp(`mode ${mode.toString(8)}`))
      assert.match(error.hint, /chmod 700/)
    }
    assert.equal((await stat(folder)).mode & 0o777, mode)
  }
  assert.equal(listener.path, path)
})

test('a folder that is a link, a file or another user’s is refused', { skip: needs('posix', 'root') }, async () => {
  const home = await temporaryFolder()
  await mkdir(join(home, 'real'), { mode: 0o700 })
  await symlink(join(home, 'real'), join(home, 'link'))
  await writeFile(join(home, 'file'), '')
  await mkdir(join(home, 'foreign'), { mode: 0o700 })
  await chown(join(home, 'foreign'), 65534, 65534)
  for (const [name, what] of [
    ['link', /symbolic link/],
    ['file', /could not be made|not a folder/],
    ['foreign', /belongs to user 65534/],
  ] as const) {
    const error = await failure(listenLocal(join(home, name, 's'), { connected: () => {} }))
    assert.match(error.message, what)
    assert.equal(error.retryable, false)
  }
})

test(
  'a folder that its own user may not enter is told as such, by daemon and client, with what to do',
  { skip: needs('posix', 'root') },
  async () => {
    const home = await temporaryFolder()
    const run = join(home, 'run')
    await mkdir(run, { mode: 0o000 })
    for (const path of [home, run]) await chown(path, 65534, 65534)
    const program = `
      process.setuid(65534)
      const { connectLocal, listenLocal } = await import(process.argv[1])
      const [, , closed, above] = process.argv
      const said = ({ message, hint, code, retryable }) => [message, hint, code, retryable]
      const attempts = [() => connectLocal(closed), () => listenLocal(closed, { connected: () => {} }), () => connectLocal(above)]
      for (const attempt of attempts) console.log(JSON.stringify(await attempt().then(() => 'no error', said)))`
    const module = new URL('../../src/wire/local-socket.ts', import.meta.url).href
    const paths = [join(run, 's'), join(run, 'below', 's')]
    const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program, module, ...paths], {
      encoding: 'utf8',
    })
    const [client, daemon, below] = printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as readonly unknown[])
    for (const [message, hint, ...facts] of [client!, daemon!]) {
      assert.match(String(message), /run has mode 000, so that this user does not get in; it must be 700/)
      assert.match(String(hint), /chmod 700 \S+run\)/)
      assert.deepEqual(facts, ['DAEMON_UNAVAILABLE', false])
    }
    const [message, hint, ...facts] = below!
    assert.match(String(message), /The folder of the socket, \S+below, cannot be looked at: .* closed to this user/)
    assert.match(String(hint), /Look at the folders above/)
    // A daemon that is started may find another place.
    assert.deepEqual(facts, ['DAEMON_UNAVAILABLE', true])
  },
)

test('nobody there, a file there and a process that has gone are told apart', options, async () => {
  const folder = await temporaryFolder()
  const none = await failure(connectLocal(join(folder, 'none')))
  assert.deepEqual([none.code, none.retryable], ['DAEMON_UNAVAILABLE', true])
  const noFolder = await failure(connectLocal(join(folder, 'no', 's')))
  assert.deepEqual([noFolder.code, noFolder.retryable], ['DAEMON_UNAVAILABLE', true])
  await writeFile(join(folder, 'file'), 'mine')
  const file = await failure(connectLocal(join(folder, 'file')))
  assert.deepEqual([file.code, file.retryable], ['DAEMON_UNAVAILABLE', false])
  assert.match(file.message, /not a socket/)
  const behindIt = await failure(connectLocal(join(folder, 'file', 'no', 's')))
  assert.deepEqual([behindIt.code, behindIt.retryable], ['DAEMON_UNAVAILABLE', true])
})

test('what is not a socket is never unlinked to make room for one', options, async () => {
  const path = join(await temporaryFolder(), 'file')
  await writeFile(path, 'mine')
  const error = await failure(listenLocal(path, { connected: () => {} }))
  assert.match(error.message, /in the place of the socket/)
  assert.equal((await lstat(path)).isFile(), true)
})

test('a path that is too long is refused with what to do', options, async () => {
  const error = await failure(listenLocal(join(await temporaryFolder(), 'x'.repeat(103)), { connected: () => {} }))
  assert.equal(error.code, 'INVALID_ARGUMENT')
  assert.match(error.hint, /XDG_RUNTIME_DIR/)
})

test('the socket that a killed daemon leaves does not stop the next one', options, async (t) => {
  const path = join(await temporaryFolder(), 's')
  const program = `import { createServer } from 'node:net'
    createServer(() => {}).listen(process.argv[1], () => process.stdout.write('ready'))`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal((await lstat(path)).isSocket(), true)
  const gone = await failure(connectLocal(path))
  assert.deepEqual([gone.code, gone.retryable], ['DAEMON_UNAVAILABLE', true])
  await serve(t, path)
  assert.equal(await ping(path), 'pong')
})

test('a socket that vanished is made again, and connections that exist go on', options, async (t) => {
  const path = join(await temporaryFolder(), 'run', 's')
  const listener = await serve(t, path)
  const before = new Peer(await connectLocal(path))
  await rm(join(path, '..'), { recursive: true })
  await listener.relisten()
  assert.equal(await ping(path), 'pong')
  assert.equal(await before.call('ping', {}), 'pong')
  assert.equal(await listener.relisten(), false)
  before.close(new Error('done'))
})

test('a socket that vanishes is missed without being asked', options, async (t) => {
  const path = join(await temporaryFolder(), 'run', 's')
  const made = Promise.withResolvers<void>()
  const listener = await listenLocal(path, {
    connected: () => {},
    log: { debug: () => {}, info: () => {}, warn: () => made.resolve(), error: () => {} },
  })
  t.after(() => listener.close())
  await rm(path)
  await made.promise
  assert.equal((await lstat(path)).isSocket(), true)
})

test('a socket whose place is gone for good is reported', options, async (t) => {
  const runtime = join(await temporaryFolder(), 'runtime')
  await mkdir(join(runtime, 'longhaul'), { recursive: true, mode: 0o700 })
  const lost = Promise.withResolvers<unknown>()
  const listener = await listenLocal(join(runtime, 'longhaul', 's'), { connected: () => {}, lost: lost.resolve })
  t.after(() => listener.close())
  await rename(runtime, `${runtime}.gone`)
  await rm(join(`${runtime}.gone`, 'longhaul', 's'))
  assert.ok(isLonghaulError(await lost.promise, 'DAEMON_UNAVAILABLE'))
  await assert.rejects(listener.relisten())
})

test('closing removes the socket', options, async () => {
  const path = join(await temporaryFolder(), 's')
  const listener = await listenLocal(path, { connected: () => {} })
  await listener.close()
  await assert.rejects(lstat(path), { code: 'ENOENT' })
  assert.equal(await listener.relisten(), false)
})

test('a connection error after the connect does not reach the process', options, async (t) => {
  const path = join(await temporaryFolder(), 's')
  const server = createServer((socket) => {
    frame(socket)
    socket.destroy()
  }).listen(path)
  t.after(() => server.close())
  await once(server, 'listening')
  const peer = new Peer(await connectLocal(path))
  assert.ok(isLonghaulError(await peer.closed, 'DAEMON_UNAVAILABLE'))
})
