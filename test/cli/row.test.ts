import assert from 'node:assert/strict'
import { test } from 'node:test'
import { row } from '../../src/cli/render/row.ts'
import { stateText, type StateFacts } from '../../src/cli/render/state.ts'
import { nameOf, shortCode, shortCodes } from '../../src/cli/render/task-name.ts'
import { width } from '../../src/cli/render/text.ts'
import { wordsIn } from '../../src/cli/render/words-in.ts'
import type { BlockerCode, BlockerJson, ExplanationJson } from '../../src/contract/explanation.ts'
import type { TaskRecord } from '../../src/contract/task.ts'
import type { Phase } from '../../src/contract/words.ts'
import {
  backoff,
  completed,
  errorJson,
  explanation,
  later,
  taskRecord,
  terminal,
  wallMs,
  withoutTotal,
} from './task-records.ts'

const names = [
  'a',
  'ubuntu-24.04.2-desktop.iso',
  '一个非常非常长的文件名字，有标点.tar.gz',
  '😀'.repeat(30),
  'x'.repeat(300),
]

interface Shown {
  readonly columns?: number
  readonly ascii?: boolean
  readonly color?: boolean
  readonly language?: 'en' | 'zh'
  /** Of the widest name on the screen. @default this one's */
  readonly nameCells?: number
}

function shown(facts: Omit<StateFacts, 'wallMs'>, { nameCells, language = 'en', ...facts2 }: Shown = {}): string {
  const layout = {
    terminal: terminal({ language, ...facts2 }),
    words: wordsIn(language),
    codeCells: 4,
    nameCells: nameCells ?? width(nameOf(facts.task)),
  }
  return row({ wallMs, ...facts }, layout, '7K2M')
}

test('a queued task whose server asked everybody to wait says so, and for how long; one behind others is queued', () => {
  const queued = taskRecord({ state: 'running', phase: 'queued', gate: 'ready', progress: { rate: 0 } })
  const because = (...blockers: readonly BlockerJson[]): ExplanationJson => explanation(queued, { blockers })
  const of = (why: ExplanationJson | undefined): string | undefined =>
    stateText({ task: queued, explanation: why, wallMs }, wordsIn('en'))
  assert.equal(of(undefined), 'queued')
  assert.equal(of(because({ code: 'activeLimit' })), 'queued')
  assert.equal(of(because({ code: 'hostLimit', of: 'https://cdn.example' })), 'queued')
  assert.equal(of(because({ code: 'sessionHeld' }, { code: 'activeLimit' })), 'waiting: its session is held')
  assert.equal(
    of(because({ code: 'activeLimit' }, { code: 'serverAskedToWait', untilMs: wallMs + 7200_000 })),
    'waiting: asked to wait, next try in 2h 0m',
  )
})

test('a moving task shows bar, share, rate and time left, and more or less of it by the width', () => {
  const task = taskRecord({ name: 'ubuntu-24.04.2-desktop.iso' })
  const at = (columns: number): string => shown({ task }, { columns })
  assert.equal(
    at(120),
    '7K2M  ubuntu-24.04.2-desktop.iso  ███████████▌░░░░░░░░  58 %  21.3 MB/s   2m 10s     174 / 300 MB  cdn.example',
  )
  assert.equal(at(80), '7K2M  ubuntu-24.04…-desktop.iso  ███████████▌░░░░░░░░  58 %  21.3 MB/s   2m 10s')
  assert.equal(at(64), '7K2M  ubuntu-…ktop.iso  ███████▌░░░░░  58 %  21.3 MB/s   2m 10s')
  assert.equal(at(60), '7K2M  ubuntu-…ktop.iso  █████▏░░░  58 %  21.3 MB/s   2m 10s')
  assert.equal(at(59), '7K2M  ubuntu-24.…desktop.iso      58 %  21.3 MB/s   2m 10s')
  assert.equal(at(44), '7K2M  ubuntu-…ktop.iso      58 %  21.3 MB/s')
  assert.equal(at(31), '7K2M  ubuntu…top.iso      58 %')
})

test('without a total the bytes stand where the share would', () => {
  const task = withoutTotal(taskRecord())
  assert.equal(shown({ task }), '7K2M  big.iso                      174 MB  21.3 MB/s')
})

test('wide and plain terminals get signs that they can show', () => {
  const task = taskRecord({ name: 'ubuntu-24.04.2-desktop-amd64.iso' })
  assert.equal(
    shown({ task }, { ascii: true }),
    '7K2M  ubuntu-24.0..op-amd64.iso  [==========>       ]  58 %  21.3 MB/s   2m 10s',
  )
})

test('rows of one screen stand in the same columns', () => {
  const one = shown({ task: taskRecord({ name: 'a.bin' }) }, { nameCells: 20 })
  const other = shown({ task: withoutTotal(taskRecord({ name: 'a-longer-name.bin' })) }, { nameCells: 20 })
  const third = shown({ task: taskRecord({ phase: 'held' }) }, { nameCells: 20 })
  assert.equal(one.indexOf('21.3 MB/s'), other.indexOf('21.3 MB/s'))
  assert.equal(one.indexOf('█'), third.indexOf('held'))
})

function withoutResult(record: TaskRecord): TaskRecord {
  const { result, ...task } = record
  void result
  return task
}

const phases: readonly Phase[] = [
  'preparing',
  'suspended',
  'held',
  'queued',
  'waiting',
  'connecting',
  'transferring',
  'verifying',
  'delivering',
]

test('no row is ever wider than its terminal, whatever it shows', () => {
  const base = taskRecord()
  const tasks = [
    ...phases.map((phase) => taskRecord({ phase })),
    withoutTotal(base),
    taskRecord({ progress: { received: 9e15, total: 9e15, fraction: 1, rate: 9e12, etaMs: 9e12 } }),
    completed(),
    completed({ error: errorJson('SERVER_CERTIFICATE_HAS_UNKNOWN_ROOT') }),
  ]
  for (const columns of [8, 10, 20, 31, 32, 44, 45, 59, 60, 61, 80, 81, 119, 120, 121, 200])
    for (const language of ['en', 'zh'] as const)
      for (const name of names)
        for (const task of tasks) {
          const named = { ...withoutResult(task), destination: { kind: 'file' as const, folder: '/', name } }
          const why = backoff(named, 48_000, errorJson('SERVER_CERTIFICATE_HAS_UNKNOWN_ROOT'))
          for (const color of [true, false]) {
            const text = shown(
              { task: named, explanation: why, silentMs: 99_000 },
              { columns, language, color, ascii: !color },
            )
            assert.ok(width(text) <= columns - 1, `${width(text)} cells at ${columns} columns: ${text}`)
            assert.ok(!text.includes('undefined'), text)
          }
        }
})

test('a task that does not move says in words why', () => {
  const waiting = taskRecord({ phase: 'waiting' })
  const lost = backoff(waiting, 3000, errorJson('NETWORK_CONNECTION_LOST'))
  const of = (task = waiting, why = lost, silentMs = 0): string =>
    shown({ task, explanation: why, silentMs }).replace(/^7K2M {2}big\.iso {2}/, '')
  assert.equal(of(), 'waiting: connection lost, try 2 in 3 s')
  assert.equal(
    of(waiting, backoff(waiting, 3000, errorJson('HTTP_STATUS', '', 503))),
    'waiting: HTTP 503, try 2 in 3 s',
  )
  assert.equal(of(waiting, backoff(waiting, 3000, errorJson('PROXY_FAILED'))), 'waiting: PROXY_FAILED, try 2 in 3 s')
  const asked = { ...lost, blockers: [{ code: 'serverAskedToWait', untilMs: wallMs + 151_000 }] } as typeof lost
  assert.equal(
    of(waiting, { ...asked, cause: errorJson('HTTP_STATUS', '', 503) }),
    'waiting: HTTP 503, asked to wait, try 2 in 2m 31s',
  )
  const because = (code: BlockerCode, of?: string): typeof lost =>
    explanation(waiting, { blockers: [{ code, untilMs: wallMs + 7_200_000, ...(of !== undefined && { of }) }] })
  assert.equal(of(waiting, because('earliestBeginDate')), 'waiting: begins in 2h 0m')
  assert.equal(of(waiting, because('dependency', taskRecord().id)).replace(/\d{4}$/, '…'), 'waiting: for …')
  assert.equal(of(waiting, because('disk', '/data')), 'waiting: disk full, goes on by itself')
  assert.equal(shown({ task: waiting }).replace(/^.*iso {2}/, ''), 'waiting')
  const still = later(taskRecord(), { progress: { rate: 0 } })
  assert.equal(of(still, lost, 12_000), 'stalled 12 s at 58 %')
  assert.match(of(still, lost, 2000), /58 % {6}0 B\/s/)
  assert.equal(of(withoutTotal(still), lost, 12_000), 'stalled 12 s')
  assert.equal(of(taskRecord({ phase: 'held' })), 'held')
})

test('the end of a task is one line with its proof or its failure', () => {
  const of = (task: ReturnType<typeof completed>): string => shown({ task }).replace(/^7K2M {2}big\.iso {2}/, '')
  assert.equal(of(completed()), 'done 300 MB in 1m 0s')
  const result = { path: '/home/someone/big.iso', bytes: 300e6, lengthVerified: true, notModified: false }
  assert.equal(of(completed({ result: { ...result, digest: 'sha-256:00' } })), 'done 300 MB in 1m 0s, sha-256 matches')
  assert.match(
    of(completed({ result: { ...result, lengthVerified: false } })),
    /^done 300 MB in 1m 0s, length not verified/,
  )
  assert.equal(of(completed({ result: { ...result, notModified: true } })), 'not modified, nothing to fetch')
  assert.equal(of(completed({ result: { ...result, skipped: true } })), 'skipped, the file exists')
  assert.equal(
    of(completed({ error: errorJson('HTTP_STATUS', '', 404), progress: { received: 0 } })),
    'failed: HTTP 404',
  )
  assert.equal(of(completed({ error: errorJson('STALLED') })), 'failed: stalled, 174 MB kept')
  assert.equal(of(completed({ error: errorJson('CANCELLED'), progress: { received: 0 } })), 'cancelled')
})

test('a task is named by its file, else by the server, else by its address, and never raw', () => {
  assert.equal(nameOf(taskRecord({ name: 'a\u202Egnp.exe' })), 'a?gnp.exe')
  assert.equal(
    nameOf(completed({ result: { path: '/x/y z.bin', bytes: 1, lengthVerified: true, notModified: false } })),
    'y z.bin',
  )
  const folder = { kind: 'folder', folder: '/x' } as const
  const at = (url: string): string =>
    nameOf(taskRecord({ destination: folder, currentRequest: { url, method: 'GET', headers: [] } }))
  assert.equal(at('https://h.example/a/b%20c.iso?sig=1'), 'b c.iso')
  assert.equal(at('https://h.example/a/%E4%B8%AD.iso'), '中.iso')
  assert.equal(at('https://h.example/%E4%B8'), '%E4%B8')
  assert.equal(at('https://h.example/x/'), 'h.example')
})

test('a short code is as long as the tasks beside it demand', () => {
  const ids = ['01ARZ3NDEKTSV4RRFFQ69G7K2M', '01ARZ3NDEKTSV4RRFFQ69H7K2M', '01ARZ3NDEKTSV4RRFFQ69GAAAA']
  assert.equal(shortCode(ids[0]!), '7K2M')
  assert.equal(shortCode(ids[0]!, ids), 'G7K2M')
  assert.deepEqual(ids.map(shortCodes(ids)), ['G7K2M', 'H7K2M', 'AAAA'])
  assert.equal(shortCodes([ids[0]!, ids[0]!])(ids[0]!), '7K2M')
})
