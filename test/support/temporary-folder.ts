// A folder of its own for one test. Short, for the path of a socket may have 103 bytes only.
import { rmSync } from 'node:fs'
import { mkdtemp, realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made: string[] = []

/**
 * Absolute, links resolved, mode 0700. Removed when the process of the test file ends, and not before: hooks of a test run in
 * the order in which they were set, so one that closes what lives in the folder would come after one that removes it.
 */
export async function temporaryFolder(): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'lh-')))
  if (made.length === 0) {
    process.once('exit', () => {
      for (const folder of made) rmSync(folder, { recursive: true, force: true })
    })
  }
  made.push(path)
  return path
}
