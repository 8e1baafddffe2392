/** Section 8 of the contract: durations are promised, not instants. Whoever sets the wall clock, waits are as long as they were. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LonghaulError } from '../../src/contract/errors.ts'
import { House } from './house.ts'

const day = 86_400_000
const busy = new LonghaulError('HTTP_STATUS', '503')

for (const [direction, jumpMs] of [
  ['forth', day],
  ['back', -day],
] as const) {
  test(`a back-off, a wait that a server asked for and a deadline stay as long when the wall clock is set ${direction}`, async () => {
    const house = await House.open({ fraction: 0.5 })
    try {
      await house.openSession()
      const addOf = (host: string): ReturnType<House['add']> =>
        house.add({
          request: { url: `https://${host}.test/`, method: 'GET', headers: [] },
          policy: { timeoutIntervalForResourceMs: 60_000 },
        })
      const backingOff = await addOf('a')
      const asked = await addOf('b')
      const running = await addOf('c')
      await house.engine.of(backingOff).fail()
      await house.engine.of(asked).fail(busy, { kind: 'network', retryAfterMs: 10_000 })
      house.clock.jumpWall(jumpMs)
      await house.clock.advance(400)
      assert.ok(!house.engine.isRunning(backingOff), 'half of a second is owed')
      await house.clock.advance(200)
      assert.ok(house.engine.isRunning(backingOff))
      await house.clock.advance(9000)
      assert.ok(!house.engine.isRunning(asked))
      await house.clock.advance(500)
      assert.ok(house.engine.isRunning(asked))
      await house.clock.advance(49_000)
      assert.ok(house.engine.isRunning(running))
      await house.clock.advance(1000)
      assert.equal((await house.get(running)).error?.code, 'TIMED_OUT')
    } finally {
      await house.close()
    }
  })
}
