/** A few points of the matrix, so that it cannot rot between two runs of `npm run torture`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needs } from '../support/needs.ts'
import { runRow } from './run-row.ts'
import { rows } from './rows.ts'

const skip = needs('linux', 'strace')
/** A second or two a row on an idle machine. */
const timeout = 60_000

async function held(name: string): Promise<void> {
  const row = rows.find((each) => each.name === name)
  assert.ok(row !== undefined, `there is no row ${name}`)
  const { verdict, isBad, breaches } = await runRow(row, {
    extent: 'few',
    lanes: 1,
    signal: new AbortController().signal,
  })
  assert.ok(!isBad, `${name}: ${verdict} ${breaches.join('\n')}`)
}

test(
  'killed at system calls on files, in commits and in answers, a daemon keeps what it said',
  { skip, timeout },
  async () => {
    for (const name of ['kill files', 'kill commits', 'kill answers']) await held(name)
  },
)

test(
  'the torture catches a daemon that answers before its commit, or publishes with a gap',
  { skip, timeout },
  async () => {
    for (const name of ['kill: early answer', 'kill: gap in publish']) await held(name)
  },
)

test(
  'a call on a file that fails once is got over, and a rename that failed is noticed',
  { skip, timeout },
  async () => {
    for (const name of ['EIO files', 'EIO: rename not looked at']) await held(name)
  },
)

test('a power cut keeps what was synced, and a daemon that syncs nothing is caught', { skip, timeout }, async () => {
  for (const name of ['power: files', 'power: no syncs']) await held(name)
})

test('each control fits the sources as they are', () => {
  const controls = rows.filter(({ kind }) => kind === 'control')
  assert.ok(controls.length >= 10)
  assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length)
})
