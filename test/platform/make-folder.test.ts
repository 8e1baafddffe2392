import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test(
  'the names of young folders are made durable also when somebody else made them',
  { skip: needs('strace') },
  async () => {
    const folder = await temporaryFolder()
    // As by a process that died before it had synced anything.
    mkdirSync(join(folder, 'a', 'b'), { recursive: true })
    const log = join(folder, 'log')
    const source = join(import.meta.dirname, '../../src/platform/make-folder.ts')
    const code = `await (await import(${JSON.stringify(source)})).makeFolderDurably(${JSON.stringify(join(folder, 'a', 'b', 'c'))})`
    execFileSync('strace', [
      '-f',
      '-y',
      '-e',
      'trace=fsync',
      '-o',
      log,
      process.execPath,
      '--input-type=module',
      '-e',
      code,
    ])
    const synced = [...readFileSync(log, 'utf8').matchAll(/fsync\(\d+<([^>]*)>/g)].map(([, path]) => path)
    for (const parent of [join(folder, 'a', 'b'), join(folder, 'a'), folder])
      assert.ok(synced.includes(parent), `${parent} was not synced, but ${synced.join(', ')}`)
  },
)
