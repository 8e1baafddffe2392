// Digests of the simulated machine: a file is followed with the reads of its disk, each of which takes its time.
import type { DigestAlgorithm } from '../../src/contract/digests.ts'
import { runningDigest, type RunningDigest } from '../../src/platform/running-digest.ts'
import type { File } from '../../src/world/file-system.ts'
import type { Following, Hasher } from '../../src/world/hasher.ts'

const blockSize = 64 * 1024

export function simulatedHasher(): Hasher {
  return { follow: (file, algorithms) => new SimulatedFollowing(file, algorithms) }
}

class SimulatedFollowing implements Following {
  readonly #file: File
  readonly #digests: ReadonlyMap<DigestAlgorithm, RunningDigest>
  #frontier = 0
  #at = 0
  /** Never rejects. */
  #reading: Promise<void> | undefined
  #failure: Error | undefined
  #over = false

  constructor(file: File, algorithms: readonly DigestAlgorithm[]) {
    this.#file = file
    this.#digests = new Map(algorithms.map((algorithm) => [algorithm, runningDigest(algorithm)]))
  }

  advance(to: number): void {
    if (to <= this.#frontier) return
    this.#frontier = to
    this.#follow()
  }

  async finish(size: number, signal: AbortSignal): Promise<ReadonlyMap<DigestAlgorithm, string>> {
    signal.throwIfAborted()
    this.advance(size)
    while (this.#reading !== undefined) {
      await this.#reading
      if (signal.aborted) this.stop()
      signal.throwIfAborted()
    }
    if (this.#failure !== undefined) throw this.#failure
    this.#over = true
    return new Map([...this.#digests].map(([algorithm, digest]) => [algorithm, digest.hex()]))
  }

  stop(): void {
    this.#over = true
  }

  #follow(): void {
    if (this.#reading !== undefined || this.#over || this.#at >= this.#frontier) return
    this.#reading = this.#readBlock().then(
      () => {
        this.#reading = undefined
        this.#follow()
      },
      (error: unknown) => {
        this.#reading = undefined
        this.#failure = error instanceof Error ? error : new Error(String(error))
        this.#over = true
      },
    )
  }

  async #readBlock(): Promise<void> {
    const block = new Uint8Array(Math.min(blockSize, this.#frontier - this.#at))
    const read = await this.#file.read(block, this.#at)
    if (read === 0) throw new Error(`the file ends at ${this.#at} of ${this.#frontier} bytes`)
    for (const digest of this.#digests.values()) digest.update(block.subarray(0, read))
    this.#at += read
  }
}
