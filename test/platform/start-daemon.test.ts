import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import { createClock } from '../../src/platform/clock.ts'
import { isHeld } from '../../src/platform/instance-lock.ts'
import { homePaths } from '../../src/platform/paths.ts'
import { connectOrStart, type StartOptions } from '../../src/platform/start-daemon.ts'
import type { RunShort } from '../../src/platform/short-command.ts'
import { needs } from '../support/needs.ts'
import { memoryOptions } from '../../src/platform/thrift.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { race } from './race.ts'

interface Facts {
  readonly pid: number
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly execArgv: readonly string[]
}

const entry = fileURLToPath(new URL('stand-in-daemon.ts', import.meta.url))

/** What the wire does, without it: nobody there is a retryable DAEMON_UNAVAILABLE. */
async function ask({ socket }: { readonly socket: string }): Promise<Facts> {
  try {
    return JSON.parse(await text(connect(socket))) as Facts
  } catch (cause) {
    throw new LonghaulError('DAEMON_UNAVAILABLE', 'nobody is there', { cause, retryable: true })
  }
}

function options(home: string, changes: Partial<StartOptions<Facts>> = {}): StartOptions<Facts> {
  return { home, connect: ask, clock: createClock(), entry, ...changes }
}

function endAfter(t: TestContext, pids: readonly number[]): void {
  t.after(() => {
    for (const pid of new Set(pids)) process.kill(pid, 'SIGKILL')
  })
}

test('a daemon is started when there is none, and found when there is one', async (t) => {
  const home = join(await temporaryFolder(), 'home')
  const first = await connectOrStart(options(home))
  endAfter(t, [first.pid])
  assert.equal((await connectOrStart(options(home, { start: 'never' }))).pid, first.pid)
})

test(
  'a daemon gets the listed environment, cwd / and no options of the app’s Node',
  { skip: needs('posix') },
  async (t) => {
    const home = await temporaryFolder()
    const set = {
      NODE_OPTIONS: '--no-warnings',
      MY_TOKEN: 'secret',
      LC_ALL: 'C.UTF-8',
      https_proxy: 'http://127.0.0.1:9',
      SSL_CERT_FILE: '/c',
    }
    const before = { ...process.env }
    Object.assign(process.env, set)
    t.after(() => {
      for (const name of Object.keys(set)) {
        if (before[name] === undefined) delete process.env[name]
        else process.env[name] = before[name]
      }
    })
    const facts = await connectOrStart(options(home, { env: { EXTRA: 'x', NODE_OPTIONS: '--no-warnings' } }))
    endAfter(t, [facts.pid])
    assert.equal(facts.cwd, '/')
    // The daemon's own choice of a heap, and nothing of ours.
    assert.deepEqual(facts.execArgv, memoryOptions)
    const { LONGHAUL_HOME, LC_ALL, https_proxy, SSL_CERT_FILE, EXTRA, PATH } = facts.env
    assert.deepEqual(
      { LONGHAUL_HOME, LC_ALL, https_proxy, SSL_CERT_FILE, EXTRA, PATH },
      {
        LONGHAUL_HOME: home,
        LC_ALL: 'C.UTF-8',
        https_proxy: 'http://127.0.0.1:9',
        SSL_CERT_FILE: '/c',
        EXTRA: 'x',
        PATH: process.env['PATH'],
      },
    )
    assert.equal(facts.env['NODE_OPTIONS'], undefined)
    assert.equal(facts.env['MY_TOKEN'], undefined)
  },
)

test('of twelve clients that start at once all reach the same daemon', { timeout: 120_000 }, async (t) => {
  const home = join(await temporaryFolder(), 'home')
  const pids = await race(
    12,
    `
    import { connectOrStart } from '#platform/start-daemon.ts'
    import { createClock } from '#platform/clock.ts'
    import { connect } from 'node:net'
    import { text } from 'node:stream/consumers'
    const { LonghaulError } = await import(${JSON.stringify(new URL('../../src/contract/errors.ts', import.meta.url).href)})
    const ask = async ({ socket }) => {
      try { return JSON.parse(await text(connect(socket))) }
      catch (cause) { throw new LonghaulError('DAEMON_UNAVAILABLE', 'nobody', { cause, retryable: true }) }
    }
    await go
    const facts = await connectOrStart({ home: ${JSON.stringify(home)}, connect: ask, clock: createClock(), entry: ${JSON.stringify(entry)}, limitMs: 60_000 })
    console.log(facts.pid)`,
  )
  endAfter(t, pids.map(Number))
  assert.equal(new Set(pids).size, 1)
})

test(
  'a home that its own user may not enter is told as such, and no daemon is started',
  { skip: needs('posix', 'root') },
  async () => {
    const home = await temporaryFolder()
    await mkdir(join(home, 'run'), { mode: 0o000 })
    for (const path of [home, join(home, 'run')]) await chown(path, 65534, 65534)
    const program = `
      import { chmodSync } from 'node:fs'
      process.setuid(65534)
      const [, start, clock, home] = process.argv
      const { connectOrStart } = await import(start)
      const { createClock } = await import(clock)
      for (const mode of [0o000, 0o700]) {
        chmodSync(home, mode)
        const failed = connectOrStart({ home, clock: createClock(), connect: () => { throw new Error('there was a lock file') } })
        console.log(JSON.stringify(await failed.then(() => 'no error', ({ message, hint, code, retryable }) => [message, hint, code, retryable])))
      }`
    const modules = ['start-daemon.ts', 'clock.ts'].map(
      (name) => new URL(`../../src/platform/${name}`, import.meta.url).href,
    )
    const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program, ...modules, home], {
      encoding: 'utf8',
    })
    const lines = printed.trim().split('\n')
    for (const [index, closed] of [home, join(home, 'run')].entries()) {
      const [message, hint, ...facts] = JSON.parse(lines[index]!) as readonly unknown[]
      assert.ok(
        String(message).startsWith(`The home ${home} cannot be used: this user may not enter ${closed}.`),
        lines[index],
      )
      assert.ok(String(hint).includes(`chmod u+rwx ${closed}`), lines[index])
      assert.deepEqual(facts, ['DAEMON_UNAVAILABLE', false])
    }
  },
)

test('a daemon that dies at its start is quoted', async () => {
  const home = await temporaryFolder()
  const failed = connectOrStart(options(home, { env: { STAND_IN_WRONG: 'dies' } }))
  await assert.rejects(
    failed,
    (why) =>
      isLonghaulError(why, 'DAEMON_UNAVAILABLE') &&
      /ended with code 1/.test(why.message) &&
      /the journal cannot be opened: disk I\/O error/.test(why.message) &&
      why.hint.includes(homePaths(home).startLog),
  )
})

test('a daemon that is killed at its start is started once more', async (t) => {
  const facts = await connectOrStart(options(await temporaryFolder(), { env: { STAND_IN_WRONG: 'winner dies' } }))
  endAfter(t, [facts.pid])
})

test('a daemon that is killed at each start is an error that may be tried again', async () => {
  const failed = connectOrStart(options(await temporaryFolder(), { env: { STAND_IN_WRONG: 'always killed' } }))
  await assert.rejects(
    failed,
    (why) => isLonghaulError(why, 'DAEMON_UNAVAILABLE') && /SIGKILL/.test(why.message) && why.retryable,
  )
})

/** A service manager that forgets each unit at once, as `--collect` does; `started` tells how many there were. */
async function forgetfulManager(t: TestContext): Promise<{ readonly run: RunShort; readonly started: () => number }> {
  const runtime = await temporaryFolder()
  await mkdir(join(runtime, 'systemd'))
  await writeFile(join(runtime, 'systemd', 'private'), '')
  const before = process.env['XDG_RUNTIME_DIR']
  process.env['XDG_RUNTIME_DIR'] = runtime
  t.after(() => {
    if (before === undefined) delete process.env['XDG_RUNTIME_DIR']
    else process.env['XDG_RUNTIME_DIR'] = before
  })
  let started = 0
  const run: RunShort = ({ command, args }) => {
    if (command === 'systemd-run') started++
    const stdout = args.includes('is-system-running') ? 'running\n' : 'inactive\n'
    return Promise.resolve({ code: 0, stdout: command === 'systemctl' ? stdout : '', stderr: '' })
  }
  return { run, started: () => started }
}

test('a unit that ended nobody knows how is not started again', { skip: needs('linux') }, async (t) => {
  const { run, started } = await forgetfulManager(t)
  await assert.rejects(
    connectOrStart(options(await temporaryFolder(), { run })),
    (why) => isLonghaulError(why, 'DAEMON_UNAVAILABLE') && /did not start: its unit .* is inactive/.test(why.message),
  )
  assert.equal(started(), 1)
})

test(
  'a client whose unit ended because another daemon holds the lock waits for that one',
  { skip: needs('linux') },
  async (t) => {
    const { run, started } = await forgetfulManager(t)
    const home = await temporaryFolder()
    await holdLock(t, home)
    await assert.rejects(
      connectOrStart(options(home, { run, limitMs: 2500 })),
      (why) => isLonghaulError(why, 'DAEMON_UNAVAILABLE') && /not become ready in time/.test(why.message),
    )
    assert.equal(started(), 1)
  },
)

/** By a daemon that never listens. */
async function holdLock(t: TestContext, home: string): Promise<void> {
  const holder = spawn(process.execPath, [entry, '--home', home], {
    env: { ...process.env, STAND_IN_WRONG: 'never listens' },
    stdio: 'ignore',
  })
  t.after(() => holder.kill('SIGKILL'))
  await once(holder, 'spawn')
  while (!isHeld(home)) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}

test('a client that comes while another daemon holds the lock and is not ready waits no longer than its limit', async (t) => {
  const home = await temporaryFolder()
  await holdLock(t, home)
  await assert.rejects(
    connectOrStart(options(home, { limitMs: 2500 })),
    (why) => isLonghaulError(why, 'DAEMON_UNAVAILABLE') && /not become ready in time/.test(why.message),
  )
})

test('a refusal by the daemon ends the search at once, and nothing is started', async (t) => {
  const home = await temporaryFolder()
  const facts = await connectOrStart(options(home))
  endAfter(t, [facts.pid])
  const refusal = new LonghaulError('PROTOCOL_MISMATCH', 'another version')
  await assert.rejects(
    connectOrStart(options(home, { connect: () => Promise.reject(refusal) })),
    (why) => why === refusal,
  )
})

test('with start never a missing daemon is an error and none is made', async () => {
  const home = await temporaryFolder()
  await assert.rejects(
    connectOrStart(options(home, { start: 'never' })),
    (why) => isLonghaulError(why, 'DAEMON_UNAVAILABLE') && why.retryable,
  )
})

test('an aborted search rejects with its reason', async () => {
  const home = await temporaryFolder()
  const signal = AbortSignal.abort(new Error('enough'))
  await assert.rejects(connectOrStart(options(home, { signal })), /enough/)
})

test(
  'while no file can be opened it may be tried again, and once there is room a daemon is started',
  { skip: needs('posix'), timeout: 60_000 },
  async () => {
    const home = await temporaryFolder()
    const socket = join(homePaths(home).run, 's')
    const program = `
      import { closeSync, openSync, rmSync } from 'node:fs'
      import { connect } from 'node:net'
      const [, start, clock, errors, home, entry, socket] = process.argv
      const { connectOrStart } = await import(start)
      const { createClock } = await import(clock)
      const { LonghaulError } = await import(errors)
      const ask = () =>
        new Promise((resolve, reject) => {
          const nobody = (cause) => reject(new LonghaulError('DAEMON_UNAVAILABLE', 'nobody is there', { cause, retryable: true }))
          connect(socket).on('error', nobody).on('end', nobody).on('data', (bytes) => resolve(JSON.parse(bytes)))
        })
      const tried = (limit = {}) =>
        connectOrStart({ home, entry, connect: ask, clock: createClock(), ...limit }).then(
          ({ pid }) => {
            // Its lock file stays behind.
            process.kill(pid, 'SIGKILL')
            rmSync(socket)
            return 'connected'
          },
          (error) => (error.code === 'DAEMON_UNAVAILABLE' && error.retryable ? 'again' : String(error)),
        )
      const ends = [await tried()]
      for (let room = 0; room < 5; room++) {
        const taken = []
        try { for (;;) taken.push(openSync('/dev/null')) } catch {}
        for (let n = 0; n < room; n++) closeSync(taken.pop())
        // Where there is hardly room it may wait in vain; all of them together must not outlast the test.
        ends.push(await tried({ limitMs: 2500 }))
        taken.forEach(closeSync)
      }
      ends.push(await tried())
      console.log(JSON.stringify(ends))`
    const modules = ['platform/start-daemon.ts', 'platform/clock.ts', 'contract/errors.ts'].map(
      (name) => new URL(`../../src/${name}`, import.meta.url).href,
    )
    const node = [process.execPath, '--input-type=module', '--eval', program, ...modules, home, entry, socket]
    const printed = execFileSync('sh', ['-c', 'ulimit -n 64 && exec "$0" "$@"', ...node], { encoding: 'utf8' })
    const ends = JSON.parse(printed) as readonly string[]
    assert.equal(ends.at(-1), 'connected')
    assert.deepEqual([...new Set(ends)].toSorted(), ['again', 'connected'])
  },
)
