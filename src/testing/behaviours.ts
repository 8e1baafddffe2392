/**
 * The behaviours of a {@link FaultServer} by name: what servers do, and what bad ones do. A step of a script is one of them,
 * or several joined by {@link together}: `together(ignoreRange(), cutAfter(1000))`. What a file has of itself (its ETag, its
 * size, whether it has ranges) is in its options; a behaviour changes it for one answer.
 */
import type { Behaviour, Breakage, Coding, DigestFields, Framing, Step } from './behaviour.ts'

/** Serves well. */
export const ok = (): Behaviour => ({})

// ------------------------------------------------------------------------------------------- breaking off

/** Closes the connection in good order after so many bytes of the body. */
export const cutAfter = (bytes: number): Behaviour => ({ breaks: { how: 'fin', after: bytes, of: 'body' } })
/** Resets the connection (TCP RST) after so many bytes of the body. */
export const resetAfter = (bytes: number): Behaviour => ({ breaks: { how: 'reset', after: bytes, of: 'body' } })
/** Silent until `server.release()`, then goes on. */
export const stallAfter = (bytes: number): Behaviour => ({ breaks: { how: 'stall', after: bytes, of: 'body' } })
/** Takes the request and says nothing until `server.release()`. */
export const stallBeforeHead = (): Behaviour => ({ breaks: { how: 'stall', after: 0, of: 'wire' } })
/** Breaks after so many bytes of the whole answer: in its head, in a chunk's size line, in a trailer. */
export const breakWireAfter = (bytes: number, how: Breakage): Behaviour => ({
  breaks: { how, after: bytes, of: 'wire' },
})
/** Sends so many bytes of the body at a time, this many ms apart. */
export const drip = (bytes: number, everyMs: number): Behaviour => ({ drip: { bytes, everyMs } })

// ------------------------------------------------------------------------------------------- status and redirects

/** This status, these headers, this body. */
export const status = (
  code: number,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = '',
): Behaviour => ({ status: code, headers, body })
/** Too busy: 503, or 429, with a Retry-After in seconds or as an HTTP date; `'none'` sends none. */
export const busy = (code: 429 | 503 = 503, retryAfter: number | string = 1): Behaviour =>
  status(code, retryAfter === 'none' ? {} : { 'Retry-After': String(retryAfter) }, 'too busy')
/** Leads to another address, absolute or relative. */
export const redirect = (to: string, code = 302): Behaviour => status(code, { Location: to })
/** Leads to the same address again, for ever. */
export const redirectToSelf = (): Step => (request) => redirect(request.path)
/** Serves the whole itself, but leads a request for a range elsewhere: what a mirror does that forgets. */
export const redirectResumesTo =
  (to: string): Step =>
  (request) =>
    request.headers['range'] === undefined ? ok() : redirect(to)

// ------------------------------------------------------------------------------------------- ranges

/** 200 with the whole, whatever range was asked. */
export const ignoreRange = (): Behaviour => ({ ignoreRange: true })
/** 206 for a range although If-Range names another representation. */
export const ignoreIfRange = (): Behaviour => ({ ignoreIfRange: true })
/** Lies about start, end or total in Content-Range; the bytes are those that were asked for. */
export const wrongContentRange = (lie: NonNullable<Behaviour['contentRange']>): Behaviour => ({ contentRange: lie })
/** 206 without any Content-Range. */
export const noContentRange = (): Behaviour => ({ headers: { 'Content-Range': undefined } })
/** 206 with another range than was asked, truthfully labelled; also for a plain GET. @param to behind the last byte */
export const otherRange = (from: number, to?: number): Behaviour => ({
  serveRange: { from, ...(to !== undefined && { to }) },
})
/** 206 as multipart/byteranges, the range cut into so many parts. */
export const multipart = (parts = 1): Behaviour => ({ multipart: { parts } })
/** 416 for any range, with this total in place of the true one. */
export const refuseRange = (total?: number | '*'): Behaviour => ({
  unsatisfiable: total === undefined ? {} : { total },
})
/** Announces another length of the body than it sends. */
export const claimLength = (bytes: number): Behaviour => ({ headers: { 'Content-Length': String(bytes) } })

// ------------------------------------------------------------------------------------------- sameness

/** This entity tag, or none, for the same bytes. A weak one begins with `W/`. */
export const withEtag = (etag: string | undefined): Behaviour => ({ etag })
/** This Last-Modified, or none. Text of the field: see {@link httpDate}. */
export const withLastModified = (date: string | undefined): Behaviour => ({ lastModified: date })
/** Says in Date that the answer was made then. A Last-Modified less than a minute before it proves nothing (RFC 9110 §8.8.2.2). */
export const dated = (date: string): Behaviour => ({ headers: { Date: date } })
/** From now on another representation, truthfully labelled; the file itself does not change (see `server.change`). */
export const other = (seed: string, etag: string, size?: number): Behaviour => ({
  seed,
  etag,
  ...(size === undefined ? {} : { size }),
})
/** Other bytes under the old validators: what a broken mirror does. */
export const lie = (seed: string): Behaviour => ({ seed })
/** The file has shrunk or grown, and its validators have not changed unless a new tag is given. */
export const resized = (bytes: number, etag?: string): Behaviour => ({
  size: bytes,
  ...(etag !== undefined && { etag }),
})
/** Another entity tag in the answer to a range, in spite of If-Range: a 206 of something else. */
export const otherValidator = (etag: string): Behaviour => ({ etag, ignoreIfRange: true })
/** Another representation with every answer. */
export const neverSettles = (): Step => (request) => other(`version ${request.number}`, `"v${request.number}"`)

/** A digest of what it serves, in the header or the trailer. @default Repr-Digest by sha-256 in the header */
export const withDigest = (digest: Partial<DigestFields> = {}): Behaviour => ({
  digest: { field: 'Repr-Digest', algorithm: 'sha-256', where: 'header', ...digest },
  ...(digest.where === 'trailer' && { framing: 'chunked' }),
})
/** As {@link withDigest}, of other bytes. */
export const wrongDigest = (digest: Partial<DigestFields> = {}): Behaviour => withDigest({ ...digest, wrong: true })

/** The file in this coding, ranges too, with its Content-Encoding, whether the client accepts it or not. */
export const coded = (coding: Coding): Behaviour => ({ coding })

// ------------------------------------------------------------------------------------------- framing

/** The body by Content-Length, in chunks, or up to the end of the connection. */
export const framed = (framing: Framing): Behaviour => ({ framing })
/** In chunks, with these fields behind the last one. */
export const trailers = (fields: Readonly<Record<string, string>>): Behaviour => ({
  framing: 'chunked',
  trailers: fields,
})
/** So many bytes of rubbish behind the end of the body. */
export const excess = (bytes: number): Behaviour => ({ excess: bytes })
/** A chunk whose size is no number, after so many bytes of the body. */
export const badChunk = (afterBytes: number): Behaviour => ({ framing: 'chunked', badChunkAfter: afterBytes })
/** Both framings at once: Transfer-Encoding and Content-Length. */
export const bothLengths = (): Behaviour => ({ framing: 'chunked', rawHeaderLines: ['Content-Length: 5'] })
/** Whatever you like, byte for byte, in place of an answer; then the connection is closed. */
export const raw = (bytes: string | Uint8Array): Behaviour => ({ raw: { bytes } })
/** A head that is none. */
export const malformedHead = (): Behaviour => raw('HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 0\r\n\r\n')
/** A header of so many bytes. */
export const hugeHead = (bytes: number): Behaviour => ({ headers: { 'X-Huge': 'x'.repeat(bytes) } })
/** The head in packets of so many bytes. */
export const splitHead = (bytes = 1): Behaviour => ({ headPieceBytes: bytes })
/** Interim answers (1xx) before the real one. */
export const interim = (code: number, count = 1, headers: Readonly<Record<string, string>> = {}): Behaviour => ({
  interim: Array.from({ length: count }, () => ({ status: code, headers })),
})
/** Closes the connection behind a whole answer, having said so or not. */
export const closes = (how: 'announced' | 'silently' = 'announced'): Behaviour => ({ closes: how })

/** As HTTP writes a date: whole seconds, GMT. */
export const httpDate = (date: Date | number): string => new Date(date).toUTCString()
