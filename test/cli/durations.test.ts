import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArguments } from '../../src/cli/arguments.ts'
import type { Context } from '../../src/cli/command.ts'
import { add } from '../../src/cli/commands/add.ts'
import { optionsOf } from '../../src/cli/download-flags.ts'
import { durationOf } from '../../src/cli/durations.ts'

const how = 'write a duration with its unit, from 1ms to 36500d, such as 90s, 10m, 2h or 7d. Nothing was started.'

test('a flag that is refused is named as it was typed, with what may be written', async () => {
  const context = { cwd: '/', wallMs: () => Date.parse('2026-12-01T00:00:00Z') } as unknown as Context
  for (const [flag, text, said] of [
    ['deadline', '99999999999d', how],
    ['deadline', '0s', how],
    ['deadline', '5', how],
    ['stall', 'soon', how],
    ['at', '+99999999d', 'write 23:00, +2h or an ISO date such as 2026-12-24T18:00. Nothing was started.'],
    ['at', '+5', 'write 23:00, +2h or an ISO date such as 2026-12-24T18:00. Nothing was started.'],
    ['max-attempts', '99999999999999999999', 'write a whole number from 1 to 999999999. Nothing was started.'],
  ] as const) {
    const { input } = parseArguments(add, [`--${flag}`, text, 'http://h.example/x'])
    await assert.rejects(optionsOf(input, context), { message: `--${flag} ${text}: ${said}` })
  }
})

test('durations are taken up to what the command can wait for', () => {
  const limits = { least: '0s', most: '24d', consequence: 'Nothing was waited for.' } as const
  assert.equal(durationOf('1.5h', '--timeout', limits), 5_400_000)
  assert.equal(durationOf('0s', '--timeout', limits), 0)
  assert.throws(() => durationOf('25d', '--timeout', limits), {
    message:
      '--timeout 25d: write a duration with its unit, from 0s to 24d, such as 90s, 10m, 2h or 7d. Nothing was waited for.',
  })
})
