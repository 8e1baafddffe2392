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
  const failed = ['types', 'lint', 'floors', 'format', 'docs', 'package-check'].filter((script) => !passes(script))
  // The tests come last, so that their count is the closing line; what failed before them is told just above.
  const tests = passes('test:only', failed)
  if (failed.length > 0 || !tests) process.exitCode = 1
}

function passes(script: string, failedBefore: readonly string[] = []): boolean {
  if (failedBefore.length > 0) console.log(`\nfailed: ${failedBefore.map((each) => `npm run ${each}`).join(', ')}`)
  console.log(`\n== npm run ${script}`)
  return succeeds('npm', ['run', '--silent', script])
}
