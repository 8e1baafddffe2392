/** Digests as a seam: on the real machine a thread that re-reads what is already on disk. */
import type { File } from './file-system.ts'

export interface Hasher {
  /** Lower-case hex of the first `size` bytes of `file`. Rejects with `signal.reason` when aborted. */
  digest(file: File, size: number, algorithm: 'sha-256', signal: AbortSignal): Promise<string>
}
