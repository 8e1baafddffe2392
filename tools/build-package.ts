// The package as it is published: plain JavaScript and declarations by tsc, a file for each of the source, so that a stack names
// what we wrote. The command alone is one file: a hundred modules to find and link took it half of the time of a short command.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'
import { succeeds } from './run.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** They look for `../daemon/main.js` and `../../package.json`. */
const beside = ['platform/start-daemon.js', 'platform/package-version.js']

/** @param dist folder; what is in it is removed first, so that no file of yesterday's source is published */
export function buildPackage(dist: string): boolean {
  rmSync(dist, { recursive: true, force: true })
  return compile(dist) && bundleCommand(dist)
}

function compile(dist: string): boolean {
  return succeeds('tsc', ['-p', join(root, 'tsconfig.build.json'), '--outDir', dist])
}

/**
 * In its own place, which is as deep as the rooms that it is made of: what those of them that may be in it (`beside`) look for from
 * where they are is found from there as well.
 */
function bundleCommand(dist: string): boolean {
  const folder = join(dist, 'cli')
  const command = join(folder, 'main.js')
  const { metafile, outputFiles } = buildSync({
    write: false,
    metafile: true,
    entryPoints: [command],
    outfile: command,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node24',
  })
  const lost = Object.keys(metafile.inputs).filter(
    (input) => looksBeside(input) && !beside.some((end) => input.endsWith(end)),
  )
  if (lost.length > 0) {
    console.log(`${lost.join(', ')} would look for files beside itself and not find them, as a part of the command`)
    return false
  }
  writeFileSync(command, outputFiles[0]!.contents)
  // Its parts are in it now; nobody else imports them.
  for (const name of readdirSync(folder)) if (name !== 'main.js') rmSync(join(folder, name), { recursive: true })
  return true
}

function looksBeside(file: string): boolean {
  return readFileSync(file, 'utf8').includes('import.meta.url')
}
