import assert from 'node:assert/strict'
import { uptime } from 'node:os'
import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { readClockMark, writeClockMark } from '../../src/platform/clock-mark.ts'
import { type ClockSources, createClock, random, readBootId } from '../../src/platform/clock.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** A machine whose clocks a test moves. */
class Machine implements ClockSources {
  fineMs = 50
  uptimeMs = 100_000
  wallMs = 1_700_000_000_000

  fine(): number {
    return this.fineMs
  }
  /** In steps of 10 ms, as on Linux. */
  uptime(): number {
    return Math.floor(this.uptimeMs / 10) * 10
  }
  wall(): number {
    return this.wallMs
  }

  run(ms: number): void {
    this.fineMs += ms
    this.uptimeMs += ms
    this.wallMs += ms
  }
  sleep(ms: number): void {
    this.uptimeMs += ms
    this.wallMs += ms
  }
}

test('steady time is finer than the uptime and never goes backwards', () => {
  const machine = new Machine()
  const clock = createClock({ sources: machine, bootId: 'b' })
  let last = clock.steady()
  const start = last
  for (let i = 0; i < 20_000; i++) {
    machine.run(0.25)
    const now = clock.steady()
    assert.ok(now > last, `step ${i}`)
    assert.ok(Math.abs(now - start - (i + 1) * 0.25) < 0.01)
    last = now
  }
})

test('sleep counts at the very next look', () => {
  const machine = new Machine()
  const clock = createClock({ sources: machine, bootId: 'b' })
  const before = clock.steady()
  machine.run(100)
  machine.sleep(3_600_000)
  machine.run(1)
  assert.ok(Math.abs(clock.steady() - before - 3_600_101) < 20)
})

test('sleep counts within a second also when somebody sets the wall clock back by as much', () => {
  const machine = new Machine()
  const clock = createClock({ sources: machine, bootId: 'b' })
  const before = clock.steady()
  machine.sleep(3_600_000)
  machine.wallMs -= 3_600_000
  machine.run(1001)
  assert.ok(Math.abs(clock.steady() - before - 3_601_001) < 20)
})

test('a wall clock that is set changes nothing, in whichever direction', () => {
  const machine = new Machine()
  const clock = createClock({ sources: machine, bootId: 'b' })
  const before = clock.steady()
  for (const jump of [86_400_000, -172_800_000, 5000]) {
    machine.wallMs += jump
    machine.run(10)
    clock.steady()
  }
  assert.ok(Math.abs(clock.steady() - before - 30) < 1)
})

test('an uptime that goes back (a restored virtual machine) does not take steady time along', () => {
  const machine = new Machine()
  const clock = createClock({ sources: machine, bootId: 'b' })
  const before = clock.steady()
  machine.uptimeMs -= 90_000
  machine.run(5000)
  assert.ok(Math.abs(clock.steady() - before - 5000) < 1)
})

test('a new life in the same boot counts the time in between, one after a reboot goes on where the last was saved', () => {
  const machine = new Machine()
  const mark = createClock({
    sources: machine,
    bootId: 'b',
    after: { steadyMs: 9e9, uptimeMs: 50_000, bootId: 'a' },
  }).mark()
  assert.deepEqual(mark, { steadyMs: 9e9 + 100_000, uptimeMs: 100_000, bootId: 'b' })
  machine.run(60_000)
  assert.equal(createClock({ sources: machine, bootId: 'b', after: mark }).steady(), mark.steadyMs + 60_000)
  machine.uptimeMs = 7000
  assert.equal(createClock({ sources: machine, bootId: 'c', after: mark }).steady(), mark.steadyMs + 7000)
  // Boots that cannot be told apart: no time is added that was perhaps none.
  assert.equal(createClock({ sources: machine, bootId: '', after: mark }).steady(), mark.steadyMs)
})

test('a timer runs when steady time has come, not when sleep delayed the system’s timer', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const machine = new Machine()
  const clock = createClock({ sources: machine, bootId: 'b' })
  const ran: string[] = []
  const day = 86_400_000
  clock.timer(clock.steady() + 40 * day, () => ran.push('in 40 days'))
  clock.timer(clock.steady() + 3 * 3_600_000, () => ran.push('in 3 hours'))
  clock.timer(clock.steady() + 3 * 3_600_000, () => ran.push('never')).cancel()
  const tick = (ms: number): void => {
    machine.run(ms)
    t.mock.timers.tick(ms)
  }
  tick(30_000)
  machine.sleep(3 * 3_600_000)
  assert.deepEqual(ran, [])
  // The system's timers have not moved during the sleep; a minute later it is seen all the same.
  tick(60_000)
  assert.deepEqual(ran, ['in 3 hours'])
  for (let hours = 0; hours < 39 * 24; hours++) machine.sleep(3_600_000)
  tick(60_000)
  assert.deepEqual(ran, ['in 3 hours'])
  machine.sleep(day)
  tick(60_000)
  assert.deepEqual(ran, ['in 3 hours', 'in 40 days'])
})

test('sleep of the clock ends with the reason of its signal', async () => {
  const clock = createClock()
  const abort = new AbortController()
  const slept = clock.sleep(60_000, abort.signal)
  abort.abort(new Error('enough'))
  await assert.rejects(slept, /enough/)
  await assert.rejects(clock.sleep(1, AbortSignal.abort(new Error('before'))), /before/)
})

test(
  'the real clock keeps to the uptime of the machine and its timers do not run early',
  { skip: needs('linux') },
  async () => {
    const clock = createClock()
    assert.ok(Math.abs(clock.steady() - uptime() * 1000) < 100)
    assert.match(readBootId(), /^[0-9a-f-]{36}$/)
    const due = clock.steady() + 20
    await new Promise<void>((resolve) => {
      clock.timer(due, resolve)
    })
    assert.ok(clock.steady() >= due)
  },
)

test('the mark of the clock is found by the next life, and nonsense is not', async () => {
  const home = await temporaryFolder()
  assert.equal(readClockMark(home), undefined)
  const mark = createClock().mark()
  await writeClockMark(home, { ...mark, steadyMs: 1 })
  await writeClockMark(home, mark)
  assert.deepEqual(readClockMark(home), mark)
  for (const text of ['', '{}', 'null', '{"steadyMs":"1","uptimeMs":1,"bootId":""}']) {
    await writeFile(join(home, 'clock'), text)
    assert.equal(readClockMark(home), undefined)
  }
})

test('random bytes are as many as asked for and differ', () => {
  assert.equal(random.bytes(32).length, 32)
  assert.notDeepEqual(random.bytes(32), random.bytes(32))
  const x = random.fraction()
  assert.ok(x >= 0 && x < 1)
})
