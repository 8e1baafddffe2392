/** Sizes, rates and durations as people read them. Decimal units, as disks and networks are sold. */

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** `812 B`, `3.4 MB`, `21.3 GB`, `580 MB`: one decimal below 100, none above, so that a column of them does not jump. */
export function bytes(count: number): string {
  let value = count
  let unit = 0
  // 999.5 would be shown as 1000.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]!}`
}

/** `3.4 / 5.8 GB`; the unit of the first only where it differs. */
export function bytesOf(count: number, total: number): string {
  const got = bytes(count)
  const all = bytes(total)
  const [value, unit] = got.split(' ')
  return all.endsWith(` ${unit!}`) ? `${value!} / ${all}` : `${got} / ${all}`
}

export function rate(bytesPerSecond: number): string {
  return `${bytes(bytesPerSecond)}/s`
}

/** `8 s`, `2m 10s`, `3h 12m`, `6d 4h`: two units at most. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m ${seconds % 60}s`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours}h ${minutes % 60}m`
  return `${Math.floor(hours / 24)}d ${hours % 24}h`
}

/** What has been measured, with a decimal while it is short: `0.4 s`, `1.2 s`, `2m 10s`. */
export function took(ms: number): string {
  return ms < 9950 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : duration(ms)
}

/** Whole parts of `of`, rounded down, so that the last is not there before the end. 0.58 of 100 is 58, not 57.99…. */
export function wholePart(fraction: number, of: number): number {
  return Math.floor(Math.min(1, Math.max(0, fraction)) * of + 1e-9)
}

/** `58 %`; never 100 before the end. */
export function percent(fraction: number): string {
  return `${wholePart(fraction, 100)} %`
}

/** `14:02:51` in local time; with the day when it is not today. */
export function clockTime(date: Date, now: Date): string {
  const time = date.toLocaleTimeString('en-GB', { hour12: false })
  if (date.toDateString() === now.toDateString()) return time
  return `${date.toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric', month: 'short' })} ${time.slice(0, 5)}`
}
