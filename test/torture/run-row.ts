/** Runs one row in a folder and with a server of its own, and says what its result means. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FaultServer } from '../../src/testing/index.ts'
import type { Bench, Row } from './row.ts'

export interface RanRow {
  readonly verdict: 'held' | 'BROKEN' | 'CAUGHT as it should' | 'NOT CAUGHT' | 'not possible on this machine'
  /** An invariant broke, or a control was not caught. */
  readonly isBad: boolean
  readonly points: number
  readonly breaches: readonly string[]
  readonly note: string
  readonly tookMs: number
}

export async function runRow(row: Row, how: Pick<Bench, 'extent' | 'lanes' | 'signal'>): Promise<RanRow> {
  const startedMs = performance.now()
  await using server = await FaultServer.start()
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lh-')))
  const bench = { ...how, server, folder }
  try {
    const why = await row.impossible?.(bench)
    if (why !== undefined)
      return { verdict: 'not possible on this machine', isBad: false, points: 0, breaches: [], note: why, tookMs: 0 }
    const { points, breaches, note = '' } = await row.run(bench)
    const caught = breaches.length > 0
    // A row that made no fault has proved nothing.
    const verdict =
      row.kind === 'row' ? (caught || points === 0 ? 'BROKEN' : 'held') : caught ? 'CAUGHT as it should' : 'NOT CAUGHT'
    return {
      verdict,
      isBad: verdict === 'BROKEN' || verdict === 'NOT CAUGHT',
      points,
      breaches,
      note: row.kind === 'control' && caught ? breaches[0]!.split('; explained')[0]! : note,
      tookMs: performance.now() - startedMs,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
