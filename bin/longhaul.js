#!/usr/bin/env node
// The command `longhaul`. Plain JavaScript in the syntax of old Nodes, because it has to say what is missing before anything
// newer is parsed. It looks at the version of Node, then hands over: to the built files of the published package, or to the
// TypeScript of a checkout. LONGHAUL_NODE names another Node to run with.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const needed = [24, 15]
const [major, minor] = process.versions.node.split('.').map(Number)
const newEnough = major > needed[0] || (major === needed[0] && minor >= needed[1])
const other = process.env.LONGHAUL_NODE

if (newEnough) {
  // What we start must be free to use LONGHAUL_NODE again.
  delete process.env.LONGHAUL_NODE_TRIED
  // Compiled once, kept for the next command: most of a short command's time is this.
  nodeModule.enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'longhaul', 'compiled'))
  const built = new URL('../dist/cli/main.js', import.meta.url)
  const source = new URL('../src/cli/main.ts', import.meta.url)
  // A checkout always runs its source, also when an old build lies beside it.
  const { main } = await import(existsSync(source) ? source.href : built.href)
  process.exitCode = await main(process.argv.slice(2))
} else if (other !== undefined && other !== '' && process.env.LONGHAUL_NODE_TRIED !== '1') {
  const run = spawnSync(other, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: Object.assign({}, process.env, { LONGHAUL_NODE_TRIED: '1' }),
  })
  if (run.error !== undefined) {
    process.stderr.write(`longhaul: LONGHAUL_NODE names ${other}, which did not start: ${run.error.message}\n`)
  }
  process.exitCode = run.status === null ? 1 : run.status
} else {
  process.stderr.write(
    `longhaul needs Node ${needed.join('.')} or newer; this is ${process.versions.node} (${process.execPath}). ` +
      'Install a newer Node, or set LONGHAUL_NODE to the path of one.\n',
  )
  process.exitCode = 1
}
