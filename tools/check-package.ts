// Looks at the package as a user would get it: built, packed, its types resolved; and for code and dependencies that nothing
// uses.
import { succeeds } from './run.ts'

const steps: readonly (readonly [title: string, command: string, ...args: readonly string[]])[] = [
  ['build', 'npm', 'run', '--silent', 'build'],
  ['publint: what is published resolves', 'publint', '--strict'],
  ['attw: types resolve for those who import', 'attw', '--pack', '.', '--profile', 'esm-only', '--quiet'],
  ['knip: nothing unused', 'knip', '--no-progress'],
]

for (const [title, command, ...args] of steps) {
  console.log(`- ${title}`)
  if (succeeds(command, args)) continue
  console.log(`  failed: ${title}`)
  process.exitCode = 1
  // Without a build there is nothing to look at.
  if (title === 'build') break
}
