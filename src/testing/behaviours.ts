/**
 * What a {@link FaultServer} may do in place of a good answer. A step of a script is plain data; steps are joined by
 * spreading: `{ ...ignoreRange(), ...cutAfter(1000) }`.
 */

/** `fin`: closed in good order. `reset`: TCP RST. `cut`: FIN without TLS's farewell. `stall`: silence until `release()`. */
export type Breakage = 'fin' | 'reset' | 'cut' | 'stall'

export type Framing = 'length' | 'chunked' | 'close'

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
  /** Breaks the connection after so many bytes of the body, or with `of: 'wire'` of the whole answer. */
  readonly breaks?: { readonly how: Breakage; readonly after: number; readonly of: 'body' | 'wire' }
  /** Writes `bytes` at a time, this many ms apart. */
  readonly drip?: { readonly bytes: number; readonly everyMs: number }
  readonly ignoreRange?: boolean
  /** Lies in Content-Range; the bytes are what was asked for. */
  readonly contentRange?: { readonly start?: number; readonly end?: number; readonly total?: number | '*' }
  /** Serves these bytes in place of the file's. */
  readonly seed?: string
  readonly size?: number
  /** Says so in place of the file's; `undefined` sends none. */
  readonly etag?: string | undefined
  readonly lastModified?: string | undefined
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

export const ok = (): Behaviour => ({})

export const cutAfter = (bytes: number): Behaviour => ({ breaks: { how: 'fin', after: bytes, of: 'body' } })
export const resetAfter = (bytes: number): Behaviour => ({ breaks: { how: 'reset', after: bytes, of: 'body' } })
/** Silent until `server.release()`, then goes on. */
export const stallAfter = (bytes: number): Behaviour => ({ breaks: { how: 'stall', after: bytes, of: 'body' } })
export const stallBeforeHead = (): Behaviour => ({ breaks: { how: 'stall', after: 0, of: 'wire' } })
export const breakWireAfter = (bytes: number, how: Breakage): Behaviour => ({
  breaks: { how, after: bytes, of: 'wire' },
})

export const drip = (bytes: number, everyMs: number): Behaviour => ({ drip: { bytes, everyMs } })

export const status = (
  code: number,
  headers: Readonly<Record<string, string>> = {},
  body: string | Uint8Array = '',
): Behaviour => ({ status: code, headers, body })
export const redirect = (to: string, code = 302): Behaviour => status(code, { Location: to })

export const ignoreRange = (): Behaviour => ({ ignoreRange: true })
export const wrongContentRange = (lie: NonNullable<Behaviour['contentRange']>): Behaviour => ({ contentRange: lie })
/** From now on another representation, truthfully labelled; the file itself does not change (see `server.change`). */
export const other = (seed: string, etag: string, size?: number): Behaviour => ({
  seed,
  etag,
  ...(size === undefined ? {} : { size }),
})
/** Other bytes under the old validators: what a broken mirror does. */
export const lie = (seed: string): Behaviour => ({ seed })
export const withEtag = (etag: string | undefined): Behaviour => ({ etag })

export const excess = (bytes: number): Behaviour => ({ excess: bytes })
export const raw = (bytes: string | Uint8Array): Behaviour => ({ raw: { bytes } })
export const badChunk = (afterBytes: number): Behaviour => ({ framing: 'chunked', badChunkAfter: afterBytes })
export const hugeHead = (bytes: number): Behaviour => ({ headers: { 'X-Huge': 'x'.repeat(bytes) } })
export const interim = (code: number, count = 1, headers: Readonly<Record<string, string>> = {}): Behaviour => ({
  interim: Array.from({ length: count }, () => ({ status: code, headers })),
})
export const bothLengths = (): Behaviour => ({ framing: 'chunked', rawHeaderLines: ['Content-Length: 5'] })
export const trailers = (fields: Readonly<Record<string, string>>): Behaviour => ({
  framing: 'chunked',
  trailers: fields,
})
export const framed = (framing: Framing): Behaviour => ({ framing })
