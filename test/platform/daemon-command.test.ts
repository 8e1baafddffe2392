import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { daemonEnvironment } from '../../src/platform/daemon-environment.ts'
import { hasUserManager, startDaemonProcess, unitArguments } from '../../src/platform/daemon-process.ts'
import { findNode, type NodeQuestion } from '../../src/platform/find-node.ts'
import { homePaths } from '../../src/platform/paths.ts'
import { runShort, type RunShort, type ShortCommand } from '../../src/platform/short-command.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** A machine where these programs answer like this. */
function machine(
  answers: Readonly<Record<string, { readonly code?: number; readonly stdout?: string; readonly stderr?: string }>>,
): {
  readonly run: RunShort
  readonly asked: ShortCommand[]
} {
  const asked: ShortCommand[] = []
  const run: RunShort = (command) => {
    asked.push(command)
    const { code, stdout = '', stderr = '' } = answers[command.command] ?? {}
    return Promise.resolve({ code, stdout, stderr })
  }
  return { run, asked }
}

function question(changes: Partial<NodeQuestion>): NodeQuestion {
  return { env: {}, versions: { node: '24.21.0' }, ownPath: '/own/node', run: machine({}).run, ...changes }
}

test('the Node of the daemon is the named one, LONGHAUL_NODE, our own, or the one on PATH, in this order', async () => {
  const { run } = machine({
    '/named': { code: 0, stdout: '24.15.0\n' },
    '/env': { code: 0, stdout: '26.10.0\n' },
    node: { code: 0, stdout: '25.0.0\n' },
  })
  assert.equal(await findNode(question({ run, execPath: '/named', env: { LONGHAUL_NODE: '/env' } })), '/named')
  assert.equal(await findNode(question({ run, env: { LONGHAUL_NODE: '/env' } })), '/env')
  assert.equal(await findNode(question({ run, env: { LONGHAUL_NODE: '' } })), '/own/node')
  for (const versions of [
    { node: '22.12.0' },
    { node: '24.14.9' },
    { node: '24.20.0', electron: '44.2.0' },
    { node: '24.3.0', bun: '1.4.0' },
  ]) {
    assert.equal(await findNode(question({ run, versions })), 'node')
  }
})

test('when no Node is new enough all versions that were found are named', async () => {
  const { run } = machine({ node: { code: 0, stdout: '20.20.2\n' }, '/old': { code: 0, stdout: '24.14.0' } })
  await assert.rejects(
    findNode(question({ run, versions: { node: '24.20.0', electron: '44.2.0' } })),
    (why) =>
      isLonghaulError(why, 'DAEMON_UNAVAILABLE') &&
      !why.retryable &&
      /electron 44\.2\.0.*Node 20\.20\.2/.test(why.message),
  )
  // What was named on purpose is not passed over.
  await assert.rejects(
    findNode(question({ run, execPath: '/old' })),
    (why) => isLonghaulError(why) && /execPath: Node 24\.14\.0 \(\/old\)/.test(why.message),
  )
  await assert.rejects(
    findNode(question({ run, env: { LONGHAUL_NODE: '/gone' } })),
    (why) => isLonghaulError(why) && /LONGHAUL_NODE: did not answer/.test(why.message),
  )
})

test('what a client of a CGI program calls its proxy does not reach a daemon', () => {
  const env = { HTTP_PROXY: 'evil', http_proxy: 'p', HTTPS_PROXY: 'q' }
  const { LONGHAUL_HOME: _, ...listed } = daemonEnvironment({ ...env, REQUEST_METHOD: 'GET' }, '/home')
  assert.deepEqual(listed, { http_proxy: 'p', HTTPS_PROXY: 'q' })
  assert.equal(daemonEnvironment(env, '/home')['HTTP_PROXY'], 'evil')
})

test('the environment of a daemon holds what is listed and nothing else', () => {
  const env = {
    HOME: '/h',
    PATH: '/p',
    LANG: 'C',
    LC_TIME: 'C',
    XDG_RUNTIME_DIR: '/r',
    TMPDIR: '/t',
    HTTP_PROXY: 'p',
    no_proxy: 'n',
    SSL_CERT_DIR: '/s',
    LONGHAUL_MAXIMUM_ACTIVE_TASKS: '64',
  }
  const rest = {
    NODE_OPTIONS: '-r x',
    AWS_SECRET_ACCESS_KEY: 's',
    LONGHAUL_LAUNCH: 'token',
    EMPTY: undefined,
    LD_PRELOAD: 'x',
  }
  assert.deepEqual(daemonEnvironment({ ...env, ...rest }, '/home', { NODE_OPTIONS: '-r y', FLAG: '1' }), {
    ...env,
    FLAG: '1',
    LONGHAUL_HOME: '/home',
  })
})

test('a Node that could not be asked just now may be found later', async () => {
  const run: RunShort = () => Promise.resolve({ code: undefined, stdout: '', stderr: '', mayPass: true })
  await assert.rejects(
    findNode(question({ run, env: { LONGHAUL_NODE: '/env' } })),
    (why) => isLonghaulError(why, 'DAEMON_UNAVAILABLE') && why.retryable,
  )
})

test('a user service manager is used only where one answers', { skip: needs('linux') }, async () => {
  const runtime = await temporaryFolder()
  const env = { XDG_RUNTIME_DIR: runtime }
  const { run, asked } = machine({ systemctl: { code: 1, stdout: 'degraded\n' } })
  assert.equal(await hasUserManager('linux', env, run), false)
  assert.deepEqual(asked, [], 'without its socket it is not even asked')
  await mkdir(join(runtime, 'systemd'))
  await writeFile(join(runtime, 'systemd', 'private'), '')
  assert.equal(await hasUserManager('linux', env, run), true)
  assert.equal(await hasUserManager('darwin', env, run), false)
  assert.equal(await hasUserManager('linux', {}, run), false)
  for (const stdout of ['offline\n', 'stopping\n', '']) {
    assert.equal(await hasUserManager('linux', env, machine({ systemctl: { code: 1, stdout } }).run), false)
  }
})

async function withManager(answer: {
  readonly code?: number
  readonly stderr?: string
}): Promise<{ readonly as: string; readonly asked: readonly ShortCommand[]; readonly ended: () => Promise<unknown> }> {
  const runtime = await temporaryFolder()
  await mkdir(join(runtime, 'systemd'))
  await writeFile(join(runtime, 'systemd', 'private'), '')
  const home = await temporaryFolder()
  await mkdir(join(home, 'log'))
  let state = 'running'
  const asked: ShortCommand[] = []
  const run: RunShort = (command) => {
    asked.push(command)
    return Promise.resolve(
      command.command === 'systemctl'
        ? { code: 0, stdout: `${state}\n`, stderr: '' }
        : { code: undefined, stdout: '', stderr: '', ...answer },
    )
  }
  const command = {
    node: process.execPath,
    args: [],
    entry: '--version',
    env: { XDG_RUNTIME_DIR: runtime, https_proxy: 'http://user:password@p' },
  }
  const started = await startDaemonProcess(command, homePaths(home), run)
  return {
    as: started.as,
    asked,
    ended: async () => {
      state = 'inactive'
      return started.ended()
    },
  }
}

test(
  'with a user service manager the daemon becomes a unit of its own, also when another client was first',
  { skip: needs('linux') },
  async () => {
    for (const answer of [
      { code: 0 },
      { code: 1, stderr: 'Failed to start transient service unit: Unit longhaul-x.service already exists.' },
    ]) {
      const { as, asked, ended } = await withManager(answer)
      assert.equal(as, 'unit')
      const { args } = asked.find(({ command }) => command === 'systemd-run')!
      assert.ok(args.includes('--property=KillMode=process'), 'apps that it launched stay when it leaves')
      assert.ok(args.includes('--setenv=https_proxy'))
      assert.doesNotMatch(args.join(' '), /password/)
      assert.match(JSON.stringify(await ended()), /inactive/)
    }
  },
)

test(
  'a manager that refuses does not stop the daemon: it is started without it',
  { skip: needs('linux') },
  async () => {
    for (const answer of [{ code: 1, stderr: 'Access denied' }, {}])
      assert.equal((await withManager(answer)).as, 'detached')
  },
)

test('the command of a unit ends with the program and its home', () => {
  const args = unitArguments({ node: '/n', args: ['--flag'], entry: '/main.js', env: {} }, homePaths('/home'))
  assert.deepEqual(args.slice(args.indexOf('--')), ['--', '/n', '--flag', '/main.js', '--home', '/home'])
  assert.ok(args.includes('--property=StandardError=append:/home/log/start.log'))
})

test('a short command tells its code and output, and is stopped at its limit', async () => {
  const ask = (program: string, timeoutMs = 10_000): ReturnType<RunShort> =>
    runShort({ command: process.execPath, args: ['-e', program], timeoutMs })
  assert.deepEqual(await ask("console.log('out'); console.error('err'); process.exitCode = 3"), {
    code: 3,
    stdout: 'out\n',
    stderr: 'err\n',
  })
  assert.deepEqual(await ask('setInterval(() => {}, 1e6)', 300), {
    code: undefined,
    stdout: '',
    stderr: '',
    mayPass: true,
  })
  const none = await runShort({ command: '/does/not/exist', args: [], timeoutMs: 1000 })
  assert.equal(none.code, undefined)
  assert.match(none.stderr, /ENOENT/)
  assert.equal(none.mayPass, false)
})
