import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failureText } from '../../src/cli/render/failure.ts'
import { wordsIn } from '../../src/cli/render/words-in.ts'
import type { TaskRecord } from '../../src/contract/task.ts'
import { completed, errorJson, terminal } from './task-records.ts'

const told = (task: TaskRecord): string => failureText(task, 'ABCD', terminal({ columns: 200 }), wordsIn('en'))

test('a retry is said to go on from what is kept only where something is', () => {
  for (const code of ['NETWORK_CONNECTION_LOST', 'STALLED', 'NOT_CONNECTED_TO_INTERNET'] as const) {
    const error = errorJson(code)
    assert.match(told(completed({ error })), /goes on from what is kept/)
    assert.doesNotMatch(told(completed({ error, progress: { received: 0 } })), /goes on/)
  }
})

test('a task that an error names is named by its short code, as everywhere on the command line', () => {
  const message = 'Task 01ARZ3NDEKTSV4RRFFQ69G5FAV is writing to /home/someone/big.iso and has not ended.'
  assert.match(told(completed({ error: errorJson('DESTINATION_BUSY', message) })), /What {6}Task 5FAV is writing to/)
})
