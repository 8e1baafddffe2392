/**
 * Disks whose power can be cut: ext4 in an image file. A cut throws away what the file system holds in memory and what of its
 * log has not been written, as `xfs_io -c shutdown` does it, and mounts again what is left. Mounted so that as little as
 * possible is written unasked (`commit`), and that a rename does not write the data along (`noauto_da_alloc`), which others do
 * not. The home and the files have a disk each: on one, each commit of the journal would make the names of files safe as well.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ground } from './points.ts'

const imageBytes = 48 << 20
const options = 'loop,commit=300,noauto_da_alloc'

export class Disk implements AsyncDisposable {
  readonly #image: string
  readonly #folder: string
  #mounted = false

  /** @param made options of mkfs.ext4 */
  constructor(image: string, folder: string, made: readonly string[] = []) {
    this.#image = image
    this.#folder = folder
    writeFileSync(image, '')
    truncateSync(image, imageBytes)
    run('mkfs.ext4', '-q', '-F', '-m', '0', ...made, image)
    mkdirSync(folder)
    this.#mount()
  }

  /** What is there is safe. */
  sync(): void {
    run('sync', '-f', this.#folder)
  }

  /** From now on every call there fails; what was not written is lost. */
  shutDown(): void {
    run('xfs_io', '-x', '-c', 'shutdown', this.#folder)
  }

  /** Power is back. Nobody may have a file open here any more. */
  mountAgain(): void {
    this.#unmount()
    this.#mount()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#unmount()
    rmSync(this.#folder, { recursive: true, force: true })
    rmSync(this.#image, { force: true })
    return Promise.resolve()
  }

  #mount(): void {
    run('mount', '-o', options, this.#image, this.#folder)
    this.#mounted = true
  }

  #unmount(): void {
    if (!this.#mounted) return
    run('umount', this.#folder)
    this.#mounted = false
  }
}

export interface Disks extends Ground {
  /** Both at once. */
  shutDown(): void
  mountAgain(): void
}

export function makeDisks(folder: string): Disks {
  mkdirSync(folder)
  const home = new Disk(join(folder, 'h.img'), join(folder, 'h'))
  const files = new Disk(join(folder, 'f.img'), join(folder, 'f'))
  const both = [home, files]
  return {
    home: join(folder, 'h', 'home'),
    files: join(folder, 'f'),
    settled: () => Promise.resolve(files.sync()),
    shutDown: () => both.forEach((disk) => disk.shutDown()),
    mountAgain: () => both.forEach((disk) => disk.mountAgain()),
    [Symbol.asyncDispose]: async () => {
      for (const disk of both) await disk[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Why this machine cannot cut power: the command and its error. Tried, since nothing else tells. */
export async function whyNoPowerCut(folder: string): Promise<string | undefined> {
  try {
    await using disks = makeDisks(join(folder, 'trial'))
    disks.shutDown()
    disks.mountAgain()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** @throws with the command and what it said */
export function run(command: string, ...args: readonly string[]): void {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, PATH: path } })
  if (status === 0) return
  throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`)
}
