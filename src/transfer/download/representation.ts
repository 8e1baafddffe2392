/**
 * Which bytes a URL served, and the proof that an answer gives more of the same. Two rules hold everywhere here: bytes of two
 * representations never meet in one file, and what cannot be compared does not fit.
 */
import { createHash } from 'node:crypto'
import type { Representation, RestartCause, Source } from '../../contract/bytes.ts'
import type { Proof } from '../../contract/words.ts'
import { digestOfText, digestText } from '../../contract/digests.ts'
import type { HeaderList } from '../../world/transport.ts'
import { digestField } from '../http/digest-field.ts'
import {
  contentLength,
  field,
  isCoded,
  parseContentRange,
  parseEtag,
  parseHttpDate,
  sameStrongEtag,
  tokens,
} from '../http/fields.ts'

/** Where an answer came from. */
export function sourceOf(askedUrl: string, servedUrl: string): Source {
  const query = queryMark(askedUrl)
  return { asked: placeOf(askedUrl), ...(query !== undefined && { query }), served: servedUrl }
}

function queryMark(url: string): string | undefined {
  const { search } = new URL(url)
  return search === '' ? undefined : createHash('sha256').update(search).digest('base64url').slice(0, 16)
}

/** Queries are left out: those of signed addresses are others each time. */
function placeOf(url: string): string {
  const { origin, pathname } = new URL(url)
  return origin + pathname
}

/** Whether it is where the bytes that are known came from. Whoever gives a task another address vouches for it. */
export function isSameSource({ source }: Representation, now: Source): boolean {
  return source === undefined || source.asked !== now.asked || placeOf(source.served) === placeOf(now.served)
}

/** Where the bytes that are known came from, if that is another place and redirects led there. */
export function firstPlace(known: Representation, now: Source): string | undefined {
  const { source } = known
  if (source === undefined || isSameSource(known, now) || placeOf(source.served) === source.asked) return undefined
  return source.served
}

/**
 * What an answer from there can be compared with. Validators are unique for one resource only (RFC 9110 §8.8.3): those of another,
 * to which the same address leads now, prove nothing even if they are equal. A digest does.
 */
export function comparable(known: Representation, now: Source): Representation {
  if (isSameSource(known, now)) return known
  const { etag: _, lastModified: __, ...rest } = known
  return rest
}

/**
 * What of the known bytes can prove something at the address that is asked now. A fresh query is welcome, since signed addresses have
 * another each time; but it may as well name another file, and of those one program gives many by the same date. A strong ETag is
 * not equal by chance.
 */
export function provable(known: Representation, askedUrl: string): Representation {
  const { source } = known
  if (source === undefined || source.asked !== placeOf(askedUrl) || source.query === queryMark(askedUrl)) return known
  const { etag, lastModified: _, ...rest } = known
  return { ...rest, ...(etag !== undefined && parseEtag(etag)?.weak === false && { etag }) }
}

/** A Last-Modified younger than this at its Date may stand for two different versions of that second (RFC 9110 §8.8.2.2). */
const settledMs = 60_000

/**
 * Whether an answer ends with its head. What such a head says of a length, a validator or a digest is of the file that it does not
 * bring (RFC 9110 §8.6, §15.3.5, §15.4.5).
 */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 304
}

/** What an answer without a range says of its bytes. */
export function representationOf(status: number, headers: HeaderList): Representation {
  if (isBodiless(status)) return { acceptsRanges: false, total: 0 }
  const total = contentLength(headers)
  const digest = announcedDigest(headers)
  const known = { ...(total !== undefined && { total }), ...(digest !== undefined && { digest }) }
  // A coding is made on the fly, so its bytes may differ each time though the validator does not: nothing could prove a range.
  if (isCoded(headers)) return { acceptsRanges: false, ...known }
  const etag = parseEtag(field(headers, 'etag'))?.text
  const lastModified = field(headers, 'last-modified')
  const date = field(headers, 'date')
  return {
    ...(etag !== undefined && { etag }),
    ...(lastModified !== undefined && { lastModified }),
    ...(date !== undefined && { date }),
    ...known,
    acceptsRanges: tokens(headers, 'accept-ranges').includes('bytes'),
  }
}

/** The digest of the whole, which is the same for each of its ranges (RFC 9530 §3). */
function announcedDigest(headers: HeaderList): string | undefined {
  const digest = digestField(headers, 'repr-digest')
  return digest === undefined ? undefined : digestText(digest)
}

/** A digest for which nobody can make other bytes is as good as a strong validator, where the server repeats it. */
function provingDigest(known: Representation): string | undefined {
  return known.digest !== undefined && /^sha-(?:512|256):/.test(known.digest) ? known.digest : undefined
}

/** The value of If-Range that can prove sameness, and by what; `undefined` if there is none (RFC 9110 §13.1.5). */
export function rangeCondition(
  known: Representation,
): { readonly value: string; readonly proof: 'strong ETag' | 'Last-Modified' } | undefined {
  const etag = parseEtag(known.etag)
  if (etag !== undefined && !etag.weak) return { value: etag.text, proof: 'strong ETag' }
  if (known.lastModified !== undefined && isSettled(known)) return { value: known.lastModified, proof: 'Last-Modified' }
  return undefined
}

function isSettled(known: Representation): boolean {
  const date = parseHttpDate(known.date, 0)
  // The Date tells the century of a year of two digits: without it every such year would be long past.
  const modified = parseHttpDate(known.lastModified, date ?? 0)
  return date !== undefined && modified !== undefined && date - modified >= settledMs
}

/** Whether bytes of it can ever be gone on from, now or by the digest; else there is no point in keeping them safe. */
export function canContinue(known: Representation, digestExpected: 'digest expected' | 'no digest'): boolean {
  if (rangeCondition(known) !== undefined || provingDigest(known) !== undefined) return true
  return digestExpected === 'digest expected' && known.total !== undefined
}

export type Judgement =
  | { readonly fits: true; readonly proof: Proof; readonly total: number; readonly to: number }
  /** `lied`: what it sent is not the range that it was asked for. */
  | { readonly fits: false; readonly why: string; readonly because: RestartCause; readonly lied: boolean }

/**
 * Judges a 206 against what is kept. `asked` says how it was asked: with If-Range, or with a plain Range because the server
 * did not honour If-Range.
 */
export function judgePartial(
  known: Representation,
  offset: number,
  headers: HeaderList,
  asked: 'if-range' | 'plain range',
  digestExpected: 'digest expected' | 'no digest',
): Judgement {
  const no = (why: string): Judgement => ({ fits: false, why, because: 'cannot go on', lied: false })
  const lie = (why: string): Judgement => ({ fits: false, why, because: 'cannot go on', lied: true })
  const other = (why: string): Judgement => ({ fits: false, why, because: 'bytes changed', lied: false })
  const etag = field(headers, 'etag')
  // First: however broken the rest is, this alone shows a change.
  if (known.etag !== undefined && etag !== undefined && known.etag !== etag)
    return other('the ETag on the server is another one now')
  if (differ(known.digest, announcedDigest(headers))) return other('the digest on the server is another one now')
  if (/^multipart\/byteranges/i.test(field(headers, 'content-type') ?? ''))
    return lie('the server answered in many parts')
  if (isCoded(headers)) return no('the server coded the range')
  const range = parseContentRange(field(headers, 'content-range'))
  if (range === undefined || 'unsatisfied' in range) return lie('the server did not say which range it sent')
  if (range.from !== offset) return lie(`the server sent the range from ${range.from} instead of ${offset}`)
  if (range.total === undefined) return no('the server did not say how long the whole is')
  if (known.total !== undefined && range.total !== known.total)
    return other(`the file on the server now has ${range.total} bytes instead of ${known.total}`)
  const length = contentLength(headers)
  if (length !== undefined && length !== range.to - range.from)
    return lie('the length of the answer contradicts its range')

  const lastModified = field(headers, 'last-modified')
  const fitting = (proof: Proof): Judgement => ({ fits: true, proof, total: range.total ?? 0, to: range.to })
  const condition = rangeCondition(known)
  if (condition?.proof === 'strong ETag' && sameStrongEtag(known.etag, etag))
    return fitting(asked === 'plain range' ? 'plain range' : 'strong ETag')
  if (condition?.proof === 'Last-Modified') {
    if (lastModified === known.lastModified) return fitting(asked === 'plain range' ? 'plain range' : 'Last-Modified')
    if (lastModified !== undefined) return other('the file on the server was modified')
  }
  if (provingDigest(known) !== undefined && announcedDigest(headers) === known.digest) return fitting('digest')
  if (digestExpected === 'digest expected' && known.total !== undefined && !modifiedSince(known, lastModified))
    return fitting('digest')
  return no(
    condition === undefined
      ? 'the server gave no validator that could prove that the bytes are the same'
      : 'the answer did not repeat the validator of the kept bytes',
  )
}

/** Digests of two algorithms cannot be compared. */
function differ(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return false
  return digestOfText(one)?.algorithm === digestOfText(other)?.algorithm && one !== other
}

function modifiedSince(known: Representation, lastModified: string | undefined): boolean {
  return known.lastModified !== undefined && lastModified !== undefined && known.lastModified !== lastModified
}

/** Whether a 200 to a conditional range shows that the representation has changed, so that asking again is of no use. */
export function showsChange(known: Representation, headers: HeaderList): boolean {
  const now = representationOf(200, headers)
  if (known.etag !== undefined && now.etag !== undefined && known.etag !== now.etag) return true
  if (differ(known.digest, now.digest)) return true
  return known.total !== undefined && now.total !== undefined && known.total !== now.total
}

/** Whether an answer of another place shows that it has no copy of the file. Its validators do not: each server makes its own. */
export function showsOther(known: Representation, status: number, headers: HeaderList): boolean {
  if (differ(known.digest, announcedDigest(headers))) return true
  if (isCoded(headers)) return false
  const isRange = status === 206 || status === 416
  const total = isRange ? parseContentRange(field(headers, 'content-range'))?.total : contentLength(headers)
  return known.total !== undefined && total !== undefined && known.total !== total
}

/**
 * What a whole answer instead of the rest says of the kept bytes. A server that only cannot do ranges repeats their validator,
 * or says nothing; that alone is no change.
 */
export function causeShown(known: Representation, headers: HeaderList): RestartCause {
  if (showsChange(known, headers)) return 'bytes changed'
  const lastModified = field(headers, 'last-modified')
  return rangeCondition(known)?.proof === 'Last-Modified' && modifiedSince(known, lastModified)
    ? 'bytes changed'
    : 'cannot go on'
}
