import assert from 'node:assert/strict'
import test from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { limitsOf } from '../../src/service/limits.ts'

test('whoever starts the daemon sets its ceilings, and leaves alone those that are not named', () => {
  assert.deepEqual(limitsOf({}), { maximumActiveTasks: 32, maximumConnectionsPerOrigin: 8 })
  assert.deepEqual(limitsOf({ LONGHAUL_MAXIMUM_ACTIVE_TASKS: '64', LONGHAUL_MAXIMUM_CONNECTIONS_PER_ORIGIN: '' }), {
    maximumActiveTasks: 64,
    maximumConnectionsPerOrigin: 8,
  })
  assert.equal(limitsOf({ LONGHAUL_MAXIMUM_CONNECTIONS_PER_ORIGIN: '256' }).maximumConnectionsPerOrigin, 256)
})

test('a ceiling that is no number, none or too high is refused with the variable and what would do', () => {
  for (const text of ['0', '-1', '1025', '1e2', '64 ', 'many', '2.5']) {
    assert.throws(
      () => limitsOf({ LONGHAUL_MAXIMUM_ACTIVE_TASKS: text }),
      (why) =>
        isLonghaulError(why, 'INVALID_ARGUMENT') &&
        why.message.includes(`LONGHAUL_MAXIMUM_ACTIVE_TASKS=${text}: write a number from 1 to 1024.`),
      text,
    )
  }
  assert.throws(() => limitsOf({ LONGHAUL_MAXIMUM_CONNECTIONS_PER_ORIGIN: '257' }))
})
