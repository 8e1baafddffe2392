// bin/longhaul.js runs on Nodes too old for everything else, and in two places: a checkout and a published package.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const shim = fileURLToPath(new URL('../../bin/longhaul.js', import.meta.url))

/** A package with the shim and these files in it; each entry says that it ran, with which arguments, and ends with 7. */
function makePackage(t: TestContext, ...entries: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'longhaul-shim-'))
  t.after(() => {
    rmSync(folder, { recursive: true })
  })
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  mkdirSync(join(folder, 'bin'))
  cpSync(shim, join(folder, 'bin/longhaul.js'))
  for (const path of entries) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    const text = `console.log('${path}', ...args, process.env.LONGHAUL_NODE_TRIED)`
    writeFileSync(join(folder, path), `export async function main(args) { ${text}; return 7 }`)
  }
  return folder
}

/** Runs the shim as if Node had this version. */
function runShim(folder: string, version: string, environment: Readonly<Record<string, string>> = {}): Outcome {
  const pretend = `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'${version}'}})`
  const { LONGHAUL_NODE: _node, LONGHAUL_NODE_TRIED: _tried, NODE_OPTIONS: _options, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', pretend, join(folder, 'bin/longhaul.js'), 'get', 'a b'],
    { env: { ...env, ...environment }, encoding: 'utf8' },
  )
  return { status, stdout, stderr }
}

interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

test('the command says in one line which Node it needs when the one at hand is too old', (t) => {
  const folder = makePackage(t, 'dist/cli/main.js')
  for (const version of ['16.20.0', '20.20.2', '24.14.9']) {
    const { status, stdout, stderr } = runShim(folder, version)
    assert.match(stderr, /^longhaul needs Node 24\.15 or newer; this is [0-9.]+ \(.*\)\. Install a newer Node, .*\n$/)
    assert.equal(stdout, '')
    assert.equal(status, 1)
  }
})

test('the command runs the built files of a published package', (t) => {
  const folder = makePackage(t, 'dist/cli/main.js')
  for (const version of ['24.15.0', '24.21.0', '26.0.0']) {
    assert.deepEqual(runShim(folder, version), {
      status: 7,
      stdout: 'dist/cli/main.js get a b undefined\n',
      stderr: '',
    })
  }
})

test('the command runs the source of a checkout, also beside an old build', (t) => {
  const folder = makePackage(t, 'dist/cli/main.js', 'src/cli/main.ts')
  assert.equal(runShim(folder, '24.21.0').stdout, 'src/cli/main.ts get a b undefined\n')
})

test('the command on an old Node hands over to the one that LONGHAUL_NODE names', (t) => {
  const folder = makePackage(t, 'dist/cli/main.js')
  assert.deepEqual(runShim(folder, '20.20.2', { LONGHAUL_NODE: process.execPath }), {
    status: 7,
    stdout: 'dist/cli/main.js get a b undefined\n',
    stderr: '',
  })
})

test('the command says so when LONGHAUL_NODE names nothing that starts', (t) => {
  const folder = makePackage(t, 'dist/cli/main.js')
  const { status, stderr } = runShim(folder, '20.20.2', { LONGHAUL_NODE: join(folder, 'no-node') })
  assert.match(stderr, /^longhaul: LONGHAUL_NODE names .*no-node, which did not start: .*ENOENT\n$/)
  assert.equal(status, 1)
})
