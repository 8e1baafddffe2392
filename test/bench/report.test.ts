import assert from 'node:assert/strict'
import test from 'node:test'
import { commandLines, heading, rowLines } from '../../bench/report.ts'
import type { Result } from '../../bench/row.ts'

const result: Result = {
  taken: [
    { name: 'longhaul', command: 'longhaul get URL -o FILE', wallMs: 1530, cpuMs: 1890, rssBytes: 70 * 2 ** 20 },
    { name: 'curl', command: 'curl -o FILE URL', wallMs: 2080, cpuMs: 2070, rssBytes: 15 * 2 ** 20 },
  ],
  findings: [
    { what: 'wall, of curl', value: 0.74, bound: { must: 0.8, aim: 0.7 } },
    { what: 'cpu, of curl', value: 0.9, bound: { must: 1.15, aim: 1 } },
    { what: 'memory', value: 170.25, unit: 'MiB', bound: { must: 160, aim: 128 } },
    { what: 'wall, of longhaul without syncs', value: 1.1 },
  ],
  notes: ['ext4'],
}

test('the table of the bench says for each bound whether it was met, the aim reached, or missed', () => {
  const lines = rowLines({ row: 'big', what: 'a big file', result })
  const verdicts = lines.map((line) => /(ok, aim|ok|missed)$/.exec(line)?.[1])
  assert.deepEqual(verdicts.filter(Boolean), ['ok', 'ok, aim', 'missed'])
  assert.match(lines.join('\n'), /memory +170\.3 MiB +160 MiB +128 MiB +missed/)
})

test('the table of the bench fits into 80 columns', () => {
  const lines = [heading, ...rowLines({ row: 'big', what: 'a big file', result })]
  assert.deepEqual(
    lines.filter((line) => line.length > 80),
    [],
  )
})

test('a row that was not run says so, and why', () => {
  const lines = rowLines({ row: 'big', what: 'a big file', skipped: 'it needs aria2c, not on this machine' })
  assert.deepEqual(lines, ['big: a big file', '  NOT RUN: it needs aria2c, not on this machine'])
})

test('each command of the peers is shown once', () => {
  const reports = [
    { row: 'one', what: '', result },
    { row: 'two', what: '', result },
  ] as const
  assert.deepEqual(commandLines(reports), ['  longhaul: longhaul get URL -o FILE', '  curl: curl -o FILE URL'])
})
