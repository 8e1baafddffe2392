// A folder of its own for one test, gone after it. Short, for the path of a socket may have 103 bytes only.
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** Absolute, links resolved, mode 0700. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'lh-')))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}
