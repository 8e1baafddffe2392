/** Plain records about bytes and files that the journal keeps and the transfer makes. */
import type { ResponseJson } from './task.ts'

/** Sorted, disjoint, half-open: [from, to). */
export type ByteRanges = readonly (readonly [from: number, to: number])[]

/** How one URL's bytes at one time are known. `date` is the Date header, for the rule of one minute. */
export interface Representation {
  readonly etag?: string
  readonly lastModified?: string
  readonly date?: string
  /** Bytes of the whole. */
  readonly total?: number
  /** Of the whole, as the server announced it: 'sha-256:HEX'. */
  readonly digest?: string
  readonly acceptsRanges: boolean
  readonly source?: Source
}

/** What was asked for, and where redirects led. */
export interface Source {
  /** Without its query. */
  readonly asked: string
  /** Tells its query from another, and says nothing of it, since there may be a signature in it. Absent: it has none. */
  readonly query?: string
  /** Whole, so that it can be asked again; as such it is no more than the answer's `url`, which is kept as well. */
  readonly served: string
}

/** Tells a file or folder from another that reuses its inode. `device` holds within one boot only; empty: not known. */
export interface PartIdentity {
  readonly inode: string
  /** 0 where the file system keeps none. */
  readonly birthMs: number
  readonly device: string
}

/** A folder, however its path is written. Holds within one boot. */
export interface Place {
  readonly device: string
  readonly inode: string
}

export interface Part {
  /** Absolute. */
  readonly folder: string
  readonly name: string
  /** Absent between `reserve` and the first checkpoint. */
  readonly identity?: PartIdentity
  /** Safe on disk. */
  readonly ranges: ByteRanges
  readonly representation?: Representation
}

/** Recorded before a file is published; the point of no return. */
export interface PublishIntent {
  readonly folder: string
  readonly name: string
  readonly how: 'replace' | 'link'
  readonly identity: PartIdentity
  readonly bytes: number
  /** 'sha-256:HEX' */
  readonly digest?: string
  readonly lengthVerified: boolean
  /** Size and mtime (ms) of the part when the intent was recorded; compared when it is recovered. */
  readonly modifiedMs: number
}

/** The file that a finished download left, so that a later conditional request can be trusted. */
export interface Delivered {
  readonly folder: string
  readonly name: string
  readonly identity: PartIdentity
  readonly size: number
  readonly modifiedMs: number
}

/** What becomes of the bytes that an earlier attempt kept: of a part in another folder they are copied. */
export type KeptBytes = 'in place' | 'to be copied' | 'none'

/**
 * Why kept bytes are given up. `bytes changed`: there are other bytes than before, so that a whole file may never come
 * together; so many of these in a row end the task. `cannot go on`: nothing says that they changed, but they cannot be gone on
 * from (no ranges, no validator, the part is gone); the task starts over as often as it takes.
 */
export type RestartCause = 'bytes changed' | 'cannot go on'

/** What an earlier task of the same key left, so that a conditional request may find it still the newest. */
export interface DeliveredBefore {
  readonly file: Delivered
  readonly response: ResponseJson
  readonly representation: Representation
  /** Whether it was proven that nothing of the file is missing, by its length, the end of its body or a digest. */
  readonly lengthVerified: boolean
  /** 'sha-256:HEX' */
  readonly digest?: string
}
