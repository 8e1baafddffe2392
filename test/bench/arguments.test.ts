import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../support/temporary-folder.ts'

const program = fileURLToPath(new URL('../../bench/bench.ts', import.meta.url))

test('a folder that the bench cannot use is told in one line, before anything is measured', async () => {
  const file = join(await temporaryFolder(), 'file')
  writeFileSync(file, '')
  for (const folder of ['/nonexistent/folder', file]) {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--conditions=longhaul-source', program, '--folder', folder],
      { encoding: 'utf8' },
    )
    assert.equal(stderr, `--folder ${folder}: there is no such folder; make it, or name one that exists.\n`)
    assert.deepEqual([status, stdout], [2, ''])
  }
})
