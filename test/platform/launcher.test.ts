import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { createLauncher } from '../../src/platform/launcher.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const env = { PATH: process.env['PATH'] ?? '' }

test('an app gets exactly its arguments, environment and folder, without a shell', async () => {
  const cwd = await temporaryFolder()
  const output = join(cwd, 'output')
  const program =
    'console.log(JSON.stringify([process.argv.slice(1), process.cwd(), Object.keys(process.env).sort()])); process.exit(3)'
  const args = ['$(touch hacked)', '; touch hacked', '*', "it's", '']
  const app = await createLauncher({ output }).start({
    command: process.execPath,
    args: ['-e', program, ...args],
    cwd,
    env: { ...env, LONGHAUL_HOME: '/h' },
  })
  assert.deepEqual(await app.ended, { code: 3, signal: undefined })
  assert.deepEqual(JSON.parse(await readFile(output, 'utf8')), [args, cwd, ['LONGHAUL_HOME', 'PATH']])
  assert.equal((await stat(output)).mode & 0o777, 0o600)
  await assert.rejects(stat(join(cwd, 'hacked')), { code: 'ENOENT' })
})

test('an app has a session and process group of its own', { skip: needs('linux') }, async () => {
  const cwd = await temporaryFolder()
  const app = await createLauncher().start({
    command: process.execPath,
    args: ['-e', 'setInterval(() => {}, 1e6)'],
    cwd,
    env,
  })
  const fields = (await readFile(`/proc/${app.pid}/stat`, 'utf8')).split(') ')[1]!.split(' ')
  assert.deepEqual([fields[2], fields[3]], [String(app.pid), String(app.pid)])
  app.kill()
  assert.deepEqual(await app.ended, { code: undefined, signal: 'SIGKILL' })
  app.kill()
  app.ask()
})

test('asking lets an app end in its own way', { skip: needs('posix') }, async () => {
  const cwd = await temporaryFolder()
  const output = join(cwd, 'output')
  const program = "process.on('SIGTERM', () => process.exit(7)); console.log('ready'); setInterval(() => {}, 1e6)"
  const app = await createLauncher({ output }).start({ command: process.execPath, args: ['-e', program], cwd, env })
  while (!(await readFile(output, 'utf8')).includes('ready')) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  app.ask()
  assert.deepEqual(await app.ended, { code: 7, signal: undefined })
})

test('a command that cannot be started names itself, its folder and the cause', async () => {
  const cwd = await temporaryFolder()
  const launcher = createLauncher()
  const refused = async (request: { readonly command: string; readonly cwd?: string }, what: RegExp): Promise<void> => {
    await assert.rejects(
      launcher.start({ args: [], cwd, env, ...request }),
      (why) => isLonghaulError(why, 'LAUNCH_FAILED') && what.test(why.message),
    )
  }
  await refused({ command: '/does/not/exist' }, /\/does\/not\/exist.*ENOENT/)
  await refused({ command: cwd }, /EACCES/)
  await refused({ command: process.execPath, cwd: join(cwd, 'gone') }, /folder .*gone does not exist/)
  await refused({ command: 'a\0b' }, /null bytes/)
})
