/**
 * The values that cross the door, each with the rule that it must keep. Whoever is at the other end proved that it is this
 * user, so these rules do not hold off an enemy: they see to it that a mistake, or a client of another version, cannot put
 * anything into the journal that no later reader is ready for.
 */
import { isAbsolute, sep } from 'node:path'
import { z } from 'zod'
import { bypassRule } from '../contract/bypass.ts'
import { credentialProblem, proxyAddress, type ProxyJson, proxyUrl } from '../contract/proxy.ts'
import type { RequestFacts } from '../contract/task.ts'
import { isTaskId, type TaskId } from '../contract/words.ts'

type Text = z.ZodType<string>
type Count = z.ZodType<number>

/** RFC 9110 §5.6.2. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9110 §5.5: no CR, LF or NUL, with which a value would begin a new header. */
// oxlint-disable-next-line no-control-regex -- the tab is one of the characters that are allowed
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/
/** Of the connection and of the frame of the message: set by hand they would make one request look like two. */
const ofTheMessage: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** Characters of names and values of one request, or of the headers of a session. */
const headersLimit = 64 * 1024
const centuryMs = 36_525 * 86_400_000

export const flag: z.ZodType<boolean> = z.boolean()

/** Text of a limited length without NUL: neither SQLite's nor the system's functions go on behind one. */
export function text(most: number): Text {
  return z
    .string()
    .max(most, `has more than ${most} characters`)
    .refine((value) => !value.includes('\0'), 'holds a NUL')
}

export function count(from: number, to: number = Number.MAX_SAFE_INTEGER): Count {
  return z.number().int().min(from, `must be at least ${from}`).max(to, `must be at most ${to}`)
}

/** A limit. */
export const bytesPerSecond: Count = count(1)
export const sequence: Count = count(1)
export const fence: Count = count(0)
export const durationMs: Count = z.number().min(0, 'must not be negative').max(centuryMs, 'is longer than a century')
export const timeoutMs: Count = z.number().positive('must be more than 0').max(centuryMs, 'is longer than a century')
/** Wall ms, as far as a Date reaches. */
export const dateMs: Count = z.number().min(-8.64e15).max(8.64e15)

export const identifier: Text = z
  .string()
  .refine(
    (value) => value.length > 0 && value.length <= 255 && !/[\s\p{C}]/u.test(value),
    'is not 1–255 visible characters',
  )

export const taskId: z.ZodType<TaskId> = z.string().refine(isTaskId, 'is not the id of a task (26 characters)')

/** An absolute path. */
export const folder: Text = text(4096).refine((value) => isAbsolute(value), 'is not an absolute path')

/** One component of a path: it must not lead anywhere else. */
export const fileName: Text = text(255).refine(
  (value) =>
    value !== '' &&
    value !== '.' &&
    value !== '..' &&
    !value.includes('/') &&
    !value.includes(sep) &&
    Buffer.byteLength(value) <= 255,
  'is not the name of a file in a folder',
)

export const url: Text = text(64 * 1024).superRefine((value, context) => {
  const refuse = (message: string, code: 'BAD_URL' | 'UNSUPPORTED_URL'): void =>
    context.addIssue({ code: 'custom', message, params: { code } })
  const parsed = URL.parse(value)
  if (parsed === null) return refuse('is not a valid URL', 'BAD_URL')
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')
    return refuse(`has the scheme '${parsed.protocol}', and only http: and https: are supported`, 'UNSUPPORTED_URL')
  // A control character would have been dropped in silence by the parser: what is shown and what is asked would differ.
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  if (/[\x00-\x20\x7f]/.test(value)) refuse('holds blanks or control characters', 'BAD_URL')
})

/** Without a credential in its address, which may be shown. */
export const proxy: z.ZodType<ProxyJson> = z.union([
  z.enum(['none', 'system']),
  z
    .object({
      url: text(4096),
      bypass: list(
        text(1024).refine((entry) => bypassRule(entry) !== undefined, 'is not a host, an address or a net'),
        1000,
      ),
      credential: z.object({ user: text(1024), password: text(4096) }).exactOptional(),
    })
    .superRefine(({ url, credential }, context) => {
      const address = proxyAddress(url)
      if (typeof address === 'string' || proxyUrl(address) !== url || address.credential !== undefined)
        return context.addIssue({ code: 'custom', path: ['url'], message: 'is not the address of a proxy alone' })
      const problem = credential && credentialProblem(address.kind, credential)
      if (problem !== undefined) context.addIssue({ code: 'custom', path: ['credential'], message: problem })
    }),
])

export const method: Text = z.string().max(64).regex(token, 'is not a method')

type Headers = RequestFacts['headers']

export const headers: z.ZodType<Headers> = headerPairs(new Set())

/** Of a session: `Authorization` would go to every host. */
export const sessionHeaders: z.ZodType<Headers> = headerPairs(new Set(['authorization']))

function headerPairs(refused: ReadonlySet<string>): z.ZodType<Headers> {
  const name = z
    .string()
    .regex(token, 'is not a header name')
    .refine((value) => {
      const lower = value.toLowerCase()
      return !ofTheMessage.has(lower) && !lower.startsWith('proxy-') && !refused.has(lower)
    }, 'belongs to the connection, or to a single request, and cannot be set here')
  const value = z.string().regex(fieldValue, 'has characters that a header cannot carry')
  return z
    .array(z.tuple([name, value]))
    .max(1000)
    .refine(
      (pairs) => pairs.reduce((sum, [a, b]) => sum + a.length + b.length, 0) <= headersLimit,
      `are longer than ${headersLimit} characters together`,
    )
}

/** Names and values of environment variables. */
export const environment: z.ZodType<Readonly<Record<string, string>>> = z
  .record(
    text(1024).refine((name) => name !== '' && !name.includes('='), 'is not the name of a variable'),
    text(128 * 1024),
  )
  .refine((variables) => Object.keys(variables).length <= 1000, 'are more than 1000 variables')

/** JSON text, kept as it is. */
export const json: Text = text(64 * 1024).refine((value) => {
  try {
    JSON.parse(value)
    return Buffer.byteLength(value) <= 64 * 1024
  } catch {
    return false
  }
}, 'is not JSON of at most 64 KiB')

/** A list with a limit. */
export function list<T>(item: z.ZodType<T>, most: number): z.ZodType<readonly T[]> {
  return z.array(item).max(most, `has more than ${most} entries`)
}
