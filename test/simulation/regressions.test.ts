import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hand } from './crew.ts'
import { regressions } from './regressions.ts'

test('runs that once found a mistake find none now', { timeout: 120_000 }, async (t) => {
  const hand = new Hand()
  t.after(() => hand.stop())
  for (const regression of regressions) {
    const { verdict } = await hand.run({ ...regression, trace: 'no trace' })
    assert.ok(verdict.ok, `${regression.found}\n${JSON.stringify(verdict, null, 2)}`)
  }
})
