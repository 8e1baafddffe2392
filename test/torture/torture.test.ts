/** A few points of the matrix, so that it cannot rot between two runs of `npm run torture`. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { needs } from '../support/needs.ts'
import { patchedSource } from './patched-source.ts'
import { runRow } from './run-row.ts'
import { rows } from './rows.ts'

const skip = needs('linux', 'strace')
const skipCut = needs('linux', 'strace', 'mounts', 'mkfs.ext4', 'xfs_io')
/** A few seconds a row on an idle machine, many times that on a busy one. */
const timeout = 180_000

async function mustBeGood(t: TestContext, name: string): Promise<void> {
  const row = rows.find((each) => each.name === name)
  assert.ok(row !== undefined, `there is no row ${name}`)
  const { verdict, isBad, points, note, breaches } = await runRow(row, {
    extent: 'few',
    lanes: 1,
    signal: new AbortController().signal,
  })
  // Also where the machine does not allow it: that is to be seen, and why.
  t.diagnostic(`${name}: ${points} points, ${verdict}; ${note}`)
  assert.ok(!isBad, `${name}: ${verdict} ${breaches.join('\n')}`)
}

test(
  'killed at a few system calls on files and in commits, a daemon keeps what it said',
  { skip, timeout },
  async (t) => {
    for (const name of ['kill files', 'kill commits']) await mustBeGood(t, name)
  },
)

test('the torture catches a daemon that publishes with a gap', { skip, timeout }, (t) =>
  mustBeGood(t, 'kill: gap in publish'),
)

test('calls on files that fail once are got over', { skip, timeout }, (t) => mustBeGood(t, 'EIO files'))

test('a power cut at a few system calls keeps what was synced', { skip: skipCut, timeout }, (t) =>
  mustBeGood(t, 'power: files'),
)

test('the torture catches a daemon on a disk that never syncs', { skip: skipCut, timeout }, (t) =>
  mustBeGood(t, 'power: no syncs'),
)

test('what each control of the torture breaks is still there in the sources', () => {
  const broken = rows.filter(({ patches }) => patches !== undefined)
  assert.ok(broken.length >= 7)
  for (const { patches } of broken) {
    const folder = mkdtempSync(join(tmpdir(), 'lh-'))
    try {
      patchedSource(folder, patches!)
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
})
