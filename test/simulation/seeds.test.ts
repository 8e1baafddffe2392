// Fresh seeds at each run of the tests, so that every run tests something new. A seed that fails here is a find: see README.md.
import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { test } from 'node:test'
import { type Failure } from './batch.ts'
import { runSeeds } from './crew.ts'

const seeds = process.env['CI'] === 'true' ? 500 : 100
/** What a slow machine has not run by then is left out, and the note says so. */
const mostMs = 170_000

test('fresh seeds break no rule', { timeout: mostMs + 30_000 }, async (t) => {
  const from = Math.floor(Date.now() / 100) % 1_000_000_000
  const failures: Failure[] = []
  let done = 0
  await runSeeds({
    jobs: Math.min(4, availableParallelism()),
    seeds: Array.from({ length: seeds }, (_, i) => from + i),
    signal: AbortSignal.any([AbortSignal.timeout(mostMs), t.signal]),
    ran: (seed, verdict) => {
      done++
      if (!verdict.ok) failures.push({ seed, ...verdict })
      return failures.length < 5 ? 'go on' : 'stop'
    },
  })
  t.diagnostic(`seeds ${from} to ${from + seeds - 1}: ${done} run, ${failures.length} failed`)
  const told = failures.map(
    ({ seed, invariant, what }) => `seed ${seed}: ${invariant}\n  ${what}\n  npm run simulate -- --trace ${seed}`,
  )
  assert.ok(failures.length === 0, `of seeds ${from} to ${from + seeds - 1}\n${told.join('\n')}`)
  assert.ok(done >= seeds / 5, `only ${done} of ${seeds} seeds in ${mostMs} ms`)
})
