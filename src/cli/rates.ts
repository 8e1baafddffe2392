/** Rates and hours of the week as people type them. Pure. */
import type { BandwidthWindow } from '../contract/bandwidth.ts'
import { LonghaulError } from '../contract/errors.ts'
import { bytesPerSecond } from '../contract/units.ts'

const names = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
const everyDay: readonly number[] = [0, 1, 2, 3, 4, 5, 6]
const dayMinutes = 1440

/**
 * `2MB/s`, and shorter as curl, wget and aria2 take it: `2M`, `500k`, `800`. Decimal, as `--json` and progress are.
 * @returns bytes per second; null: none
 * @throws INVALID_ARGUMENT
 */
export function rateOf(text: string, name: string): number | null {
  if (text === 'none' || text === 'off' || text === 'unlimited') return null
  const match = /^(\d+(?:\.\d+)?)([kmg]?)(?:b(?:\/s)?)?$/i.exec(text)
  if (match === null)
    throw refused(`${name} ${text}: write a rate as 2MB/s, 500kB/s or shorter 2M, 500k, or none for no limit.`)
  const prefix = match[2]!.toLowerCase()
  const number = Number(match[1])
  if (number === 0)
    throw refused(`${name} ${text}: nothing would ever arrive. Write none for no limit; longhaul hold pauses tasks.`)
  return bytesPerSecond(`${number}${prefix === 'k' ? 'k' : prefix.toUpperCase()}B/s`, name)
}

/**
 * `Mon-Fri 08:00-18:00`, `sat,sun`, `22:00-06:00`, `daily 12:00-13:00`: hours of days, by the local clock. Hours that end
 * before they begin end on the next day.
 * @throws INVALID_ARGUMENT
 */
export function hoursOf(text: string): Pick<BandwidthWindow, 'days' | 'from' | 'to'> {
  const refuse = (): never => {
    throw refused(`--when '${text}': write days, hours or both: 'Mon-Fri 08:00-18:00', 'sat,sun', '22:00-06:00'.`)
  }
  const words = text.trim().split(/\s+/)
  const hours = /\d/.test(words.at(-1)!) ? words.pop()! : '00:00-24:00'
  if (words.length > 1) return refuse()
  const match = /^(\d\d?):(\d\d)[-–](\d\d?):(\d\d)$/.exec(hours)
  if (match === null) return refuse()
  const [from, to] = [minuteOf(match[1]!, match[2]!), minuteOf(match[3]!, match[4]!)]
  const days = words.length === 0 ? everyDay : daysOf(words[0]!)
  if (from === undefined || to === undefined || from === dayMinutes || days === undefined) return refuse()
  // Until midnight is until the end of the day.
  return { days, from, to: to === 0 ? dayMinutes : to }
}

function minuteOf(hour: string, minute: string): number | undefined {
  const found = Number(hour) * 60 + Number(minute)
  return Number(minute) < 60 && found <= dayMinutes ? found : undefined
}

function daysOf(text: string): readonly number[] | undefined {
  if (/^(?:daily|every-?day)$/i.test(text)) return everyDay
  const days = new Set<number>()
  for (const part of text.split(',')) {
    const ends = part.split(/[-–]/).map(dayOf)
    const [first, last] = [ends[0], ends.at(-1)]
    if (first === undefined || last === undefined || ends.length > 2) return undefined
    for (let day = first; ; day = (day + 1) % 7) {
      days.add(day)
      if (day === last) break
    }
  }
  return [...days].toSorted((a, b) => a - b)
}

/** By its first three letters or more. */
function dayOf(text: string): number | undefined {
  const index = names.findIndex((name) => text.toLowerCase().startsWith(name))
  return index < 0 || !/^[a-z]+$/i.test(text) ? undefined : index
}

function refused(message: string): LonghaulError {
  return new LonghaulError('INVALID_ARGUMENT', `${message} Nothing was changed.`)
}
