// The guard of the floors is tested on small houses that are wrong in one way each.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { checkFloors } from '../../tools/check-floors.ts'

/** What the guard says of these files, without the folder. */
function check(t: TestContext, files: Readonly<Record<string, string>>): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'longhaul-floors-'))
  t.after(() => {
    rmSync(folder, { recursive: true })
  })
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return checkFloors(folder).map((line) => line.replace(`${folder}/`, ''))
}

test('the floors let a room import itself, what its row names, and harmless modules', (t) => {
  const problems = check(t, {
    'service/loop.ts': `
      import { plan } from '../scheduler/plan.ts'
      import { startEngine } from '../transfer/engine.ts'
      import type { Journal } from '../journal/journal.ts'
      import { type Task } from '../journal/journal.ts'
      import { view } from './view.ts'
      import { join } from 'node:path'
      import { createHash } from 'node:crypto'
      export const at = new Date(0)`,
    'index.ts': `export { open } from './client/session.ts'`,
    'network/transport.ts': `import { Client } from 'undici'\nimport { connect } from 'node:net'\nsetTimeout(() => {}, Date.now())`,
  })
  assert.deepEqual(problems, [])
})

test('the floors refuse an arrow up, with its place', (t) => {
  const problems = check(t, { 'journal/lanes.ts': `\nimport { serve } from '../service/service.ts'\n` })
  assert.deepEqual(problems, ['journal/lanes.ts:2  journal/lanes may not import service/service'])
})

test('the floors see every form of an import', (t) => {
  const forms = {
    'static import': `import { a } from '../service/a.ts'`,
    'import for its effect': `import '../service/a.ts'`,
    'type import': `import type { A } from '../service/a.ts'`,
    're-export': `export { a } from '../service/a.ts'`,
    'star export': `export * from '../service/a.ts'`,
    'dynamic import': `await import('../service/a.ts')`,
    'import in a type': `export type A = import('../service/a.ts').A`,
  }
  for (const [form, text] of Object.entries(forms)) {
    assert.deepEqual(
      check(t, { 'contract/words.ts': text }),
      ['contract/words.ts:1  contract/words may not import service/a'],
      form,
    )
  }
})

test('the floors let others see only the types of the journal, and only daemon/life its thread', (t) => {
  assert.deepEqual(check(t, { 'service/tasks.ts': `import { open } from '../journal/journal.ts'` }), [
    'service/tasks.ts:1  service/tasks may import only types from journal/journal',
  ])
  assert.deepEqual(check(t, { 'service/tasks.ts': `import type { Row } from '../journal/rows.ts'` }), [
    'service/tasks.ts:1  service/tasks may not import journal/rows',
  ])
  const thread = `import { startJournal } from '../journal/thread.ts'`
  assert.deepEqual(check(t, { 'daemon/life.ts': thread }), [])
  assert.deepEqual(check(t, { 'daemon/door.ts': thread }), [
    'daemon/door.ts:1  daemon/door may not import journal/thread',
  ])
})

test('the floors let the service see only the engine and the assignment of the transfers', (t) => {
  assert.deepEqual(check(t, { 'service/tasks.ts': `import { lay } from '../transfer/files/part-file.ts'` }), [
    'service/tasks.ts:1  service/tasks may not import transfer/files/part-file',
  ])
})

test('the floors keep what the daemon is made of out of the client', (t) => {
  assert.deepEqual(check(t, { 'client/link.ts': `import { files } from '../platform/files.ts'\nimport 'undici'` }), [
    'client/link.ts:1  client/link may not import platform/files',
    'client/link.ts:2  undici belongs to network, not to client',
  ])
})

test('the floors refuse the real world to a room inside', (t) => {
  const uses = {
    'Date.now': ['Date.now()', 'new Date()', 'Date()', 'const now = Date.now'],
    setTimeout: ['setTimeout(() => {}, 1)', 'globalThis.setTimeout(() => {}, 1)'],
    setInterval: ['setInterval(() => {}, 1)'],
    setImmediate: ['setImmediate(() => {})'],
    'Math.random': ['Math.random()', 'const random = Math.random'],
    'AbortSignal.timeout': ['AbortSignal.timeout(5)'],
    performance: ['performance.now()'],
    crypto: ['crypto.randomUUID()'],
    process: ['process.hrtime()'],
    fetch: [`fetch('http://127.0.0.1')`],
    'node:fs': [`import { readFileSync } from 'node:fs'`],
    'node:fs/promises': [`import type { FileHandle } from 'node:fs/promises'`],
    'node:net': [`import { connect } from 'node:net'`],
    'node:child_process': [`import { spawn } from 'node:child_process'`],
    'node:worker_threads': [`import { Worker } from 'node:worker_threads'`],
    'node:timers/promises': [`import { setTimeout } from 'node:timers/promises'`],
    'node:crypto': [`import { createHash, randomBytes } from 'node:crypto'`, `import * as crypto from 'node:crypto'`],
  }
  for (const [name, texts] of Object.entries(uses)) {
    for (const text of texts) {
      const expected = `scheduler/plan.ts:1  ${name} is the real world; scheduler/plan takes the seams of world/`
      assert.deepEqual(check(t, { 'scheduler/plan.ts': text }), [expected], text)
    }
  }
})

test('the floors do not take a word in a comment, a text, a type or a name of our own for the real world', (t) => {
  const problems = check(t, {
    'scheduler/plan.ts': `// Date.now() and setTimeout(…)
      export const text = 'Math.random()'
      export const date = (ms: number): Date => new Date(ms)
      export const clock = { setTimeout: (): void => {}, now: (): number => 0 }
      clock.setTimeout()`,
  })
  assert.deepEqual(problems, [])
})

test('the floors refuse a package without an owner, a room without a row, and a way out of src', (t) => {
  assert.deepEqual(
    check(t, { 'service/a.ts': `import 'left-pad'`, 'attic/b.ts': '', 'world/c.ts': `import '../../test/d.ts'` }),
    [
      'attic/b.ts:1  attic has no row in tools/floors.ts',
      'service/a.ts:1  the package left-pad belongs to no room (belongsTo in tools/floors.ts)',
      'world/c.ts:1  ../../test/d.ts lies outside of src/',
    ],
  )
})
