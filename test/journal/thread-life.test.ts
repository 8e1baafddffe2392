import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isLonghaulError, type LonghaulError } from '../../src/contract/errors.ts'
import { openJournalThread } from '../../src/journal/thread.ts'

const threadUrl = new URL('../../src/journal/thread.ts', import.meta.url).href

test('when the thread of the journal dies, every call rejects and the daemon is told once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'journal-death-'))
  const told: LonghaulError[] = []
  const journal = await openJournalThread(join(folder, 'journal.db'), (why) => told.push(why))
  assert.equal(journal.problem, undefined)
  // An input that no caller can make: it breaks the thread outside of any command.
  const fatal = journal.addTasks(undefined as never)
  const beside = journal.counts({})
  for (const answer of await Promise.allSettled([fatal, beside])) {
    assert.ok(answer.status === 'rejected' && isLonghaulError(answer.reason, 'DAEMON_UNAVAILABLE'))
  }
  await assert.rejects(journal.counts({}), (error) => isLonghaulError(error, 'DAEMON_UNAVAILABLE'))
  assert.match(journal.problem ?? '', /thread of the journal ended/)
  assert.equal(told.length, 1)
  await journal.close()
  rmSync(folder, { recursive: true })
})

test('a call that is no plain data is rejected and leaves the thread as it was', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'journal-clone-'))
  const journal = await openJournalThread(join(folder, 'journal.db'))
  await assert.rejects(journal.getTask({ id: (() => 'x') as never }), { name: 'DataCloneError' })
  assert.equal((await journal.counts({})).queued, 0)
  assert.equal(journal.problem, undefined)
  await journal.close()
  rmSync(folder, { recursive: true })
})

test('an open journal thread keeps a process alive only while a call waits', () => {
  const folder = mkdtempSync(join(tmpdir(), 'journal-ref-'))
  const source = `
    import { openJournalThread } from ${JSON.stringify(threadUrl)}
    const journal = await openJournalThread(${JSON.stringify(join(folder, 'journal.db'))})
    journal.counts({}).then(({ queued }) => console.log('queued', queued))`
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
    timeout: 30_000,
  })
  rmSync(folder, { recursive: true })
  assert.deepEqual([stdout, status], ['queued 0\n', 0])
})
