/** Durations as people type them. Pure. */
import { LonghaulError } from '../contract/errors.ts'
import { durationMs } from '../contract/units.ts'
import type { DurationLike } from '../contract/units.ts'

type Text = Extract<DurationLike, string>

export interface DurationLimits {
  readonly least: Text
  readonly most: Text
  /** What did not happen. */
  readonly consequence: string
}

/** Longer than a century is a mistake. */
export const ofTransfers: DurationLimits = { least: '1ms', most: '36500d', consequence: 'Nothing was started.' }

/**
 * Checked here, where it is known under the name that was typed.
 * @returns ms
 * @throws INVALID_ARGUMENT
 */
export function durationOf(text: string, flag: string, { least, most, consequence }: DurationLimits): number {
  const ms = msOf(text)
  if (ms !== undefined && ms >= durationMs(least, flag) && ms <= durationMs(most, flag)) return ms
  throw new LonghaulError(
    'INVALID_ARGUMENT',
    `${flag} ${text}: write a duration with its unit, from ${least} to ${most}, such as 90s, 10m, 2h or 7d. ${consequence}`,
  )
}

/** Undefined where it is none. */
export function msOf(text: string): number | undefined {
  try {
    return durationMs(text, '')
  } catch {
    return undefined
  }
}
