/** What a {@link FaultServer} will answer: the good answer (RFC 9110 §13, §14), bent by the step of a script. */
import { type Behaviour, type Framing } from './behaviours.ts'
import { type Pattern } from './pattern.ts'

export interface FileOptions {
  readonly size: number
  /** Names the bytes: equal seeds, equal bytes. @default the path */
  readonly seed?: string
  /** Text of the field, quotes included. */
  readonly etag?: string
  /** An HTTP date. */
  readonly lastModified?: string
  /** @default true */
  readonly ranges?: boolean
  /** @default 'length' */
  readonly framing?: Framing
  /** Added to every answer. */
  readonly headers?: Readonly<Record<string, string>>
  readonly script?: readonly Behaviour[]
}

export interface Question {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
}

/** One answer, ready to be written. */
export interface AnswerPlan {
  readonly head: string
  readonly framing: Framing
  /** Of the body; 0 where none may follow. */
  readonly size: number
  bytes(from: number, size: number): Uint8Array
  /** An answer to HEAD, 204 and 304 end with their head. */
  readonly bodiless: boolean
  readonly closes: boolean
}

export function planAnswer(
  question: Question,
  file: FileOptions | undefined,
  step: Behaviour,
  pattern: (seed: string | undefined) => Pattern,
): AnswerPlan {
  if (file === undefined) return finish(question, step, 404, [], fixed('no such file'), 'length')
  const extra = Object.entries(file.headers ?? {})
  if (step.body !== undefined || (step.status ?? 200) >= 300) {
    return finish(question, step, step.status ?? 200, extra, fixed(step.body ?? ''), step.framing ?? 'length')
  }

  const size = step.size ?? file.size
  const etag = 'etag' in step ? step.etag : file.etag
  const lastModified = 'lastModified' in step ? step.lastModified : file.lastModified
  const fields: (readonly [string, string])[] = [['Content-Type', 'application/octet-stream']]
  if (file.ranges !== false) fields.push(['Accept-Ranges', 'bytes'])
  if (etag !== undefined) fields.push(['ETag', etag])
  if (lastModified !== undefined) fields.push(['Last-Modified', lastModified])
  fields.push(...extra)

  const source = pattern(step.seed ?? file.seed)
  const framing = step.framing ?? file.framing ?? 'length'
  const part = (from: number, to: number): Body => ({
    size: to - from,
    bytes: (at, count) => source.bytes(from + at, count),
  })
  if (etag !== undefined && question.headers['if-none-match'] === etag) {
    return finish(question, step, 304, fields, part(0, 0), framing)
  }
  const ifRange = question.headers['if-range']
  const sameAsAsked =
    ifRange === undefined || ifRange === lastModified || (ifRange === etag && !ifRange.startsWith('W/'))
  const range =
    file.ranges !== false && step.ignoreRange !== true && sameAsAsked
      ? rangeOf(question.headers['range'], size)
      : undefined
  if (range === undefined) return finish(question, step, step.status ?? 200, fields, part(0, size), framing)
  if (range === 'unsatisfiable') {
    return finish(question, step, 416, [...fields, ['Content-Range', `bytes */${size}`]], fixed(''), 'length')
  }
  const said = { start: range.from, end: range.to - 1, total: size, ...step.contentRange }
  fields.push(['Content-Range', `bytes ${said.start}-${said.end}/${said.total}`])
  return finish(question, step, step.status ?? 206, fields, part(range.from, range.to), framing)
}

/** The text of a head, its empty line included. */
export function headText(
  status: number,
  reason: string,
  fields: Iterable<readonly [string, string]>,
  rawLines: readonly string[] = [],
): string {
  const lines = [
    `HTTP/1.1 ${status} ${reason}`,
    ...Array.from(fields, ([name, value]) => `${name}: ${value}`),
    ...rawLines,
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

type Body = Pick<AnswerPlan, 'size' | 'bytes'>

function fixed(content: string | Uint8Array): Body {
  const all = Buffer.from(content)
  return { size: all.length, bytes: (from, size) => all.subarray(from, from + size) }
}

function finish(
  question: Question,
  step: Behaviour,
  status: number,
  fields: readonly (readonly [string, string])[],
  body: Body,
  framing: Framing,
): AnswerPlan {
  const bodiless = question.method === 'HEAD' || status === 204 || status === 304
  const closes = (framing === 'close' && !bodiless) || step.closes !== undefined
  const all = new Map<string, readonly [string, string]>()
  const put = (name: string, value: string | undefined): void => {
    if (value === undefined) all.delete(name.toLowerCase())
    else all.set(name.toLowerCase(), [name, value])
  }
  put('Date', new Date().toUTCString())
  for (const [name, value] of fields) put(name, value)
  if (framing === 'chunked' && status !== 204) put('Transfer-Encoding', 'chunked')
  if (framing === 'length' && status !== 204) put('Content-Length', String(body.size))
  if (closes && step.closes !== 'silently') put('Connection', 'close')
  for (const [name, value] of Object.entries(step.headers ?? {})) put(name, value)
  return {
    head: headText(status, step.reason ?? reasons[status] ?? '', all.values(), step.rawHeaderLines),
    framing,
    size: bodiless ? 0 : body.size,
    bytes: body.bytes,
    bodiless,
    closes,
  }
}

const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  206: 'Partial Content',
  302: 'Found',
  304: 'Not Modified',
  404: 'Not Found',
  416: 'Range Not Satisfiable',
  503: 'Service Unavailable',
}

/** One range; `undefined` where the field is absent or of a kind that may be ignored. */
function rangeOf(
  field: string | undefined,
  size: number,
): { readonly from: number; readonly to: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(field ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return undefined
  const [, first = '', last = ''] = match
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  if (from >= size || from >= to) return 'unsatisfiable'
  return { from, to }
}
