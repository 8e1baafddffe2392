// The package as it is published: plain JavaScript and declarations by tsc, a file for each of the source, so that a stack names
// what we wrote. The command alone is one file: a hundred modules to find and link took it half of the time of a short command.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { succeeds } from './run.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** @param dist folder; what is in it is removed first, so that no file of yesterday's source is published */
export function buildPackage(dist: string): boolean {
  rmSync(dist, { recursive: true, force: true })
  return compile(dist) && bundleCommand(dist)
}

function compile(dist: string): boolean {
  return succeeds('tsc', ['-p', join(root, 'tsconfig.build.json'), '--outDir', dist])
}

/** In its own place, as deep as the rooms that it is made of: what they look for beside themselves is found from there as well. */
function bundleCommand(dist: string): boolean {
  const folder = join(dist, 'cli')
  const command = join(folder, 'main.js')
  const { errors } = buildSync({
    entryPoints: [command],
    outfile: command,
    allowOverwrite: true,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node24',
  })
  if (errors.length > 0) return false
  // Its parts are in it now; nobody else imports them.
  for (const name of readdirSync(folder)) if (name !== 'main.js') rmSync(join(folder, name), { recursive: true })
  return true
}
