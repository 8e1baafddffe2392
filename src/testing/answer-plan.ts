/** What a {@link FaultServer} will answer: the good answer (RFC 9110 §13, §14), bent by the step of a script. */
import type { Behaviour, Framing, Step } from './behaviour.ts'
import { boundary, multipartOf, rangeOf } from './byte-ranges.ts'
import type { Pattern } from './pattern.ts'
import { coded, digestField, fixed, partOf, type Representation } from './representation.ts'

export interface FileOptions {
  /** @default that of the content */
  readonly size?: number
  /** Bytes of your own. @default made by the seed, of any size and without taking memory */
  readonly content?: string | Uint8Array
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
  /** Each request takes the next step. */
  readonly script?: readonly Step[]
  /** What each request gets when the script is over. @default good service */
  readonly afterwards?: Step
  /** Answers that may be under way at once, each on a connection of its own; further requests get `whenBusy`. */
  readonly maximumAtOnce?: number
  /** @default busy(503, 1) */
  readonly whenBusy?: Step
}

export interface Question {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
}

/** One answer, ready to be written. */
export interface AnswerPlan {
  readonly status: number
  readonly head: string
  readonly framing: Framing
  /** Of the body; 0 where none may follow. */
  readonly size: number
  bytes(from: number, size: number): Uint8Array
  readonly trailers: Readonly<Record<string, string>>
  /** An answer to HEAD, 204 and 304 end with their head. */
  readonly bodiless: boolean
  readonly closes: boolean
}

type Fields = (readonly [string, string])[]

export function planAnswer(
  question: Question,
  file: FileOptions | undefined,
  step: Behaviour,
  pattern: (seed: string | undefined) => Pattern,
): AnswerPlan {
  if (file === undefined) return finish(question, step, { status: 404, body: fixed('no such file'), framing: 'length' })
  const extra = Object.entries(file.headers ?? {})
  if (step.body !== undefined || (step.status ?? 200) >= 300) {
    const body = fixed(step.body ?? '')
    return finish(question, step, {
      status: step.status ?? 200,
      fields: extra,
      body,
      framing: step.framing ?? 'length',
    })
  }

  const etag = 'etag' in step ? step.etag : file.etag
  const lastModified = 'lastModified' in step ? step.lastModified : file.lastModified
  const whole = coded(bytesOf(file, step, pattern), step.coding)
  const fields: Fields = [['Content-Type', 'application/octet-stream']]
  if (file.ranges !== false) fields.push(['Accept-Ranges', 'bytes'])
  if (etag !== undefined) fields.push(['ETag', etag])
  if (lastModified !== undefined) fields.push(['Last-Modified', lastModified])
  if (step.coding !== undefined) fields.push(['Content-Encoding', step.coding])
  fields.push(...extra)

  const framing = step.framing ?? file.framing ?? 'length'
  if (isKnown(question, etag, lastModified)) {
    return finish(question, step, { status: 304, fields, body: fixed(''), framing })
  }
  const ifRange = question.headers['if-range']
  const sameAsAsked =
    step.ignoreIfRange === true ||
    ifRange === undefined ||
    ifRange === lastModified ||
    (ifRange === etag && !ifRange.startsWith('W/'))
  const mayAnswerRange = file.ranges !== false && step.ignoreRange !== true && sameAsAsked
  const asked = mayAnswerRange ? rangeOf(question.headers['range'], whole.size) : undefined
  const { serveRange } = step
  const range = serveRange === undefined ? asked : { from: serveRange.from, to: serveRange.to ?? whole.size }
  if (range === undefined) return finish(question, step, { status: 200, fields, body: whole, whole, framing })
  if (range === 'unsatisfiable' || step.unsatisfiable !== undefined) {
    fields.push(['Content-Range', `bytes */${step.unsatisfiable?.total ?? whole.size}`])
    return finish(question, step, { status: 416, fields, body: fixed(''), framing: 'length' })
  }
  if (step.multipart !== undefined) {
    fields[0] = ['Content-Type', `multipart/byteranges; boundary=${boundary}`]
    const body = multipartOf(whole, range, step.multipart.parts)
    return finish(question, step, { status: 206, fields, body, whole, framing })
  }
  const said = { start: range.from, end: range.to - 1, total: whole.size, ...step.contentRange }
  fields.push(['Content-Range', `bytes ${said.start}-${said.end}/${said.total}`])
  return finish(question, step, { status: 206, fields, body: partOf(whole, range.from, range.to), whole, framing })
}

/** What the step serves of a file, before any coding. */
export function bytesOf(
  file: FileOptions,
  step: Pick<Behaviour, 'seed' | 'size'>,
  pattern: (seed: string | undefined) => Pattern,
): Representation {
  if (file.content !== undefined && step.seed === undefined) {
    const content = fixed(file.content)
    return partOf(content, 0, Math.min(content.size, step.size ?? file.size ?? content.size))
  }
  const source = pattern(step.seed ?? file.seed)
  return { size: step.size ?? file.size ?? 0, bytes: (from, size) => source.bytes(from, size) }
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

/** Whether the client says that it has this one already; tags are compared weakly (RFC 9110 §13.1.2). */
function isKnown({ headers }: Question, etag: string | undefined, lastModified: string | undefined): boolean {
  const ifNoneMatch = headers['if-none-match']
  if (ifNoneMatch === '*') return true
  if (ifNoneMatch !== undefined) {
    const tags: readonly string[] = ifNoneMatch.match(/"[^"]*"/g) ?? []
    return etag !== undefined && tags.includes(etag.replace(/^W\//, ''))
  }
  return lastModified !== undefined && headers['if-modified-since'] === lastModified
}

interface Answer {
  /** Unless the step says another one. */
  readonly status: number
  readonly fields?: Fields
  readonly body: Representation
  /** That the body is, or is a part of; where there is none, there is no digest. */
  readonly whole?: Representation
  readonly framing: Framing
}

function finish(question: Question, step: Behaviour, answer: Answer): AnswerPlan {
  const { framing, body, whole } = answer
  const status = step.status ?? answer.status
  const bodiless = question.method === 'HEAD' || status === 204 || status === 304
  const closes = (framing === 'close' && !bodiless) || step.closes !== undefined
  const trailers: Record<string, string> = { ...step.trailers }
  const all = new Map<string, readonly [string, string]>()
  const put = (name: string, value: string | undefined): void => {
    if (value === undefined) all.delete(name.toLowerCase())
    else all.set(name.toLowerCase(), [name, value])
  }
  put('Date', new Date().toUTCString())
  for (const [name, value] of answer.fields ?? []) put(name, value)
  if (step.digest !== undefined && whole !== undefined) {
    const value = digestField(step.digest.field === 'Repr-Digest' ? whole : body, step.digest)
    if (step.digest.where === 'trailer') trailers[step.digest.field] = value
    else put(step.digest.field, value)
  }
  if (framing === 'chunked' && status !== 204) put('Transfer-Encoding', 'chunked')
  if (framing === 'length' && status !== 204) put('Content-Length', String(body.size))
  if (closes && step.closes !== 'silently') put('Connection', 'close')
  for (const [name, value] of Object.entries(step.headers ?? {})) put(name, value)
  return {
    status,
    head: headText(status, step.reason ?? reasons[status] ?? '', all.values(), step.rawHeaderLines),
    framing,
    size: bodiless ? 0 : body.size,
    bytes: (from, count) => body.bytes(from, count),
    trailers,
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
  429: 'Too Many Requests',
  503: 'Service Unavailable',
}
