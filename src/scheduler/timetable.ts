/**
 * What the daemon's bandwidth limit is at a moment, and when that changes next, by the local wall clock. Always derived from
 * the clock as it is: so a clock that was set, a machine that slept and the days on which the hour changes need no rule of
 * their own. A window of hours that such a day has not is left out there, one of hours that it has twice holds twice. Pure.
 */
import type { BandwidthWindow, DaemonBandwidth } from '../contract/bandwidth.ts'

/** A window that began a week ago has ended, so all that can come within a week and a day is all that there is. */
const daysAhead = 8
const dayMinutes = 1440

/** Bytes per second; undefined: no limit. */
export function limitAt(bandwidth: DaemonBandwidth, wallMs: number): number | undefined {
  const window = bandwidth.windows.findLast((each) => holds(each, new Date(wallMs)))
  return window === undefined ? bandwidth.limit : window.limit
}

/** Wall ms of the next moment at which {@link limitAt} gives something else; undefined: never, as far as one can see. */
export function nextChange(bandwidth: DaemonBandwidth, wallMs: number): number | undefined {
  const limit = limitAt(bandwidth, wallMs)
  return boundaries(bandwidth.windows, wallMs).find((atMs) => limitAt(bandwidth, atMs) !== limit)
}

function holds({ days, from, to }: BandwidthWindow, date: Date): boolean {
  const minute = date.getHours() * 60 + date.getMinutes()
  const today = (date.getDay() + 6) % 7
  if (from < to) return days.includes(today) && minute >= from && minute < to
  return (days.includes(today) && minute >= from) || (days.includes((today + 6) % 7) && minute < to)
}

/** Where windows begin and end from now on, in order. */
function boundaries(windows: readonly BandwidthWindow[], wallMs: number): readonly number[] {
  const minutes = new Set(windows.flatMap(({ from, to }) => [from, to % dayMinutes]))
  const here = new Date(wallMs)
  const found: number[] = []
  for (let day = 0; day <= daysAhead; day++)
    for (const minute of minutes) {
      const at = new Date(here.getFullYear(), here.getMonth(), here.getDate() + day, 0, minute).getTime()
      if (at > wallMs) found.push(at)
    }
  return found.toSorted((a, b) => a - b)
}
