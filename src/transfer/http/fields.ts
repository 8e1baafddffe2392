/**
 * Reads header fields as strictly as their RFCs. A malformed field is `undefined`, as if it had not been sent; who cannot do
 * without it fails. Nothing here judges what a field means for a download.
 */
import { parse as parseDisposition } from 'content-disposition'
import type { HeaderList } from '../../world/transport.ts'

/** The one value of a field, or `undefined` if it is absent or was sent with values that differ. Names in lower case. */
export function field(headers: HeaderList, name: string): string | undefined {
  let found: string | undefined
  for (const [key, value] of headers) {
    if (key.toLowerCase() !== name) continue
    if (found !== undefined && found !== value) return undefined
    found = value
  }
  return found
}

export function hasField(headers: HeaderList, name: string): boolean {
  return headers.some(([key]) => key.toLowerCase() === name)
}

/** All values of a list field, split at commas, in lower case. Only for fields whose members are tokens. */
export function tokens(headers: HeaderList, name: string): readonly string[] {
  return headers
    .filter(([key]) => key.toLowerCase() === name)
    .flatMap(([, value]) => value.split(','))
    .map((token) => token.trim().toLowerCase())
    .filter((token) => token !== '')
}

/** RFC 9110 §8.6: digits only. Undefined too where it is more than a number can hold. */
export function contentLength(headers: HeaderList): number | undefined {
  return digits(field(headers, 'content-length'))
}

export type ContentRange =
  | { readonly from: number; /** Exclusive. */ readonly to: number; readonly total: number | undefined }
  | { readonly unsatisfied: true; readonly total: number }

// RFC 9110 §14.4, unit `bytes` only: `bytes 0-4/10`, `bytes 0-4/*`, `bytes */10`.
/** A range that lies outside its own total is malformed. */
export function parseContentRange(text: string | undefined): ContentRange | undefined {
  const match = /^bytes +(?:(\d+)-(\d+)\/(\d+|\*)|\*\/(\d+))$/i.exec(text ?? '')
  if (match === null) return undefined
  const [, first, last, whole, unsatisfied] = match
  if (unsatisfied !== undefined) {
    const total = digits(unsatisfied)
    return total === undefined ? undefined : { unsatisfied: true, total }
  }
  const from = digits(first)
  const through = digits(last)
  const total = whole === '*' ? undefined : digits(whole)
  if (from === undefined || through === undefined || through < from) return undefined
  if (whole !== '*' && (total === undefined || through >= total)) return undefined
  return { from, to: through + 1, total }
}

/** As long as a deadline may be away at most: a longer wait says no more, and its end would be no date any more. */
const centuryMs = 36_525 * 86_400_000

/** RFC 9110 §10.2.3: seconds or a date, as ms from now; a date that has passed is 0, and nothing is longer than a century. */
export function parseRetryAfter(text: string | undefined, wallMs: number): number | undefined {
  if (text === undefined) return undefined
  // More digits than a number holds still mean "not for a long time", so they must not read as "no wait asked for".
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, centuryMs)
  const date = parseHttpDate(text, wallMs)
  return date === undefined ? undefined : Math.min(Math.max(0, date - wallMs), centuryMs)
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const day = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)'
const longDay = '(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)'
const month = `(${months.join('|')})`
const time = '(\\d\\d):(\\d\\d):(\\d\\d)'
const imfFixdate = new RegExp(`^${day}, (\\d\\d) ${month} (\\d{4}) ${time} GMT$`)
const rfc850 = new RegExp(`^${longDay}, (\\d\\d)-${month}-(\\d\\d) ${time} GMT$`)
const asctime = new RegExp(`^${day} ${month} ([ \\d]\\d) ${time} (\\d{4})$`)

/** RFC 9110 §5.6.7, the three forms. Wall ms since 1970. `nowMs` decides the century of a year of two digits. */
export function parseHttpDate(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined
  let match = imfFixdate.exec(text)
  if (match !== null) return moment(match[3], match[2], match[1], match.slice(4))
  match = asctime.exec(text)
  if (match !== null) return moment(match[6], match[1], match[2], match.slice(3, 6))
  match = rfc850.exec(text)
  if (match === null) return undefined
  const thisYear = new Date(nowMs).getUTCFullYear()
  let year = thisYear - (thisYear % 100) + Number(match[3])
  // "More than 50 years in the future" is the most recent year in the past with the same last two digits.
  if (year > thisYear + 50) year -= 100
  return moment(String(year), match[2], match[1], match.slice(4))
}

function moment(
  year: string | undefined,
  monthName: string | undefined,
  dayText: string | undefined,
  clock: readonly (string | undefined)[],
): number | undefined {
  const monthIndex = months.indexOf(monthName ?? '')
  const dayOfMonth = Number(dayText)
  const [hour, minute, second] = clock.map(Number)
  if (hour === undefined || minute === undefined || second === undefined) return undefined
  if (hour > 23 || minute > 59 || second > 60) return undefined
  const date = new Date(0)
  date.setUTCFullYear(Number(year), monthIndex, dayOfMonth)
  // 31 February would roll over into March.
  if (date.getUTCMonth() !== monthIndex || date.getUTCDate() !== dayOfMonth) return undefined
  return date.setUTCHours(hour, minute, second)
}

export interface EntityTag {
  readonly weak: boolean
  /** As it was sent, quotes and `W/` included. */
  readonly text: string
}

/** RFC 9110 §8.8.3. */
export function parseEtag(text: string | undefined): EntityTag | undefined {
  if (text === undefined || !/^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/.test(text)) return undefined
  return { weak: text.startsWith('W/'), text }
}

/** The strong comparison of RFC 9110 §8.8.3.2: both strong, and the same octets. */
export function sameStrongEtag(one: string | undefined, other: string | undefined): boolean {
  const tag = parseEtag(one)
  return tag !== undefined && !tag.weak && one === other
}

/** Whether the bytes of the body are the bytes of the file (RFC 9110 §8.4). */
export function isCoded(headers: HeaderList): boolean {
  return tokens(headers, 'content-encoding').some((coding) => coding !== 'identity')
}

/** The file name of Content-Disposition (RFC 6266), as the server wrote it: not safe yet. */
export function dispositionFilename(headers: HeaderList): string | undefined {
  const text = headers.find(([name]) => name.toLowerCase() === 'content-disposition')?.[1]
  if (text === undefined) return undefined
  try {
    const name = parseDisposition(text).parameters['filename']
    return name === undefined || name === '' ? undefined : repairUtf8(name)
  } catch {
    return undefined
  }
}

/** Many servers send raw UTF-8, which reads as Latin-1; text that is not UTF-8 underneath is left as it is. */
export function repairUtf8(text: string): string {
  if (!/[\x80-\xff]/.test(text) || /[\u0100-\uffff]/.test(text)) return text
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
  } catch {
    return text
  }
}

function digits(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d+$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}
