import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { openJournalThread } from '../../src/journal/thread.ts'
import { journalSuite } from '../suites/journal.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

journalSuite('in its own thread', openJournalThread)

test('the thread goes on after it has collected its heap, and is not asked to once it is closed', async () => {
  // As the daemon's Node is started; it counts for threads that begin after it.
  setFlagsFromString('--expose-gc')
  const journal = await openJournalThread(join(await temporaryFolder(), 'journal.db'))
  const at = { steadyMs: 1, wallMs: 1 }
  await journal.openLife({ at, bootId: 'boot', pid: 1 })
  journal.collectGarbage()
  assert.deepEqual(await journal.listSessions({}), [])
  await journal.close()
  journal.collectGarbage()
})
