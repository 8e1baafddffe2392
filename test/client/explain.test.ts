// What the daemon says of a task, as an app and the command line get it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explanationText } from '../../src/cli/render/explanation.ts'
import { wordsIn } from '../../src/cli/render/words-in.ts'
import { explanationFromJson } from '../../src/client/explain.ts'
import { explanation, taskRecord, terminal, wallMs } from '../cli/task-records.ts'

test('a time that no date holds is left out, and everything else is told', () => {
  const task = taskRecord({ phase: 'queued' })
  const never = Number.MAX_SAFE_INTEGER
  const blockers = [{ code: 'hostLimit', of: 'https://a.test', untilMs: never }] as const
  const json = explanation(task, { blockers, nextWakeUpMs: never + 2, deadlineMs: never })
  const { why, blockers: told, nextWakeUp, deadline } = explanationFromJson(json, 'en')
  assert.match(why, /^As many connections as are allowed go to https:\/\/a\.test; it is next\.$/)
  assert.deepEqual(told, [{ code: 'hostLimit', of: 'https://a.test' }])
  assert.deepEqual([nextWakeUp, deadline], [undefined, undefined])
  const sheet = explanationText({ task, explanation: json, wallMs }, terminal({ columns: 120 }), wordsIn('en'))
  assert.doesNotMatch(sheet, /Invalid|NaN/)
})
