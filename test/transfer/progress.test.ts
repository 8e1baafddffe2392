// How far an attempt is, as it tells it while it runs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Report } from '../../src/transfer/assignment.ts'
import { Progress } from '../../src/transfer/download/attempt.ts'
import { ManualClock } from '../support/manual-clock.ts'

test('an attempt that ends between two beats tells the newest number first', () => {
  const clock = new ManualClock()
  const told: number[] = []
  const report = { progress: ({ received }: { received: number }) => told.push(received) }
  const progress = new Progress(report as unknown as Report, clock, { bytes: 0, total: undefined })
  progress.transferring(0, 1000)
  for (const received of [100, 200, 300]) progress.received(received, 1000)
  progress.stop()
  assert.deepEqual(told, [0, 300])
  progress.stop()
  clock.advance(1000)
  assert.deepEqual(told, [0, 300], 'and once')
})
