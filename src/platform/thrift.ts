/**
 * The daemon is a guest on its user's machine, and keeps no memory that it does not need (docs/performance.md).
 */
import { getHeapStatistics } from 'node:v8'

/**
 * Arguments of its Node. Left to itself V8 lets each of its two heaps grow by tens of MiB of garbage before it looks. It looks when
 * a tenth is new instead; a small young generation keeps what small files leave from growing old. `--optimize-for-size` takes less
 * still, and half as much time again for small files. V8's own reducer would wake an idle daemon: {@link collectGarbage} is called
 * when it comes to rest.
 */
export const memoryOptions: readonly string[] = [
  '--max-semi-space-size=2',
  '--heap-growing-percent=10',
  '--no-memory-reducer',
  '--expose-gc',
]

/**
 * Of glibc. Each thread of the pool would have an arena of its own and keep what it freed (9 MiB at rest), and what is freed would be
 * kept by small pieces that lie behind it (16 MiB with 64 connections, by malloc_stats).
 */
export const memoryEnvironment: Readonly<Record<string, string>> = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '32768',
}

/** Less than that is not worth a collection. */
const worthMiB = 2
let leftBytes = 0

/** Whether this thread has more on its heap than the last {@link collectGarbage} left. */
export function hasGrown(): boolean {
  return getHeapStatistics().used_heap_size - leftBytes > worthMiB * 2 ** 20
}

/**
 * All of it, in the thread that calls it, and what V8 keeps free goes back to the system: 35 ms, and as many in the journal's thread,
 * with 100,000 tasks queued. Nothing where Node was started without `--expose-gc`.
 */
export function collectGarbage(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  leftBytes = getHeapStatistics().used_heap_size
}
