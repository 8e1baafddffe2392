/**
 * Room on the disks. What is free is free for one of the downloads that run: two files that fit alone and not together would fill
 * the disk, and both would wait with half of what they need, neither of them ever whole. So what those that run still need is
 * counted as taken; the second waits and goes on by itself when the first has ended, or somebody makes room.
 */
import { LonghaulError } from '../../contract/errors.ts'
import type { Clock } from '../../world/clock.ts'
import type { Folder } from '../../world/file-system.ts'
import { AttemptFailed } from '../endings.ts'

/** So long a look at a disk may stand for another, where what is needed is little beside what was free. */
const lookCountsMs = 1000
const littleOfIt = 1 / 64

export class Room {
  readonly #clock: Clock
  /** Device -> what each download that writes to it still needs. */
  readonly #needs = new Map<string, Set<() => number>>()
  /** Device -> what was free at the last look, and what was asked for since. */
  readonly #looks = new Map<string, { readonly freeBytes: number; readonly atMs: number; askedBytes: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * From now on so much is kept for it, less what it has written since, until it is let go of.
   * @param written bytes of them, at any moment
   * @throws AttemptFailed DISK_FULL
   */
  async take(folder: Folder, neededBytes: number, written: () => number): Promise<Disposable> {
    const { device } = folder.identity
    if (!this.#goesWithoutLook(device, neededBytes)) {
      const free = await this.#look(folder, neededBytes)
      // Nothing is awaited from here on: of two that have looked at the same time only one gets what is free for one.
      this.#refuseFull(folder, neededBytes, free)
    }
    const needed = (): number => Math.max(0, neededBytes - Math.max(0, written()))
    const here = this.#needs.get(device) ?? new Set()
    this.#needs.set(device, here.add(needed))
    return {
      [Symbol.dispose]: () => {
        here.delete(needed)
        if (here.size === 0 && this.#needs.get(device) === here) this.#needs.delete(device)
      },
    }
  }

  /** @throws AttemptFailed DISK_FULL */
  async require(folder: Folder, neededBytes: number): Promise<void> {
    if (this.#goesWithoutLook(folder.identity.device, neededBytes)) return
    this.#refuseFull(folder, neededBytes, await this.#look(folder, neededBytes))
  }

  async #look(folder: Folder, neededBytes: number): Promise<number> {
    const free = await folder.free()
    const atMs = this.#clock.steady()
    this.#looks.set(folder.identity.device, { freeBytes: free, atMs, askedBytes: neededBytes })
    return free
  }

  /** @throws AttemptFailed DISK_FULL */
  #refuseFull(folder: Folder, neededBytes: number, free: number): void {
    const taken = this.#taken(folder.identity.device)
    if (free - taken >= neededBytes) return
    const others = taken === 0 ? '' : `, of which transfers that run will need ${taken}`
    throw new AttemptFailed(
      new LonghaulError(
        'DISK_FULL',
        `${neededBytes} bytes are still to come but only ${free} are free in ${folder.path}${others}; it waits until there is room.`,
      ),
      { kind: 'disk full' },
    )
  }

  #taken(device: string): number {
    let taken = 0
    for (const needed of this.#needs.get(device) ?? []) taken += needed()
    return taken
  }

  /**
   * A thousand small files are not worth a thousand looks. A disk that others fill meanwhile refuses the write itself, and so does a
   * folder with less room than its disk (a quota).
   */
  #goesWithoutLook(device: string, neededBytes: number): boolean {
    const look = this.#looks.get(device)
    if (look === undefined || this.#clock.steady() - look.atMs > lookCountsMs) return false
    look.askedBytes += neededBytes
    return look.askedBytes + this.#taken(device) <= look.freeBytes * littleOfIt
  }
}
