/**
 * Whether a write may be done by the very thread that read the bytes. It takes half the processor time of one that another thread
 * does, whose processor must first fetch the bytes out of this one's cache. But it keeps the thread for as long as it takes; so
 * only where the system takes bytes into its own memory at once: on a local disk, as long as that keeps up.
 *
 * A write that was slow all the same (too much waits for the disk, and the system lets writers wait) has the disk counted as far
 * for twenty times as long as it took: so, however slow a disk is, the thread waits for it a twentieth of its time at most.
 */

/** f_type of statfs(2) on Linux. One that is not here is taken for far, and so is every one of another system (never tried). */
const localTypes: ReadonlySet<number> = new Set([
  0xef53, // ext2 to ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0xf2f52010, // F2FS
  0x2fc12fc1, // ZFS
  0x01021994, // tmpfs
  0x794c7630, // overlayfs, which containers have
])

/** What a mebibyte takes where all is well is half a millisecond; and a busy machine may take the thread away for ten. */
const slowMs = 20
const restFactor = 20

/** @param type f_type, as `statfs` gives it */
export function isLocal(type: number): boolean {
  return process.platform === 'linux' && localTypes.has(type >>> 0)
}

export class NearDisk {
  readonly #isLocal: boolean
  readonly #now: () => number
  #farUntilMs = 0

  /** @param now ms that only grow; for tests */
  constructor(isLocal: boolean, now: () => number = () => performance.now()) {
    this.#isLocal = isLocal
    this.#now = now
  }

  /** True: `write` may be called. */
  get isNear(): boolean {
    return this.#isLocal && (this.#farUntilMs === 0 || this.#now() >= this.#farUntilMs)
  }

  /** Runs `work`, which writes in this thread, and sees how long it takes. */
  write<T>(work: () => T): T {
    const began = this.#now()
    try {
      return work()
    } finally {
      const ended = this.#now()
      const took = ended - began
      this.#farUntilMs = took < slowMs ? 0 : ended + took * restFactor
    }
  }
}
