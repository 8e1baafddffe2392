/** What a {@link FaultServer} does with one request, as plain data; the functions that make it are in `behaviours.ts`. */
import type { ReceivedRequest } from './request-record.ts'

/** `fin`: closed in good order. `reset`: TCP RST. `cut`: FIN without TLS's farewell. `stall`: silence until `release()`. */
export type Breakage = 'fin' | 'reset' | 'cut' | 'stall'

export type Framing = 'length' | 'chunked' | 'close'

export type Coding = 'gzip' | 'deflate' | 'br'

export interface DigestFields {
  /** `Repr-Digest` is of the whole representation, `Content-Digest` of the bytes of this message (RFC 9530). */
  readonly field: 'Repr-Digest' | 'Content-Digest'
  readonly algorithm: 'sha-256' | 'sha-512' | 'sha' | 'md5'
  /** A trailer needs the chunked framing. */
  readonly where: 'header' | 'trailer'
  /** Of other bytes. */
  readonly wrong?: boolean
}

export interface Behaviour {
  readonly status?: number
  readonly reason?: string
  /** Replace ours of the same name; `undefined` takes ours away. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  /** In place of the file. */
  readonly body?: string | Uint8Array
  readonly framing?: Framing
  /** Written as they are, before the empty line of the head. */
  readonly rawHeaderLines?: readonly string[]
  /** The head leaves in pieces of so many bytes, each in a packet of its own. */
  readonly headPieceBytes?: number
  /** Breaks the connection after so many bytes of the body, or with `of: 'wire'` of the whole answer. */
  readonly breaks?: { readonly how: Breakage; readonly after: number; readonly of: 'body' | 'wire' }
  /** Writes `bytes` at a time, this many ms apart. */
  readonly drip?: { readonly bytes: number; readonly everyMs: number }
  readonly ignoreRange?: boolean
  /** Answers a range by 206 also where If-Range names another representation. */
  readonly ignoreIfRange?: boolean
  /** Answers by 206 with this range, truthfully labelled, whatever was asked; `to` is behind the last byte. */
  readonly serveRange?: { readonly from: number; readonly to?: number }
  /** Answers a range by a multipart/byteranges body of so many parts. */
  readonly multipart?: { readonly parts: number }
  /** Answers a range by 416, with this total in place of the true one. */
  readonly unsatisfiable?: { readonly total?: number | '*' }
  /** Lies in Content-Range; the bytes are what was asked for. */
  readonly contentRange?: { readonly start?: number; readonly end?: number; readonly total?: number | '*' }
  /** Serves these bytes in place of the file's. */
  readonly seed?: string
  readonly size?: number
  /** Says so in place of the file's; `undefined` sends none. */
  readonly etag?: string | undefined
  readonly lastModified?: string | undefined
  /** Serves the file in this coding, ranges too, whether it is accepted or not. */
  readonly coding?: Coding
  readonly digest?: DigestFields
  /** So many bytes of rubbish follow the body. */
  readonly excess?: number
  readonly trailers?: Readonly<Record<string, string>>
  /** Interim answers before the real one. */
  readonly interim?: readonly { readonly status: number; readonly headers?: Readonly<Record<string, string>> }[]
  /** In place of everything; then the connection is closed unless `keepOpen`. */
  readonly raw?: { readonly bytes: string | Uint8Array; readonly keepOpen?: boolean }
  readonly chunkBytes?: number
  /** The size line of the chunk that follows after so many bytes of the body is not a number. */
  readonly badChunkAfter?: number
  /** Closes when the answer is whole, saying `Connection: close`; or without saying it. */
  readonly closes?: 'announced' | 'silently'
}

/** A behaviour, or what makes one for the request that has come. */
export type Step = Behaviour | ((request: ReceivedRequest) => Behaviour)

/** Joins behaviours; of two that say different things the later one counts, field by field of a head or a trailer. */
export function together(...behaviours: readonly Behaviour[]): Behaviour {
  return behaviours.reduce((all, next) => ({
    ...all,
    ...next,
    ...((all.headers ?? next.headers) !== undefined && { headers: { ...all.headers, ...next.headers } }),
    ...((all.trailers ?? next.trailers) !== undefined && { trailers: { ...all.trailers, ...next.trailers } }),
  }))
}
