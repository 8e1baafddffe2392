// `npm test`. Without arguments everything that must hold: types, lint, floors, format, tests, docs, package. With arguments
// (`npm test -- test/journal`) only the tests that match them.
import { spawnSync } from 'node:child_process'

const patterns = process.argv.slice(2)
const steps: readonly (readonly string[])[] =
  patterns.length > 0 ? [['test:only', '--', ...patterns]] : [['types'], ['lint'], ['format'], ['test:only']]

const broken: string[] = []
for (const step of steps) {
  if (steps.length > 1) console.log(`\n== npm run ${step.join(' ')}`)
  const { status } = spawnSync('npm', ['run', '--silent', ...step], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) broken.push(step.join(' '))
}
if (broken.length > 0) {
  if (steps.length > 1) console.log(`\nfailed: ${broken.join(', ')}`)
  process.exitCode = 1
}
