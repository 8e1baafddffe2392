/**
 * What the daemon's bandwidth limit is at a moment, and when that changes next, by the local wall clock. Always derived from
 * the clock as it is: so a clock that was set and a machine that slept need no rule of their own, and days on which the hour
 * changes only a few more moments to look at. A window of hours that such a day has not is left out there, one of hours that
 * it has twice holds twice. Pure.
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

/** Where windows may begin and end from now on, in order. */
function boundaries(windows: readonly BandwidthWindow[], wallMs: number): readonly number[] {
  const minutes = new Set(windows.flatMap(({ from, to }) => [from, to % dayMinutes]))
  const here = new Date(wallMs)
  const found: number[] = []
  for (let day = 0; day <= daysAhead; day++) {
    const moment = (minute: number): number =>
      new Date(here.getFullYear(), here.getMonth(), here.getDate() + day, 0, minute).getTime()
    const [begin, end] = [moment(0), moment(dayMinutes)]
    const changed = setBackMs(end) - setBackMs(begin)
    if (changed !== 0) found.push(clockChange(begin, end))
    for (const minute of minutes) {
      found.push(moment(minute))
      // Of a minute that comes twice that was the first time.
      if (changed > 0) found.push(moment(minute) + changed)
    }
  }
  return found.filter((atMs) => atMs > wallMs).toSorted((a, b) => a - b)
}

/** How far local clocks are behind UTC. */
function setBackMs(wallMs: number): number {
  return new Date(wallMs).getTimezoneOffset() * 60_000
}

/** The first moment after which local clocks go as they do at the end of a day, and not as at its beginning. */
function clockChange(beginMs: number, endMs: number): number {
  let [before, after] = [beginMs, endMs]
  while (after - before > 1) {
    const between = Math.floor((before + after) / 2)
    if (setBackMs(between) === setBackMs(endMs)) after = between
    else before = between
  }
  return after
}
