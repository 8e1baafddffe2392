/**
 * The mark that one life of the daemon leaves to the clock of the next, in a file of the home: the clock is needed before the
 * journal can be opened. Written whole and synced under another name, then renamed: a crash before the rename leaves the old
 * mark, and time since then counts as power-off time at worst. May touch: node:fs, for this file only.
 */
import { readFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClockMark } from './clock.ts'

/** The last mark, or undefined when there is none that can be read. */
export function readClockMark(home: string): ClockMark | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(fileOf(home), 'utf8'))
    return isMark(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Only by the holder of the instance lock, one call at a time. */
export async function writeClockMark(home: string, mark: ClockMark): Promise<void> {
  const draft = `${fileOf(home)}.new`
  const file = await open(draft, 'w', 0o600)
  try {
    await file.writeFile(JSON.stringify(mark))
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(draft, fileOf(home))
}

function fileOf(home: string): string {
  return join(home, 'clock')
}

function isMark(value: unknown): value is ClockMark {
  if (typeof value !== 'object' || value === null) return false
  const mark = value as Partial<Record<keyof ClockMark, unknown>>
  return Number.isFinite(mark.steadyMs) && Number.isFinite(mark.uptimeMs) && typeof mark.bootId === 'string'
}
