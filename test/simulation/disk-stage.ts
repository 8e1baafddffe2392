// A simulated disk and the lives that use it, for tests of the twin alone.
import type { FileSystem, Folder } from '../../src/world/file-system.ts'
import { Disk, type DiskFaults } from './disk.ts'
import { settleOn } from './drive.ts'
import { Life } from './life.ts'
import { Seeded } from './seeded.ts'
import { Timeline } from './timeline.ts'

export class DiskStage {
  readonly timeline: Timeline = new Timeline()
  readonly random: Seeded
  readonly disk: Disk
  #life: Life | undefined

  constructor(
    seed: number | string,
    options: { readonly faults?: DiskFaults; readonly capacity?: number; readonly wall?: () => number } = {},
  ) {
    this.random = new Seeded(seed)
    this.disk = new Disk({ random: this.random.fork('disk'), timeline: this.timeline, faults: [], ...options })
    this.disk.makeFolder('/home')
  }

  /** A new life; the one before it ends. */
  start(): { readonly life: Life; readonly files: FileSystem } {
    const { timeline, random } = this
    this.#life?.end()
    const wall = (): number => timeline.now
    const life = new Life({ name: 'daemon', timeline, random: random.fork('life'), steadyLeadMs: 0, wall })
    this.#life = life
    return { life, files: this.disk.fileSystem(life) }
  }

  /** Something a new life does with the folder /home; it ends in the middle of nothing, with all its handles. */
  async live<T>(work: (folder: Folder, files: FileSystem, life: Life) => Promise<T>): Promise<T> {
    const { files, life } = this.start()
    const done = await settleOn(
      this.timeline,
      files.folder('/home').then((folder) => work(folder, files, life)),
    )
    life.end()
    return done
  }

  powerCut(): void {
    this.#life?.end()
    this.disk.powerCut()
  }

  text(name: string): string | undefined {
    return textOf(this.disk.read(`/home/${name}`))
  }

  durable(name: string): string | undefined {
    return textOf(this.disk.durableAt(`/home/${name}`))
  }
}

export function textOf(bytes: Uint8Array | 'uncertain' | undefined): string | undefined {
  return bytes instanceof Uint8Array ? Buffer.from(bytes).toString('latin1') : bytes
}

/** What came of it with each of so many seeds, and how often. */
export async function overSeeds(count: number, run: (seed: number) => Promise<string>): Promise<Map<string, number>> {
  const seen = new Map<string, number>()
  for (let seed = 1; seed <= count; seed++) {
    const outcome = await run(seed)
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1)
  }
  return seen
}
