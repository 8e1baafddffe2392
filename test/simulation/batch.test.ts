import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Batch } from './batch.ts'
import type { Verdict } from './run.ts'

const measured = { steps: 10, virtualMs: 1000, hash: 'x' }
const passed: Verdict = { ok: true, counts: { lives: 2 }, ...measured }
const failed: Verdict = { ok: false, invariant: 'a rule', what: 'it broke', atMs: 5, ...measured }

function stateFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'batch-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'deeper', 'run.json')
}

test('an interrupted batch goes on with the seeds that were not run, also those in a gap', (t) => {
  const file = stateFile(t)
  const batch = Batch.fresh(100, 8)
  batch.add(100, passed)
  batch.add(103, failed)
  batch.add(101, passed)
  batch.save(file)
  const resumed = Batch.resume(file)
  assert.deepEqual([...resumed.left()], [102, 104, 105, 106, 107])
  assert.equal(resumed.done, 3)
  assert.deepEqual(resumed.failures, [{ seed: 103, invariant: 'a rule', what: 'it broke' }])
  assert.deepEqual([...resumed.counts], [['lives', 4]])
  assert.equal(resumed.steps, 30)
  for (const seed of resumed.left()) resumed.add(seed, passed)
  assert.equal(resumed.done, 8)
  assert.deepEqual([...resumed.left()], [])
})

test('a batch does not go on with other code than it began with, nor from nothing', (t) => {
  const file = stateFile(t)
  assert.throws(() => Batch.resume(file), /no run to go on with/)
  Batch.fresh(7, 8).save(file)
  const kept = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  writeFileSync(file, JSON.stringify({ ...kept, source: 'another' }))
  assert.throws(() => Batch.resume(file), /has changed since seed 7.*--seeds 8 --from 7/)
})
