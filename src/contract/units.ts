/** Durations and rates as people write them. Inside, a duration is a number of ms. */
import { LonghaulError } from './errors.ts'

/** `'60s'`, `'7d'`, `'1.5h'` or `{ seconds: 60 }`. Bare numbers are refused: nobody can tell their unit. */
export type DurationLike =
  | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`
  | {
      readonly milliseconds?: number
      readonly seconds?: number
      readonly minutes?: number
      readonly hours?: number
      readonly days?: number
    }

/** Bytes per second, or `'2MB/s'`. Decimal prefixes: k = 1,000, M = 1,000,000, G = 1,000,000,000. */
export type RateLike = number | `${number}${'' | 'k' | 'M' | 'G'}B/s`

const rateUnits = { '': 1, k: 1e3, M: 1e6, G: 1e9 } as const
const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const fieldMs = { milliseconds: 1, seconds: 1000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 } as const

/**
 * A duration in ms.
 * @param name of the option, for the message
 * @throws INVALID_ARGUMENT for a bare number, an unknown unit, a negative or infinite value
 */
export function durationMs(value: unknown, name: string): number {
  const refuse = (why: string): never => {
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `${name}: ${why}. Write a duration as '60s' or { seconds: 60 } (units: ms, s, m, h, d). Nothing was changed.`,
    )
  }
  let ms: number
  if (typeof value === 'string') {
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value)
    if (match === null) return refuse(`'${value}' is not a duration`)
    ms = Number(match[1]) * unitMs[match[2] as keyof typeof unitMs]
  } else if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, amount]) => amount !== undefined)
    if (fields.length === 0) return refuse('an empty object is not a duration')
    ms = 0
    for (const [field, amount] of fields) {
      if (!(field in fieldMs)) return refuse(`'${field}' is not a unit`)
      if (typeof amount !== 'number') return refuse(`'${field}' must be a number`)
      ms += amount * fieldMs[field as keyof typeof fieldMs]
    }
  } else if (typeof value === 'number') {
    return refuse(
      `the bare number ${value} has no unit; write '${value}s' or { seconds: ${value} } if seconds are meant`,
    )
  } else return refuse(`${String(value)} is not a duration`)
  if (!Number.isFinite(ms) || ms < 0) return refuse('a duration must be finite and not negative')
  return Math.round(ms)
}

/**
 * A rate in bytes per second.
 * @param name of the option, for the message
 * @param consequence what did not happen
 * @throws INVALID_ARGUMENT for what is no rate, and for less than a byte a second: that would be a pause, and there are others
 */
export function bytesPerSecond(value: unknown, name: string, consequence: string = 'Nothing was changed.'): number {
  const refuse = (why: string): never => {
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `${name}: ${why}. Write a rate as '2MB/s' (units: B/s, kB/s, MB/s, GB/s) or as a number of bytes per second. ${consequence}`,
    )
  }
  let rate: number
  if (typeof value === 'number') rate = value
  else if (typeof value === 'string') {
    const match = /^(\d+(?:\.\d+)?)([kMG]?)B\/s$/.exec(value)
    if (match === null) return refuse(`'${value.slice(0, 60)}' is not a rate`)
    rate = Number(match[1]) * rateUnits[match[2] as keyof typeof rateUnits]
  } else return refuse(`a value of the type ${typeof value} is not a rate`)
  if (!Number.isFinite(rate) || rate < 1) return refuse('a limit must be finite and at least one byte per second')
  return Math.round(rate)
}

/** `512 B`, `1.5 MB`: up to four digits. */
export function bytesText(bytes: number): string {
  const [unit, by] = bytes >= 1e9 ? ['GB', 1e9] : bytes >= 1e6 ? ['MB', 1e6] : bytes >= 1e3 ? ['kB', 1e3] : ['B', 1]
  return `${Number((bytes / by).toPrecision(4))} ${unit}`
}

/** `512 kB/s`, `1.5 MB/s`: as exact as it was written, up to four digits. */
export function rateText(bytes: number): string {
  return `${bytesText(bytes)}/s`
}
