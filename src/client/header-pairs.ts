/** Headers as a user writes them, turned into pairs and checked (RFC 9110 §5.5, §5.6.2). Pure. */
import { type HeaderPairs } from '../contract/task.ts'
import { invalid, isFields, isPlain, shown } from './known-names.ts'

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Visible characters, spaces and tabs; bytes above 0x7f as Latin-1. CR, LF and NUL would let a value begin a new header. */
// oxlint-disable-next-line no-control-regex -- the tab is one of the characters that are allowed
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/

/** Of the connection and of the body's frame: whoever sets them by hand breaks the message. Never taken from anybody. */
const ofTheMessage: readonly string[] = [
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]
/** Longhaul's own: with them set by hand, bytes could no longer be proven to belong together. */
const ofTheTransfer: readonly string[] = [
  'accept-encoding',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
]

/** Of a request that has one of them twice each server believes another (RFC 9110 §5.3), and HTTP/2 carries none. */
const once: ReadonlySet<string> = new Set([
  'authorization',
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
  'date',
  'dnt',
  'from',
  'max-forwards',
  'referer',
  'upgrade-insecure-requests',
  'user-agent',
])

/**
 * @param rules `'request'` allows Authorization; `'session'` (httpAdditionalHeaders) does not
 * @throws INVALID_ARGUMENT naming the header
 */
export function headerPairs(
  value: unknown,
  name: string,
  rules: 'request' | 'session',
  consequence: string,
): HeaderPairs {
  const seen = new Set<string>()
  return entriesOf(value, name, consequence).map(([field, text]) => {
    if (typeof field !== 'string' || !token.test(field))
      throw invalid(name, `${shown(field)} is not a header name`, consequence)
    if (typeof text !== 'string')
      throw invalid(name, `the value of '${field}' must be a string, not ${shown(text)}`, consequence)
    const trimmed = text.replace(/^[\t ]+|[\t ]+$/g, '')
    if (!fieldValue.test(trimmed)) {
      throw invalid(
        name,
        `the value of '${field}' has characters that a header cannot carry (line breaks, NUL, or others beyond Latin-1)`,
        consequence,
      )
    }
    const lower = field.toLowerCase()
    if (ofTheMessage.includes(lower) || lower.startsWith('proxy-')) {
      throw invalid(name, `'${field}' belongs to the connection and cannot be set`, consequence)
    }
    if (ofTheTransfer.includes(lower)) {
      throw invalid(
        name,
        `'${field}' is set by Longhaul itself, which has to prove that the bytes it joins belong together`,
        consequence,
      )
    }
    if (rules === 'session' && lower === 'authorization') {
      throw invalid(name, `'${field}' would be sent to every host; set it on the request that needs it`, consequence)
    }
    if (once.has(lower) && seen.has(lower))
      throw invalid(name, `'${field}' stands there twice; a request has it once`, consequence)
    seen.add(lower)
    return [field, trimmed] as const
  })
}

function entriesOf(value: unknown, name: string, consequence: string): readonly (readonly [unknown, unknown])[] {
  if (value === undefined) return []
  if (!isPlain(value) && value instanceof Headers) return [...value]
  if (Array.isArray(value)) {
    return value.map((pair: unknown) => {
      if (!Array.isArray(pair) || pair.length !== 2)
        throw invalid(name, 'each entry of the array must be [name, value]', consequence)
      return [pair[0], pair[1]]
    })
  }
  if (isFields(value)) return Object.entries(value).filter(([, text]) => text !== undefined)
  throw invalid(name, `${shown(value)} is not headers; give an object, pairs, or Headers`, consequence)
}
