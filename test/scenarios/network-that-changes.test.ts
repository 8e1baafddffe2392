/**
 * A machine that joins a network: what waited for another try, hours from now, is tried at once; what a server asked to wait
 * waits on. The machine is a network namespace of its own, in which a program plays all of it.
 */
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { needs } from '../support/needs.ts'

const program = fileURLToPath(new URL('fixtures/joins-a-network.ts', import.meta.url))

test(
  'a change of network tries again what waits, and does not shorten a wait that a server asked for',
  { skip: needs('own network'), timeout: 60_000 },
  () => {
    execFileSync('unshare', ['-n', process.execPath, '--conditions=longhaul-source', program], {
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: 50_000,
    })
  },
)
