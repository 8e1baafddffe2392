/**
 * Whether a call of the system may be done by this very thread. To hand a small one to the pool costs more than the call; and bytes
 * that another thread writes cost twice the processor time, as its processor must first fetch them out of this one's cache. But a call keeps its
 * thread for as long as it takes. So only where the system answers out of its own memory: on a local disk, as long as that keeps
 * up; and never what may wait for the disk by its nature: a sync, freeing what a large file takes (unlink, rename onto it, resize, the
 * last close), and a path that may lead over other disks.
 *
 * A call that was slow all the same (too much waits for the disk, and the system lets writers wait) has the disk counted as far
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

/** To write a mebibyte takes half a millisecond where all is well; and a busy machine may take the thread away for ten. */
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

  /** Does a call of the system here while the disk is near, elsewhere while it is not. */
  call<T>(here: () => T, elsewhere: () => Promise<T>): T | Promise<T> {
    return this.isNear ? this.here(here) : elsewhere()
  }

  /** True: `here` may be called. */
  get isNear(): boolean {
    return this.#isLocal && (this.#farUntilMs === 0 || this.#now() >= this.#farUntilMs)
  }

  /** Runs `work`, which asks the system in this thread, and sees how long it takes. */
  here<T>(work: () => T): T {
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
