import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync, statSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Listening, lookEveryMs } from '../../src/daemon/listening.ts'
import { sessions } from '../../src/index.ts'
import { hearKnocks, knock } from '../../src/platform/knock.ts'
import { readLock } from '../../src/platform/lock-file.ts'
import { connectLocal } from '../../src/wire/local-socket.ts'
import { silentLog } from '../../src/world/log.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { assertStopped, type Client, connect, type RunningDaemon, start } from './running.ts'

const posix = { skip: needs('posix') }

interface Scene {
  readonly runtime: string
  readonly daemon: RunningDaemon
  readonly client: Client
}

/** A daemon whose socket lies in the runtime folder of a login. */
async function scene(t: TestContext): Promise<Scene> {
  const runtime = join(await temporaryFolder(), 'r')
  await mkdir(runtime, { mode: 0o700 })
  const daemon = await start(t, { env: { XDG_RUNTIME_DIR: runtime } })
  assert.equal(dirname(dirname(daemon.socket)), runtime)
  return { runtime, daemon, client: await connect(t, daemon) }
}

/** Each question takes a turn of the daemon's loop: this waits for the daemon, not for a time. */
async function until(client: Client, is: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await is())) await client.ask('session.list', {})
}

/** At once: what is emptied step by step is filled again meanwhile. */
async function remove(folder: string): Promise<void> {
  await rename(folder, `${folder}-gone`)
  await rm(`${folder}-gone`, { recursive: true })
}

async function isReached(path: string): Promise<boolean> {
  const channel = await connectLocal(path).catch(() => undefined)
  channel?.close(new Error('somebody listens there'))
  return channel !== undefined
}

test('a daemon whose socket folder was deleted makes it again, closed to others', posix, async (t) => {
  const { daemon, client } = await scene(t)
  await remove(dirname(daemon.socket))
  await until(client, () => isReached(daemon.socket))
  assert.equal(statSync(dirname(daemon.socket)).mode & 0o777, 0o700)
  assert.equal(readLock(daemon.home)?.socket, daemon.socket)
})

test('a daemon whose runtime folder went away at a logout is found again, in its home', posix, async (t) => {
  const { runtime, daemon, client } = await scene(t)
  await remove(runtime)
  const inHome = join(daemon.home, 'run', 'daemon.sock')
  await until(client, () => readLock(daemon.home)?.socket === inHome)
  assert.deepEqual(await sessions({ daemon: { home: daemon.home, start: 'never' } }), [])
  assert.equal((await client.ask('daemon.status', {})).socket, inHome)
  assert.equal(statSync(inHome).mode & 0o777, 0o600)
  assertStopped(daemon, await daemon.stop())
  assert.equal(existsSync(inHome), false)
})

test(
  'a daemon that can listen nowhere looks every few seconds, and says again where it is until that was written',
  posix,
  async (t) => {
    const folder = await temporaryFolder()
    const [first, second] = [join(folder, 'a', 'run', 's'), join(folder, 'b', 'run', 's')]
    await mkdir(join(folder, 'a'))
    const clock = new VirtualClock()
    const nowhere = Promise.withResolvers<void>()
    let told = 0
    const listening = await Listening.start({
      places: () => [first, second],
      connected: (channel) => channel.close(new Error('somebody listens here')),
      moved: () => {
        if (++told === 1) throw new Error('no space left on device')
      },
      knocks: () => ({ [Symbol.dispose]: () => {} }),
      clock,
      log: {
        ...silentLog,
        error: (message) => {
          if (message.includes('nowhere')) nowhere.resolve()
        },
      },
    })
    t.after(() => listening.close())
    await remove(join(folder, 'a'))
    await nowhere.promise
    await mkdir(join(folder, 'b'))
    while (listening.path === first) await clock.advance(lookEveryMs)
    assert.equal(listening.path, second)
    assert.equal(await isReached(second), true)
    while (told < 2) await clock.advance(lookEveryMs)
    await clock.advance(lookEveryMs)
    assert.equal(told, 2)
    assert.equal(clock.armed, 0, 'all is well again')
  },
)

test(
  'a daemon at rest is not woken to look at its socket, but where knocks cannot be heard it is',
  posix,
  async (t) => {
    const path = join(await temporaryFolder(), 'run', 's')
    await mkdir(dirname(dirname(path)), { recursive: true })
    const clock = new VirtualClock()
    let deaf = (): void => {}
    const listening = await Listening.start({
      places: () => [path],
      connected: (channel) => channel.close(new Error('somebody listens here')),
      moved: () => {},
      knocks: (_heard, failed) => {
        deaf = failed
        return { [Symbol.dispose]: () => {} }
      },
      clock,
      log: silentLog,
    })
    t.after(() => listening.close())
    assert.equal(clock.armed, 0)
    deaf()
    assert.equal(clock.armed, 1)
    await clock.advance(lookEveryMs)
    assert.equal(clock.armed, 1)
  },
)

test(
  'a runtime folder whose mount ends, which no watch reports: the next client knocks, and is let in',
  { skip: needs('mounts') },
  async (t) => {
    const runtime = join(await temporaryFolder(), 'r')
    await mkdir(runtime, { mode: 0o700 })
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=0700', 'tmpfs', runtime])
    let mounted = true
    const unmount = (): void => {
      if (mounted) execFileSync('umount', ['-l', runtime])
      mounted = false
    }
    t.after(unmount)
    const daemon = await start(t, { env: { XDG_RUNTIME_DIR: runtime } })
    unmount()
    assert.deepEqual(await sessions({ daemon: { home: daemon.home, start: 'never' } }), [])
    const inRuntime = readLock(daemon.home)
    assert.equal(inRuntime?.pid, daemon.pid, 'the same daemon')
    assert.ok(existsSync(inRuntime.socket), inRuntime.socket)
  },
)

test('a knock is heard each time', posix, async () => {
  const path = join(await temporaryFolder(), 'knock')
  let heard = Promise.withResolvers<void>()
  using _knocks = hearKnocks(
    path,
    () => heard.resolve(),
    () => assert.fail('deaf'),
  )
  for (let time = 0; time < 3; time++) {
    heard = Promise.withResolvers()
    knock(path)
    await heard.promise
    // What the same knock still has to tell comes before the next one.
    await setImmediate()
  }
})

test('a folder that is taken away, and made again at once with the same inode, is deaf', posix, async () => {
  const folder = join(await temporaryFolder(), 'run')
  mkdirSync(folder)
  const deaf = Promise.withResolvers<void>()
  using _knocks = hearKnocks(
    join(folder, 'knock'),
    () => {},
    () => deaf.resolve(),
  )
  rmdirSync(folder)
  mkdirSync(folder)
  await deaf.promise
  rmdirSync(folder)
  const nothing = (): void => {}
  assert.equal(hearKnocks(join(folder, 'knock'), nothing, nothing), undefined)
})
