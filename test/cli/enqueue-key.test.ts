import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyOf } from '../../src/cli/enqueue.ts'
import { taskRecord } from './task-records.ts'

test('a command that says what becomes of an existing file is another transfer than the one without', () => {
  const { currentRequest: request, destination } = taskRecord()
  const keys = ([undefined, 'replace', 'keepBoth', 'skip'] as const).map((how) => keyOf({ request, destination }, how))
  assert.equal(new Set(keys).size, 4)
  assert.equal(keyOf({ request, destination }, 'replace'), keys[1])
})
