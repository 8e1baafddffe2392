// The guard of the tests is itself tested on small trees that are wrong in one way each.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const guard = fileURLToPath(new URL('../../tools/test.ts', import.meta.url))
const needs = new URL('../support/needs.ts', import.meta.url).href

const passing = (name: string): string => `import { test } from 'node:test'\ntest('${name}', () => {})\n`

interface Outcome {
  readonly code: number | null
  readonly text: string
  /** The closing line. */
  readonly last: string
}

/** Writes the files into an empty folder and runs the guard there. */
function runGuard(t: TestContext, files: Readonly<Record<string, string>>, ...args: readonly string[]): Outcome {
  const folder = mkdtempSync(join(tmpdir(), 'longhaul-guard-'))
  t.after(() => {
    rmSync(folder, { recursive: true })
  })
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  const { CI: _ci, NODE_TEST_CONTEXT: _context, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, [guard, ...args], {
    cwd: folder,
    env,
    encoding: 'utf8',
  })
  const text = stdout + stderr
  return { code: status, text, last: stdout.trimEnd().split('\n').at(-1) ?? '' }
}

test('the guard passes a tree of passing tests and counts them', (t) => {
  const { code, last } = runGuard(t, {
    'test/a/one.test.ts': passing('one'),
    'test/b/two.test.ts': `import { describe, test } from 'node:test'
      describe('two', () => { test('first', () => {}); test('second', (t) => t.test('inner', () => {})) })`,
  })
  assert.equal(last, '4 passed, 0 failed, 0 skipped')
  assert.equal(code, 0)
})

test('the guard fails when a test fails, and shows where and why', (t) => {
  const { code, text, last } = runGuard(t, {
    'test/a.test.ts': `import { test } from 'node:test'
      import assert from 'node:assert/strict'
      test('sums', () => assert.equal(1 + 1, 3))`,
  })
  assert.match(text, /✖ sums/)
  assert.match(text, /test\/a\.test\.ts:3/)
  assert.match(text, /2 !== 3/)
  assert.equal(last, '0 passed, 1 failed, 0 skipped')
  assert.equal(code, 1)
})

test('the guard fails on a file that throws outside of its tests', (t) => {
  const { code, text, last } = runGuard(t, { 'test/a.test.ts': `${passing('fine')}throw new Error('outside')\n` })
  assert.match(text, /Error: outside/)
  assert.match(last, /, 1 failed,/)
  assert.equal(code, 1)
})

test('the guard fails on a file without a test', (t) => {
  const { code, text, last } = runGuard(t, { 'test/a.test.ts': passing('one'), 'test/empty.test.ts': 'export {}\n' })
  assert.match(text, /test\/empty\.test\.ts holds no test/)
  assert.equal(last, '1 passed, 1 failed, 0 skipped')
  assert.equal(code, 1)
})

test('the guard fails on a suite without a test', (t) => {
  const { code, text } = runGuard(t, {
    'test/empty.test.ts': `import { describe } from 'node:test'\ndescribe('nothing', () => {})\n`,
  })
  assert.match(text, /test\/empty\.test\.ts holds no test/)
  assert.equal(code, 1)
})

test('the guard fails on a tree without a test file', (t) => {
  const { code, text } = runGuard(t, {})
  assert.match(text, /there is no test file/)
  assert.equal(code, 1)
})

test('the guard fails on a pattern that matches nothing, beside one that does', (t) => {
  const { code, text, last } = runGuard(t, { 'test/a.test.ts': passing('one') }, 'a.test', 'test/nowhere')
  assert.match(text, /the pattern test\/nowhere matches no test file/)
  assert.equal(last, '1 passed, 1 failed, 0 skipped')
  assert.equal(code, 1)
})

test('the guard takes a file, a folder, a glob and a part of a path as patterns', (t) => {
  const files = {
    'test/a/one.test.ts': passing('one'),
    'test/a/two.test.ts': passing('two'),
    'test/b/three.test.ts': passing('three'),
  }
  assert.equal(runGuard(t, files, 'test/a/one.test.ts').last, '1 passed, 0 failed, 0 skipped')
  assert.equal(runGuard(t, files, 'test/a').last, '2 passed, 0 failed, 0 skipped')
  assert.equal(runGuard(t, files, 'test/*/t*.test.ts').last, '2 passed, 0 failed, 0 skipped')
  assert.equal(runGuard(t, files, 'three').last, '1 passed, 0 failed, 0 skipped')
})

test('the guard fails on a name that matches no test', (t) => {
  const files = { 'test/a.test.ts': passing('one (first)'), 'test/b.test.ts': passing('two') }
  const good = runGuard(t, files, '--name=one (f')
  assert.equal(good.last, '1 passed, 0 failed, 0 skipped')
  assert.equal(good.code, 0)
  const bad = runGuard(t, files, '--name=three')
  assert.match(bad.text, /the name "three" matches no test/)
  assert.equal(bad.code, 1)
})

test('the guard fails on two tests of one name in different files', (t) => {
  const { code, text } = runGuard(t, { 'test/a.test.ts': passing('same'), 'test/b.test.ts': passing('same') })
  assert.match(text, /two tests are named "same": test\/a\.test\.ts, test\/b\.test\.ts/)
  assert.equal(code, 1)
})

test('the guard fails on a skip without a stated missing part, and on a todo', (t) => {
  const { code, text, last } = runGuard(t, {
    'test/a.test.ts': `import { test } from 'node:test'
      test('left out', { skip: true }, () => {})
      test('some day', { todo: true }, () => { throw new Error('not yet') })`,
  })
  assert.match(text, /"left out" is skipped without needs/)
  assert.match(text, /some day[^]*is marked todo/)
  assert.equal(last, '0 passed, 2 failed, 1 skipped')
  assert.equal(code, 1)
})

test('the guard names a test that is skipped for a missing part at the end, and in CI the part must be there', (t) => {
  // The file claims to run on another system, so that a part is missing on every machine.
  const file = `import { test } from 'node:test'
    import { needs } from '${needs}'
    Object.defineProperty(process, 'platform', { value: 'plan9' })
    test('asks proc', { skip: needs('linux') }, () => {})\n`
  const outside = runGuard(t, { 'test/a.test.ts': file })
  assert.match(outside.text, /Skipped\n {2}test\/a\.test\.ts: asks proc \(needs linux, not on this machine\)/)
  assert.equal(outside.last, '0 passed, 0 failed, 1 skipped')
  assert.equal(outside.code, 0)
  const inside = runGuard(t, { 'test/a.test.ts': `process.env['CI'] = 'true'\n${file}` })
  assert.match(inside.text, /in CI a missing part is a failure/)
  assert.equal(inside.code, 1)
})

test('the guard fails a test that runs past the default timeout, but not one with a longer timeout of its own', (t) => {
  const waits = (name: string, options: string): string =>
    `test('${name}', ${options}, async () => { const on = setInterval(() => {}, 9); await new Promise((go) => setTimeout(go, 900)); clearInterval(on) })`
  const { code, text, last } = runGuard(
    t,
    {
      'test/a.test.ts': `import { test } from 'node:test'\n${waits('too slow', '{}')}\n${waits('allowed', '{ timeout: 9000 }')}`,
    },
    '--timeout=300',
  )
  assert.match(text, /✖ too slow[^]*test timed out after 300ms/)
  assert.equal(last, '1 passed, 1 failed, 0 skipped')
  assert.equal(code, 1)
})

test('the guard ends and fails a file that lives on after its tests', (t) => {
  const { code, text } = runGuard(
    t,
    { 'test/a.test.ts': `${passing('fine')}setInterval(() => {}, 1000)\n` },
    '--linger=300',
  )
  assert.match(text, /lives on 300 ms after its last test/)
  assert.match(text, /1 passed, 1 failed, 0 skipped/)
  assert.equal(code, 1)
})
