/** How long the place that served first is waited for: a few failures in a row, each task for itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Absences } from '../../src/transfer/download/absences.ts'

const one = '01JDFK3Z8Q0000000000000001'
const other = '01JDFK3Z8Q0000000000000002'

test('it is waited for three times in a row, and after that anew', () => {
  const absences = new Absences()
  const waits = Array.from({ length: 8 }, () => absences.another(one))
  assert.deepEqual(waits, [true, true, true, false, true, true, true, false])
})

test('tasks are counted apart, and what is forgotten counts no more', () => {
  const absences = new Absences()
  for (let failures = 0; failures < 3; failures++) assert.ok(absences.another(one))
  assert.ok(absences.another(other))
  absences.forget(one)
  assert.ok(absences.another(one))
  assert.equal(absences.size, 2)
  absences.forget(one)
  absences.forget(other)
  assert.equal(absences.size, 0)
})

test('tasks that never come back do not fill the memory; the one that failed longest ago is forgotten', () => {
  const absences = new Absences()
  for (let failures = 0; failures < 3; failures++) absences.another(one)
  for (let failures = 0; failures < 3; failures++) absences.another(other)
  for (let n = 0; n < 9_999; n++) absences.another(`task ${n}`)
  assert.equal(absences.size, 10_000)
  assert.equal(absences.another(other), false)
  assert.equal(absences.another(one), true)
})
