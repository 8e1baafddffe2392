import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LineView } from '../../src/cli/render/line-view.ts'
import { wordsIn } from '../../src/cli/render/words-in.ts'
import type { TaskRecord } from '../../src/contract/task.ts'
import { backoff, completed, errorJson, later, seen, taskRecord, wallMs, withoutTotal } from './task-records.ts'

interface Stage {
  readonly view: LineView
  now: number
  /** Lines since the last look, without the code. */
  take(): readonly string[]
}

function stage(options: { readonly language?: 'en' | 'zh'; readonly timestamps?: boolean } = {}): Stage {
  const { language = 'en', timestamps = false } = options
  let text = ''
  const made: Stage = {
    now: wallMs,
    view: new LineView({
      words: wordsIn(language),
      write: (more) => (text += more),
      wallMs: () => made.now,
      timestamps,
    }),
    take: () => {
      const lines = text.split('\n').slice(0, -1)
      text = ''
      return lines.map((line) => line.replace(/^[\dA-Z]{4} (?=big\.iso:)/, ''))
    },
  }
  return made
}

const at = (task: TaskRecord, fraction: number): TaskRecord =>
  later(task, { progress: { fraction, received: 300e6 * fraction } })

test('a line is written for each tenth, but not before 30 s have passed', () => {
  const s = stage()
  let task = at(taskRecord(), 0)
  s.view.begins(seen(task))
  assert.deepEqual(s.take(), ['big.iso: started, 300 MB'])
  // A second a percent: a tenth comes every 10 s, a line only with every third.
  for (let percent = 1; percent <= 99; percent++) {
    s.now += 1000
    task = at(task, percent / 100)
    s.view.progressed(seen(task))
  }
  assert.deepEqual(s.take(), [
    'big.iso: 30 percent, 90.0 MB of 300 MB, 21.3 MB/s, 2m 10s left',
    'big.iso: 60 percent, 180 MB of 300 MB, 21.3 MB/s, 2m 10s left',
    'big.iso: 90 percent, 270 MB of 300 MB, 21.3 MB/s, 2m 10s left',
  ])
})

test('a slow transfer is told at its tenths and not more often', () => {
  const s = stage()
  let task = at(taskRecord(), 0)
  s.view.begins(seen(task))
  s.take()
  for (let percent = 1; percent <= 100; percent++) {
    s.now += 60_000
    task = at(task, percent / 100)
    s.view.progressed(seen(task))
  }
  assert.deepEqual(
    s.take().map((line) => line.slice(0, 19)),
    [10, 20, 30, 40, 50, 60, 70, 80, 90].map((percent) => `big.iso: ${percent} percent`),
  )
})

test('without a total a line comes every 30 s', () => {
  const s = stage()
  let task = withoutTotal(later(taskRecord(), { progress: { received: 0 } }))
  s.view.begins(seen(task))
  assert.deepEqual(s.take(), [])
  for (let second = 1; second <= 65; second++) {
    s.now += 1000
    task = { ...task, progress: { ...task.progress, received: second * 1e6 } }
    s.view.progressed(seen(task))
  }
  assert.deepEqual(s.take(), [
    'big.iso: started, size unknown',
    'big.iso: 31.0 MB, 21.3 MB/s',
    'big.iso: 61.0 MB, 21.3 MB/s',
  ])
})

test('every change of state is told once, a failed try with its cause and what is kept', () => {
  const s = stage()
  const queued = later(taskRecord(), { phase: 'queued', attempts: 0, progress: { received: 0, fraction: 0 } })
  s.view.begins(seen(queued))
  const connecting = later(queued, { phase: 'connecting', attempts: 1 })
  s.view.changed(seen(connecting), queued)
  const moving = later(connecting, { phase: 'transferring' })
  s.view.changed(seen(moving), connecting)
  const waiting = later(moving, { phase: 'waiting', progress: { received: 174e6, fraction: 0.58 } })
  const why = backoff(waiting, 3000, errorJson('NETWORK_CONNECTION_LOST'))
  s.view.changed(seen(waiting, why), moving)
  s.view.changed(seen(waiting, why), waiting)
  const again = later(waiting, { phase: 'connecting', attempts: 2 })
  s.view.changed(seen(again), waiting)
  const on = later(again, { phase: 'transferring' })
  s.view.changed({ ...seen(on, undefined, 174e6), goesOn: true }, again)
  s.view.progressed({ ...seen(on, undefined, 174e6), goesOn: true })
  const verifying = later(on, { phase: 'verifying' })
  s.view.changed(seen(verifying), on)
  s.view.changed(seen({ ...completed(), id: on.id }), verifying)
  assert.deepEqual(s.take(), [
    'big.iso: queued',
    'big.iso: started, 300 MB',
    'big.iso: connection lost (NETWORK_CONNECTION_LOST), try 2 in 3 s, 174 MB kept',
    'big.iso: goes on at 174 MB',
    'big.iso: done 300 MB in 1m 0s',
  ])
})

test('the next look at what no time ends is not told as the time of a try', () => {
  const s = stage()
  const moving = later(taskRecord(), { progress: { received: 0, fraction: 0 } })
  s.view.begins(seen(moving))
  s.take()
  const waiting = later(moving, { phase: 'waiting' })
  const why = {
    ...backoff(waiting, 60_000, errorJson('NETWORK_CONNECTION_LOST')),
    blockers: [{ code: 'network' } as const],
  }
  s.view.changed(seen(waiting, why), moving)
  assert.deepEqual(s.take(), ['big.iso: waiting: no network'])
})

test('whether a try goes on or started is said on the word of the daemon, and not before that is known', () => {
  for (const [goesOn, lines] of [
    [undefined, []],
    [false, ['big.iso: started, 300 MB']],
    [true, ['big.iso: goes on at 1.0 MB']],
  ] as const) {
    const s = stage()
    const second = later(taskRecord(), { attempts: 2, progress: { received: 1.6e6, fraction: 1.6 / 300 } })
    s.view.begins({ ...seen(second, undefined, 1e6), goesOn })
    assert.deepEqual(s.take(), lines)
  }
})

test('tenths are counted anew when a try starts over', () => {
  const s = stage()
  const first = at(taskRecord(), 0.7)
  s.view.begins(seen(first))
  const waiting = later(first, { phase: 'waiting' })
  s.view.changed(seen(waiting, backoff(waiting, 1000, errorJson('STALLED'))), first)
  const again = later(at(waiting, 0), { phase: 'connecting', attempts: 2 })
  s.view.changed(seen(again), waiting)
  const moving = later(again, { phase: 'transferring' })
  s.view.changed(seen(moving), again)
  s.take()
  s.now += 31_000
  s.view.progressed(seen(at(moving, 0.2)))
  assert.deepEqual(s.take(), ['big.iso: 20 percent, 60.0 MB of 300 MB, 21.3 MB/s, 2m 10s left'])
})

test('lines can carry the local time, and speak Chinese', () => {
  const s = stage({ timestamps: true, language: 'zh' })
  s.view.begins(seen(at(taskRecord(), 0)))
  s.view.begins(
    seen(completed({ result: { bytes: 5.8e9, lengthVerified: true, notModified: false, digest: 'sha-256:0' } })),
  )
  const lines = s.take().map((line) => line.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [\dA-Z]{4} /, 'TIME '))
  assert.deepEqual(lines, ['TIME big.iso: 已开始，300 MB', 'TIME big.iso: 已完成 5.8 GB，用时 1m 0s，sha-256 校验一致'])
})

test('what a server named cannot write a line of its own', () => {
  const s = stage()
  s.view.begins(seen(completed({ name: 'a\nAAAA b: done' })))
  assert.equal(s.take().length, 1)
})
