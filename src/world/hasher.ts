/** Digests as a seam: on the real machine a thread that re-reads what is already on disk. */
import type { DigestAlgorithm } from '../contract/digests.ts'
import type { File } from './file-system.ts'

export interface Hasher {
  /**
   * Digests of `file`, computed while it still grows. The file is read, so it must be open until the following is over; on the
   * real machine closing it waits for that. Whoever follows therefore finishes or stops.
   */
  follow(file: File, algorithms: readonly DigestAlgorithm[]): Following
}

/**
 * Bytes are read once and never looked at again. So where bytes that it was told of are written anew (thrown away after a
 * failed sync, say), nothing mends it: a new one has to begin.
 */
export interface Following {
  /** The bytes [0, to) are written and will not change. A smaller number than before says nothing new. */
  advance(to: number): void
  /**
   * Lower-case hex of the first `size` bytes, which are all written now. Once only; it is over when this settles.
   * Rejects with `signal.reason` when aborted, and with a FileFailure for what could not be read, also earlier.
   */
  finish(size: number, signal: AbortSignal): Promise<ReadonlyMap<DigestAlgorithm, string>>
  /** No digest is wanted any more. Harmless after the end. */
  stop(): void
}
