// What an honest server answers (RFC 9110 §13, §14), from what it has at this moment. server.ts bends it.
import { type HeaderList } from '../../src/world/transport.ts'
import { digestFields } from './digest-fields.ts'
import { type ServerNature } from './server-plan.ts'

export interface Question {
  readonly url: string
  readonly method: string
  readonly headers: HeaderList
}

/** The newest version, and since when it is. Both in ms since 1970, by the server's clock. */
export interface Shelf {
  readonly version: number
  /** Begins its tags, where it has its own. */
  readonly place: string
  readonly content: Uint8Array
  readonly modifiedMs: number
  readonly nowMs: number
}

/** An answer before anything befell it. */
export interface Draft {
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array
  /** Where its first byte stands in the whole. */
  readonly from: number
}

export interface Range {
  readonly from: number
  /** Exclusive. */
  readonly to: number
}

export function honestAnswer(
  question: Question,
  shelf: Shelf,
  nature: ServerNature,
  ranges: { readonly asked: Range | 'unsatisfiable' | undefined; readonly ifRange: ServerNature['ifRange'] },
): Draft {
  const labels = labelsOf(shelf, nature)
  if (isNotModified(question, shelf, nature)) return { status: 304, headers: labels, body: new Uint8Array(), from: 0 }
  const fields = [...labels, ...representationFields(nature)]
  const { content } = shelf
  const range = nature.ranges && permits(question, shelf, nature, ranges.ifRange) ? ranges.asked : undefined
  if (range === undefined) {
    const headers = [...fields, ...digestFields(nature, content, content)]
    return { status: 200, headers, body: content, from: 0 }
  }
  if (range === 'unsatisfiable') return unsatisfiable(shelf)
  const digests = digestFields(nature, content, content.subarray(range.from, range.to))
  return partial(shelf, [...fields, ...digests], range)
}

export function partial(shelf: Shelf, fields: Draft['headers'], { from, to }: Range): Draft {
  const said: readonly [string, string] = ['content-range', `bytes ${from}-${to - 1}/${shelf.content.length}`]
  return { status: 206, headers: [...fields, said], body: shelf.content.subarray(from, to), from }
}

export function unsatisfiable(shelf: Shelf): Draft {
  return {
    status: 416,
    headers: [date(shelf), ['content-range', `bytes */${shelf.content.length}`]],
    body: new Uint8Array(),
    from: 0,
  }
}

/** One range; `undefined` where there is no field or one of a kind that may be ignored. */
export function rangeOf(question: Question, size: number): Range | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(fieldOf(question, 'range') ?? '')
  if (question.method !== 'GET' || match === null || (match[1] === '' && match[2] === '')) return undefined
  const [, first = '', last = ''] = match
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  return from >= size || from >= to ? 'unsatisfiable' : { from, to }
}

export function fieldOf({ headers }: Question, name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1]
}

export function date({ nowMs }: Shelf): readonly [string, string] {
  return ['date', httpDate(nowMs)]
}

/** Fields of a 200 and a 206, beside those that a 304 has too. */
function representationFields(nature: ServerNature): Draft['headers'] {
  const fields: (readonly [string, string])[] = [['content-type', 'application/octet-stream']]
  if (nature.ranges) fields.push(['accept-ranges', 'bytes'])
  return fields
}

function labelsOf(shelf: Shelf, nature: ServerNature): Draft['headers'] {
  const fields = [date(shelf)]
  const etag = etagOf(shelf, nature)
  if (etag !== undefined) fields.push(['etag', etag])
  if (hasDate(nature)) fields.push(['last-modified', httpDate(shelf.modifiedMs)])
  return fields
}

function isNotModified(question: Question, shelf: Shelf, nature: ServerNature): boolean {
  if (question.method !== 'GET' && question.method !== 'HEAD') return false
  const noneMatch = fieldOf(question, 'if-none-match')
  if (noneMatch !== undefined) {
    // The weak comparison.
    const etag = etagOf(shelf, nature)?.replace(/^W\//, '')
    return etag !== undefined && noneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
  }
  const since = fieldOf(question, 'if-modified-since')
  return since !== undefined && hasDate(nature) && Date.parse(httpDate(shelf.modifiedMs)) <= Date.parse(since)
}

/**
 * Whether If-Range lets a range be given (RFC 9110 §13.1.5): by the strong comparison, and a date by equality. As most servers
 * do, it does not ask whether the file changed twice in that second: that is for the client to fear.
 */
function permits(question: Question, shelf: Shelf, nature: ServerNature, how: ServerNature['ifRange']): boolean {
  const given = fieldOf(question, 'if-range')
  if (given === undefined || how === 'ignores') return true
  if (how === 'never true') return false
  if (given.includes('"')) return !given.startsWith('W/') && given === etagOf(shelf, nature)
  return hasDate(nature) && given === httpDate(shelf.modifiedMs)
}

function etagOf({ version, place }: Shelf, { validators }: ServerNature): string | undefined {
  // Equal for two versions that mean the same: of weak tags that is allowed, and no range may be joined by one.
  if (validators === 'weak etag') return `W/"${place}v${version >> 1}"`
  return validators === 'strong etag' || validators === 'etag and last-modified' ? `"${place}v${version}"` : undefined
}

function hasDate({ validators }: ServerNature): boolean {
  return validators === 'last-modified' || validators === 'etag and last-modified'
}

/** Its steps are seconds, downwards. */
function httpDate(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toUTCString()
}
