/**
 * Whether a call of the system may be done by this very thread. To hand a small one to the pool costs more than the call; and
 * bytes that another thread writes cost twice the processor time, as its processor must first fetch them out of this one's cache.
 * But a call keeps its thread for as long as it takes. So only where the system answers out of its own memory: on a local disk, as
 * long as that keeps up; and never what may wait for the disk by its nature: a sync, and whatever frees or copies a large file (unlink,
 * a rename that replaces one, resize, the last close of one that was large; opening to write, which on overlayfs copies).
 *
 * What calls take beyond a few milliseconds is kept as a debt, of which a twentieth of the time is taken off. While there is much
 * of it (too much waits for the disk, and the system lets writers wait) the disk counts as far. So, however slow it is, the thread
 * waits for it a twentieth of its time at most, beside those few milliseconds. What no account can help against is a call that
 * never returns: a file system that was frozen, or a disk that was pulled out, holds up the daemon until it is back.
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

/** Of each call nothing counts up to here: to write a mebibyte takes one, and a busy machine may take the thread away for three. */
const freeMs = 4
/** A disk that keeps up makes a writer wait for ten or twenty milliseconds now and then. */
const patienceMs = 100
const taken = 1 / 20
/** A machine that slept in the middle of a call is not slow. */
const mostMs = 3000
/** A row of calls that never waits would let nobody else run. */
const longestRow = 100

/** @param type f_type, as `statfs` gives it */
export function isLocal(type: number): boolean {
  return process.platform === 'linux' && localTypes.has(type >>> 0)
}

export class NearDisk {
  readonly #isLocal: boolean
  readonly #now: () => number
  #debtMs = 0
  /** When that was so much. */
  #atMs = 0
  #row = 0

  /** @param now ms that only grow; for tests */
  constructor(isLocal: boolean, now: () => number = () => performance.now()) {
    this.#isLocal = isLocal
    this.#now = now
  }

  /** Does a call of the system here while the disk is near, elsewhere while it is not. */
  call<T>(here: () => T, elsewhere: () => Promise<T>): T | Promise<T> {
    this.#row = (this.#row + 1) % longestRow
    return this.#row > 0 && this.isNear ? this.here(here) : elsewhere()
  }

  /** True: `here` may be called. */
  get isNear(): boolean {
    return this.#isLocal && (this.#debtMs === 0 || this.#debtAt(this.#now()) < patienceMs)
  }

  /** Runs `work`, which asks the system in this thread, and sees how long it takes. */
  here<T>(work: () => T): T {
    const began = this.#now()
    try {
      return work()
    } finally {
      const ended = this.#now()
      const tookMs = ended - began
      if (this.#debtMs > 0 || tookMs > freeMs) {
        this.#debtMs = Math.min(this.#debtAt(ended) + Math.max(0, tookMs - freeMs), mostMs)
        this.#atMs = ended
      }
    }
  }

  #debtAt(ms: number): number {
    return Math.max(0, this.#debtMs - (ms - this.#atMs) * taken)
  }
}

/** Whoever does not know a file's disk. */
export const farDisk: NearDisk = new NearDisk(false)
