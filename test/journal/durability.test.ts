import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { openJournalThread } from '../../src/journal/thread.ts'

const script = join(import.meta.dirname, 'fixtures/add-until-killed.ts')

test('what was answered before SIGKILL is there after it, and no call is half there', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'journal-kill-'))
  const path = join(folder, 'journal.db')
  const answered = new Map<string, readonly string[]>()
  for (const lines of [1, 30, 200]) {
    for (const [call, ids] of await addAndKill(path, lines)) answered.set(call, ids)
  }
  const journal = await openJournalThread(path)
  const found = new Map<string, string[]>()
  let cursor: string | undefined
  do {
    const page = await journal.page({
      filter: {},
      completed: false,
      limit: 1000,
      ...(cursor !== undefined && { cursor }),
    })
    for (const { id, tags } of page.tasks) found.set(tags[0]!, [...(found.get(tags[0]!) ?? []), id])
    cursor = page.cursor
  } while (cursor !== undefined)
  await journal.close()
  rmSync(folder, { recursive: true })
  for (const [call, ids] of answered) assert.deepEqual(found.get(call), ids, `call ${call}`)
  // Those whose answer was lost are whole, too.
  for (const [call, ids] of found) {
    const [, worker, round] = call.split('-').map(Number)
    assert.equal(ids.length, 1 + ((worker! + round!) % 7), `call ${call}`)
  }
  assert.ok(answered.size >= 231)
})

/** Runs until so many calls were answered, then kills it in the middle of the others. */
async function addAndKill(path: string, lines: number): Promise<ReadonlyMap<string, readonly string[]>> {
  const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  const answered = new Map<string, readonly string[]>()
  for await (const line of createInterface({ input: child.stdout })) {
    const [call, ...ids] = line.split(' ')
    answered.set(call!, ids)
    if (answered.size >= lines) child.kill('SIGKILL')
  }
  assert.deepEqual(await exit, [null, 'SIGKILL'])
  return answered
}
