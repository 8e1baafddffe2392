import assert from 'node:assert/strict'
import { watch } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test from 'node:test'
import type { LaunchTicket } from '../../src/contract/launch.ts'
import { makeTaskId } from '../../src/contract/words.ts'
import { random } from '../../src/platform/clock.ts'
import { readLock } from '../../src/platform/lock-file.ts'
import { FaultServer } from '../../src/testing/index.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { connect, type Client, start } from './running.ts'

const session = 'com.example.app'

/** Resolves with what `look` gives as soon as it gives something; it is asked at each change of the folder. */
async function when<T>(folder: string, look: () => Promise<T | undefined>): Promise<T> {
  const found = Promise.withResolvers<T>()
  const ask = (): void => {
    look().then((value) => value !== undefined && found.resolve(value), found.reject)
  }
  const watcher = watch(folder, ask)
  ask()
  try {
    return await found.promise
  } finally {
    watcher.close()
  }
}

async function add(client: Client, url: string, begins: { readonly earliestBeginMs?: number } = {}): Promise<string> {
  const id = makeTaskId(1_700_000_000_000, random.bytes(10))
  await client.ask('task.add', {
    session,
    tasks: [
      {
        id,
        kind: 'download',
        request: { url, method: 'GET', headers: [] },
        destination: { kind: 'spool' },
        ifExists: 'replace',
        umask: 0o022,
        priority: 0.5,
        policy: {},
        start: true,
        ...begins,
      },
    ],
  })
  return id
}

test('a finished download launches the app that registered itself, and explain names how that app ended', async (t) => {
  const server = await FaultServer.start()
  t.after(() => server.stop())
  const folder = await temporaryFolder()
  const out = join(folder, 'environment.json')
  const program = `require('fs').writeFileSync(${JSON.stringify(out)}, JSON.stringify({ ...process.env, cwd: process.cwd(), umask: process.umask() })); process.exit(7)`
  const daemon = await start(t, { env: { NODE_OPTIONS: '--no-warnings', SECRET: 'x', LC_ALL: 'C' } })
  const client = await connect(t, daemon)
  await client.ask('session.open', {
    identifier: session,
    configuration: {},
    strictConfiguration: false,
    launch: {
      command: process.execPath,
      args: ['-e', program],
      cwd: folder,
      umask: 0o027,
      env: { MODE: 'background' },
    },
    launchEnvironment: { DISPLAY: ':7' },
  })
  const id = await add(client, server.file('/a.bin', { size: 1000, etag: '"v1"' }))
  await client.ask('task.wait', { id })
  const env = await when(folder, async () => {
    const text = await readFile(out, 'utf8').catch(() => '')
    return text.endsWith('}') ? (JSON.parse(text) as Record<string, string>) : undefined
  })
  const ticket = JSON.parse(env['LONGHAUL_LAUNCH']!) as LaunchTicket
  assert.deepEqual(ticket.sessions, [session])
  assert.equal(env['cwd'], folder)
  assert.equal(Number(env['umask']), 0o027, 'not that of the daemon')
  const { LONGHAUL_HOME, MODE, DISPLAY, LC_ALL, SECRET, NODE_OPTIONS, UV_THREADPOOL_SIZE } = env
  assert.deepEqual(
    { LONGHAUL_HOME, MODE, DISPLAY, LC_ALL, SECRET, NODE_OPTIONS, UV_THREADPOOL_SIZE },
    {
      LONGHAUL_HOME: daemon.home,
      MODE: 'background',
      DISPLAY: ':7',
      LC_ALL: 'C',
      SECRET: undefined,
      NODE_OPTIONS: undefined,
      UV_THREADPOOL_SIZE: undefined,
    },
  )
  for (;;) {
    // Each answer takes a turn of the daemon's loop, in which it may have learned of the end of the app.
    const { blockers } = await client.ask('task.explain', { id })
    if (blockers.some(({ of }) => of === 'the app ended without opening the session: exit code 7')) break
  }
  const { keptBy } = await client.ask('daemon.status', {})
  assert.deepEqual(keptBy, [`a launch for '${session}'`])
})

test('a lock file that was removed is written again while the daemon has to stay', async (t) => {
  const daemon = await start(t, { args: ['--leave-after-ms', '50'] })
  const client = await connect(t, daemon)
  await client.ask('session.open', {
    identifier: session,
    configuration: {},
    strictConfiguration: false,
    own: { methods: [], takeover: false },
  })
  await add(client, 'http://127.0.0.1:9/', { earliestBeginMs: 4_000_000_000_000 })
  const lock = join(daemon.home, 'lock')
  await rm(lock)
  client.close()
  const found = await when(dirname(lock), () => Promise.resolve(readLock(daemon.home)))
  assert.equal(found.pid, daemon.pid)
})
