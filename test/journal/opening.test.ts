import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { openStore } from '../../src/journal/open.ts'
import { schemaVersion } from '../../src/journal/schema.ts'
import { openJournalThread } from '../../src/journal/thread.ts'

/** A path in a folder that is gone after the test. */
async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'journal-open-'))
  try {
    await body(join(folder, 'journal.db'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

async function assertRefused(path: string, says: RegExp): Promise<void> {
  const before = digest(path)
  await assert.rejects(openJournalThread(path), (error) => {
    assert.ok(isLonghaulError(error, 'JOURNAL_DAMAGED'), String(error))
    assert.ok(error.message.includes(path), error.message)
    assert.match(error.message, says)
    assert.ok(error.hint.length > 0)
    return true
  })
  assert.throws(
    () => openStore(path),
    (error) => isLonghaulError(error, 'JOURNAL_DAMAGED'),
  )
  assert.equal(digest(path), before)
  assert.deepEqual(readdirSync(join(path, '..')), ['journal.db'])
}

test('a file that is no database is refused with its name and kept', async () => {
  await inFolder(async (path) => {
    writeFileSync(path, 'this is not a database, and somebody may want it back'.repeat(200))
    await assertRefused(path, /not a database/)
  })
})

test('a journal with broken pages is refused with its name and kept', async () => {
  await inFolder(async (path) => {
    openStore(path).database.close()
    const bytes = readFileSync(path)
    // Every page but the first, which holds the schema.
    for (let at = 4096; at < bytes.length; at++) bytes[at] = at % 251
    writeFileSync(path, bytes)
    await assertRefused(path, /is damaged/)
  })
})

test('a database of another program is refused with its name and kept', async () => {
  await inFolder(async (path) => {
    const database = new DatabaseSync(path)
    database.exec('create table theirs(a)')
    database.close()
    await assertRefused(path, /another program/)
  })
})

test('a journal of a newer major version is refused with its name and kept', async () => {
  await inFolder(async (path) => {
    const { database } = openStore(path)
    database.exec(`update meta set value = ${schemaVersion.major + 1} where name = 'major'`)
    database.close()
    await assertRefused(path, /newer Longhaul/)
  })
})

test('a journal of a newer minor version is opened, and its number stays', async () => {
  await inFolder(async (path) => {
    const { database } = openStore(path)
    database.exec(`update meta set value = 99 where name = 'minor'; alter table task add column future text`)
    database.close()
    const journal = await openJournalThread(path)
    assert.equal((await journal.counts({})).queued, 0)
    await journal.close()
    const store = openStore(path)
    assert.deepEqual({ ...store.get<object>(`select value from meta where name = 'minor'`) }, { value: 99 })
    store.database.close()
  })
})

test('a journal of an older minor version gets what it lacks, once', async () => {
  await inFolder(async (path) => {
    const { database } = openStore(path)
    database.exec(`drop table setting; drop table secret; update meta set value = 0 where name = 'minor'`)
    database.close()
    const journal = await openJournalThread(path)
    const limited = await journal.changeBandwidth({ change: { kind: 'limit', bytesPerSecond: 9 } })
    assert.deepEqual(limited, { windows: [], limit: 9 })
    assert.deepEqual(await journal.secrets({ session: 1 }), [])
    await journal.close()
    const again = await openJournalThread(path)
    assert.deepEqual(await again.bandwidth({}), limited)
    await again.close()
  })
})

test('every commit of the journal is synced', async () => {
  await inFolder((path) => {
    const store = openStore(path)
    assert.deepEqual({ ...store.get<object>('pragma journal_mode') }, { journal_mode: 'wal' })
    assert.deepEqual({ ...store.get<object>('pragma synchronous') }, { synchronous: 2 })
    store.database.close()
    return Promise.resolve()
  })
})
