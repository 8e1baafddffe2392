/** The daemon's bandwidth limit in words: what holds now, and its timetable. */
import type { BandwidthStatus, BandwidthWindow } from '../../contract/bandwidth.ts'
import { rateText } from '../../contract/units.ts'
import { clockTime } from './numbers.ts'
import type { SheetLine } from './sheet.ts'
import type { Words } from './words.ts'

/** `at most 1 MB/s, until 18:00:00`. */
export function limitNow({ now, changesAtMs }: BandwidthStatus, words: Words, wallMs: number): string {
  const until = changesAtMs === undefined ? undefined : clockTime(new Date(changesAtMs), new Date(wallMs))
  return words.limitNow(now === undefined ? undefined : rateText(now), until)
}

/** One line a window, and what holds outside them; nothing where there is no window. */
export function timetableLines({ windows, limit }: BandwidthStatus, words: Words): readonly SheetLine[] {
  if (windows.length === 0) return []
  const rate = (bytesPerSecond: number | undefined): string =>
    bytesPerSecond === undefined ? words.noLimit : rateText(bytesPerSecond)
  return [
    ...windows.map((window): SheetLine => [hoursText(window, words), rate(window.limit)]),
    [words.otherwise, rate(limit)],
  ]
}

function hoursText({ days, from, to }: BandwidthWindow, words: Words): string {
  const which = days.length === 7 ? words.daily : daysText(days, words)
  return from === 0 && to === 1440 ? which : `${which} ${timeText(from)}-${timeText(to)}`
}

/** `Mon-Fri,Sun`: three in a row or more as a range. */
function daysText(days: readonly number[], words: Words): string {
  const parts: string[] = []
  for (let at = 0; at < days.length;) {
    let end = at
    while (days[end + 1] === days[end]! + 1) end++
    if (end - at >= 2) parts.push(`${words.days[days[at]!]!}-${words.days[days[end]!]!}`)
    else parts.push(...days.slice(at, end + 1).map((day) => words.days[day]!))
    at = end + 1
  }
  return parts.join(',')
}

function timeText(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
}
