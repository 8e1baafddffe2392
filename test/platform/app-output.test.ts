import assert from 'node:assert/strict'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLauncher } from '../../src/platform/launcher.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const env = { PATH: process.env['PATH'] ?? '' }

test('the output of apps that has grown too large is put aside at the next launch, its end kept', async () => {
  const cwd = await temporaryFolder()
  const output = join(cwd, 'apps.log')
  await writeFile(output, `${'old '.repeat(1000)}last words`)
  const launcher = createLauncher({ output, maximumBytes: 1000 })
  const print = (): Promise<unknown> =>
    launcher.start({ command: process.execPath, args: ['-e', 'console.log("new")'], cwd, env }).then((app) => app.ended)
  await print()
  assert.equal(await readFile(output, 'utf8'), 'new\n')
  const aside = await readFile(`${output}.1`, 'utf8')
  assert.equal(aside.length, 1000)
  assert.ok(aside.endsWith('last words'))
  assert.equal((await stat(`${output}.1`)).mode & 0o777, 0o600)
  await print()
  assert.equal(await readFile(output, 'utf8'), 'new\nnew\n')
})

test('an app that never stops printing does not fill the disk', async () => {
  const cwd = await temporaryFolder()
  const output = join(cwd, 'apps.log')
  const launcher = createLauncher({ output, maximumBytes: 100_000, lookEveryMs: 10 })
  const program = 'const fs = require("fs"); setInterval(() => fs.writeSync(1, "x".repeat(20_000)), 5)'
  const app = await launcher.start({ command: process.execPath, args: ['-e', program], cwd, env })
  const watcher = watch(cwd)
  let times = 0
  // Put aside more than once, so that what came after the first time went where it should.
  while (times < 3) if ((await once(watcher, 'change'))[1] === 'apps.log.1') times++
  watcher.close()
  app.kill()
  await app.ended
  assert.equal((await stat(`${output}.1`)).size, 100_000)
  assert.ok(
    (await readFile(output)).every((byte) => byte === 120),
    'no hole where the old end was',
  )
})
