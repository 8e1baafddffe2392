import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explicitConfiguration } from '../../src/client/configuration.ts'
import { explanationFromJson } from '../../src/client/explain.ts'
import { newTask } from '../../src/client/options.ts'
import { isLonghaulError } from '../../src/contract/errors.ts'
import type { BlockerJson, ExplanationJson } from '../../src/contract/explanation.ts'
import { bytesPerSecond, rateText } from '../../src/contract/units.ts'

test('a rate is written with its unit, in decimal steps, or as a number of bytes per second', () => {
  for (const [written, rate] of [
    ['2MB/s', 2_000_000],
    ['1.5kB/s', 1500],
    ['800B/s', 800],
    ['1GB/s', 1_000_000_000],
    [4096, 4096],
  ] as const)
    assert.equal(bytesPerSecond(written, 'x'), rate)
  for (const [rate, text] of [
    [800, '800 B/s'],
    [1500, '1.5 kB/s'],
    [512_000, '512 kB/s'],
    [2_000_000, '2 MB/s'],
    [1_234_567, '1.235 MB/s'],
  ] as const)
    assert.equal(rateText(rate), text)
})

test('what is no rate is refused by the name of the option, with both spellings', () => {
  for (const wrong of ['2M', '2 MB/s', '2mb/s', '-1B/s', '', 0, 0.5, Number.NaN, Infinity, null, {}, true])
    assert.throws(
      () => bytesPerSecond(wrong, 'bandwidthLimit'),
      (error) =>
        isLonghaulError(error, 'INVALID_ARGUMENT') &&
        /^bandwidthLimit: .*'2MB\/s'.*bytes per second/.test(error.message),
    )
})

test('a limit of a session or a task crosses the wire in bytes per second', () => {
  assert.deepEqual(explicitConfiguration({ bandwidthLimit: '2MB/s' }), { bandwidthLimit: 2_000_000 })
  assert.deepEqual(explicitConfiguration({ bandwidthLimit: 'none' }), { bandwidthLimit: 'none' })
  const making = {
    id: '01JDFK3Z8Q0123456789ABCDEF',
    request: { url: 'http://a.test/', method: 'GET', headers: [] },
    destination: { kind: 'spool' },
    umask: 0o022,
    start: true,
  } as const
  assert.deepEqual(newTask({ bandwidthLimit: '50kB/s' }, making).policy, { bandwidthLimit: 50_000 })
  assert.throws(() => newTask({ bandwidthLimit: 0 }, making), { code: 'INVALID_ARGUMENT' })
})

test('the sentence says that bytes arrive, how fast and by whose limit, in both languages', () => {
  const explained = (blocker: BlockerJson, language: 'en' | 'zh'): string => {
    const json: ExplanationJson = {
      task: '01JDFK3Z8Q0123456789ABCDEF',
      phase: 'transferring',
      blockers: [blocker],
      remedies: [],
      kept: { bytes: 0 },
      attempts: [],
    }
    return explanationFromJson(json, language).why
  }
  const own = { code: 'bandwidth', of: 'task', bytesPerSecond: 50_000 } as const
  assert.equal(explained(own, 'en'), 'Bytes are arriving, slowed down to 50 kB/s by its own bandwidth limit.')
  assert.equal(explained(own, 'zh'), '正在接收数据，受任务自身的限速（50 kB/s）。')
  const timed = { code: 'bandwidth', of: 'daemon', bytesPerSecond: 2_000_000, untilMs: Date.now() } as const
  assert.match(explained(timed, 'en'), /slowed down to 2 MB\/s by the bandwidth limit of the daemon, until /)
  assert.match(explained(timed, 'zh'), /受守护进程的限速（2 MB\/s），到 .* 为止。$/)
  assert.match(explained({ ...own, of: 'session' }, 'en'), /by the bandwidth limit of its session\.$/)
})
