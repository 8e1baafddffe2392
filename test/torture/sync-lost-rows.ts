/**
 * A sync that fails, and then "succeeds" (fsyncgate): the kernel tells once that it could not write pages, takes them for clean,
 * and the next sync of the same file has nothing to do. Made for real: the disk of the files is an image in a small tmpfs that
 * is filled up, so that the image's data blocks cannot be written while its log, which was laid out before, can. The home lies
 * on another disk. At the end the image is mounted again, so that what is read comes from it and not from memory.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkDestinations, checkRecovery } from './invariants.ts'
import { Disk, run } from './disks.ts'
import { type Patch, patchedSource } from './patched-source.ts'
import { type Ground, type Point, tryPoints, type Tried, upTo } from './points.ts'
import type { Bench, Outcome, Row } from './row.ts'

/** Of the tmpfs: more than the image takes at first, less than it would take in the end. */
const roomBytes = 24 << 20

/** A disk that takes no more data between {@link fill} and {@link free}. */
class FickleDisk implements Ground {
  readonly home: string
  readonly files: string
  readonly #folder: string
  readonly #room: string
  readonly #ballast: string
  readonly #disk: Disk

  constructor(folder: string) {
    this.#folder = folder
    this.#room = join(folder, 'room')
    this.#ballast = join(this.#room, 'ballast')
    this.home = join(folder, 'home')
    this.files = join(folder, 'f')
    mkdirSync(this.#room, { recursive: true })
    run('mount', '-t', 'tmpfs', '-o', `size=${roomBytes}`, 'longhaul-torture', this.#room)
    this.#disk = new Disk(join(this.#room, 'f.img'), this.files, ['-b', '1024', '-J', 'size=1'])
  }

  settled(): Promise<void> {
    this.#disk.sync()
    // What earlier files had in the image would be room for the next ones.
    run('fstrim', this.files)
    return Promise.resolve()
  }

  /**
   * Gives a place in the image to all that is no data: names, inodes, and the log, once around. Else these could not be written
   * either, and the file system would stop altogether.
   */
  layOut(folder: string): void {
    const paths = Array.from({ length: 300 }, (_, n) => join(folder, `laid-out-${n}`))
    for (const path of paths) {
      const file = openSync(path, 'w')
      fsyncSync(file)
      closeSync(file)
    }
    for (const path of paths) rmSync(path)
    this.#disk.sync()
  }

  fill(): void {
    for (let size = 1 << 20; size >= 4096; size /= 16) {
      try {
        for (;;) writeFileSync(this.#ballast, Buffer.alloc(size), { flag: 'a' })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
    }
  }

  free(): void {
    if (statSync(this.#ballast, { throwIfNoEntry: false }) !== undefined) rmSync(this.#ballast)
  }

  readFromDisk(): void {
    this.#disk.mountAgain()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.free()
    await this.#disk[Symbol.asyncDispose]()
    run('umount', this.#room)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function impossible({ folder }: Bench): Promise<string | undefined> {
  try {
    await using _disk = new FickleDisk(join(folder, 'trial'))
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The disk takes no data from the start, until the n-th attempt after the first has begun. */
function lose(bench: Bench, name: string, most: number, source?: string): Promise<Outcome> {
  const made = new Map<string, FickleDisk>()
  const attempt = async ({ n, lives, story }: Point): Promise<Tried> => {
    const disk = made.get(lives.home)!
    const { owner } = await lives.life(source)
    const { resource } = story.chapters[0]!
    disk.layOut(story.folder)
    disk.fill()
    const look = setInterval(() => {
      if (bench.server.requestsFor(resource).length > n) disk.free()
    }, 1)
    try {
      await story.tell(owner)
    } finally {
      clearInterval(look)
      disk.free()
    }
    // A second attempt that begins at the beginning: the checkpoint of the first was not made.
    const failed = bench.server.requestsFor(resource)[1]?.headers['range'] === undefined
    await lives.kill()
    disk.readFromDisk()
    checkDestinations(story)
    await checkRecovery(lives, story)
    return failed ? { hit: 'checkpoint' } : 'missed'
  }
  return tryPoints(
    { ...bench, lanes: 1 },
    {
      name,
      at: upTo(most),
      untilCaught: source !== undefined,
      ground: (folder) => {
        const disk = new FickleDisk(folder)
        made.set(disk.home, disk)
        return Promise.resolve(disk)
      },
      try: attempt,
    },
  )
}

const syncedAgain: readonly Patch[] = [
  {
    file: 'platform/held-file.ts',
    from: "          await (how === 'data' ? byPool.fdatasync(descriptor) : byPool.fsync(descriptor))\n",
    to: '          await byPool.fsync(descriptor).catch(() => byPool.fsync(descriptor))\n',
  },
]

export const syncLostRows: readonly Row[] = [
  {
    name: 'sync fails, then works',
    kind: 'row',
    proves: 'nothing is counted as safe because a later sync worked: the bytes are fetched and written again',
    impossible,
    // Where the kernel calls it a full disk, the third look at it comes only after twenty seconds.
    run: (bench) => lose(bench, 'sync fails, then works', { whole: 2, quick: 1, few: 1 }[bench.extent]),
  },
  {
    name: 'sync: tried again',
    kind: 'control',
    proves: 'a daemon that syncs again what it could not sync, and believes it, is caught',
    patches: syncedAgain,
    impossible,
    run: (bench) => {
      const source = patchedSource(bench.folder, syncedAgain)
      return lose(bench, 'sync: tried again', 2, source)
    },
  },
]
