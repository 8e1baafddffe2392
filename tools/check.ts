// `npm test`: everything that must hold. All steps run, also after one that failed. With arguments
// (`npm test -- test/journal`) only the tests that match them; see tools/test.ts.
import { succeeds } from './run.ts'

const patterns = process.argv.slice(2)
if (patterns.length > 0) {
  if (!succeeds(process.execPath, ['tools/test.ts', ...patterns])) process.exitCode = 1
} else {
  checkEverything()
}

function checkEverything(): void {
  // The tests come last: their closing line is the one to read.
  const scripts = ['types', 'lint', 'floors', 'format', 'docs', 'package-check', 'test:only']
  const failed: string[] = []
  for (const script of scripts) {
    console.log(`\n== npm run ${script}`)
    if (!succeeds('npm', ['run', '--silent', script])) failed.push(script)
  }
  if (failed.length === 0) return
  console.log(`\nfailed: ${failed.map((script) => `npm run ${script}`).join(', ')}`)
  process.exitCode = 1
}
