import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JsonView } from '../../src/cli/render/json-view.ts'
import { backoff, completed, errorJson, later, seen, taskRecord, wallMs, withoutTotal } from './task-records.ts'

type Line = Readonly<Record<string, unknown>>

function stage(): { readonly view: JsonView; now: number; take(): readonly Line[] } {
  let text = ''
  const made: ReturnType<typeof stage> = {
    now: wallMs,
    view: new JsonView({ write: (more) => (text += more), wallMs: () => made.now }),
    take: () => {
      assert.ok(text === '' || text.endsWith('\n'))
      const lines = text.split('\n').slice(0, -1)
      text = ''
      return lines.map((line) => JSON.parse(line) as Line)
    },
  }
  return made
}

test('the life of a task is one JSON object a line, and the summary is last', () => {
  const s = stage()
  const queued = later(taskRecord(), { phase: 'queued', attempts: 0, progress: { received: 0 } })
  s.view.begins(seen(queued), true)
  const moving = later(queued, { phase: 'transferring', attempts: 1 })
  s.view.changed(seen(moving), queued)
  s.view.changed(seen(moving), moving)
  s.view.progressed(seen(moving))
  const waiting = later(moving, { phase: 'waiting', progress: { received: 61_800_000 } })
  const cause = errorJson('NETWORK_CONNECTION_LOST')
  s.view.changed(seen(waiting, backoff(waiting, 3000, cause)), moving)
  const result = {
    path: '/home/someone/big.iso',
    bytes: 300e6,
    lengthVerified: true,
    notModified: false,
    digest: 'sha-256:0',
  }
  s.view.changed(seen({ ...completed({ result, attempts: 2 }), id: queued.id }), waiting)
  s.view.ends({ summary: { succeeded: 1, failed: 0, exitCode: 0 } })

  const time = '2026-11-24T13:40:00.000Z'
  const { id } = queued
  const of = (type: string, fields: Line): Line => ({ v: 1, type, time, id, session: 'cli', ...fields })
  assert.deepEqual(s.take(), [
    of('task.created', { new: true, url: queued.originalRequest.url, phase: 'queued' }),
    of('task.state', { state: 'running', phase: 'transferring' }),
    of('task.progress', { received: 0, expected: 300e6, rate: 21.3e6, etaMs: 130_000, phase: 'transferring' }),
    of('task.retry', { attempt: 2, cause, nextAt: '2026-11-24T13:40:03.000Z', kept: 61_800_000 }),
    of('task.completed', {
      ok: true,
      path: '/home/someone/big.iso',
      bytes: 300e6,
      ms: 60_000,
      digest: 'sha-256:0',
      lengthVerified: true,
      attempts: 2,
    }),
    { v: 1, type: 'summary', time, ok: 1, failed: 0, exit: 0 },
  ])
})

test('of a wait whose end is no date the next try is left out', () => {
  const s = stage()
  const waiting = later(taskRecord(), { phase: 'waiting' })
  s.view.begins(seen(waiting, backoff(waiting, Number.MAX_SAFE_INTEGER, errorJson('HTTP_STATUS'))), true)
  const retry = s.take().find(({ type }) => type === 'task.retry')
  assert.ok(retry !== undefined && !('nextAt' in retry))
})

test('progress comes twice a second at most, and what is unknown is absent', () => {
  const s = stage()
  const task = withoutTotal(later(taskRecord(), {}))
  s.view.begins(seen(task), false)
  for (let tick = 0; tick < 20; tick++) {
    s.view.progressed(seen(task))
    s.now += 100
  }
  const [created, ...progress] = s.take()
  assert.equal(created!['new'], false)
  assert.equal(progress.length, 4)
  assert.ok(!('expected' in progress[0]!) && !('etaMs' in progress[0]!))
})

test('a failure carries its error, and leaving says how', () => {
  const s = stage()
  const failed = completed({ error: errorJson('HTTP_STATUS', 'It said 404.', 404) })
  s.view.begins(seen(failed), false)
  s.view.ends({ left: 'SIGINT' })
  const [, ended, summary] = s.take()
  assert.equal(ended!['ok'], false)
  assert.deepEqual(ended!['error'], { ...errorJson('HTTP_STATUS', 'It said 404.', 404) })
  assert.equal(summary!['left'], 'SIGINT')
})
