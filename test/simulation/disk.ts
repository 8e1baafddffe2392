// The machine's disk: the twin of src/platform/files.ts. It outlives every life, forgets at a power cut what was not synced (any
// subset of it, which is harsher than a real file system), fills up, and fails where its list of faults says. Everything that
// is not a life, such as another program or the test, uses the methods here, which take no time.
import { basename, dirname, join, resolve } from 'node:path/posix'
import type { FileSystem } from '../../src/world/file-system.ts'
import { createSimulatedFiles } from './disk-folder.ts'
import { type DiskNode, Names } from './disk-names.ts'
import { Inode } from './inode.ts'
import type { Life } from './life.ts'
import { type DiskFault, Medium, partsOf } from './medium.ts'
import type { Seeded } from './seeded.ts'
import type { Timeline } from './timeline.ts'

export type DiskFaults = readonly DiskFault[]

export interface DiskOptions {
  readonly random: Seeded
  readonly timeline: Timeline
  readonly faults: DiskFaults
  /** Bytes. @default Infinity */
  readonly capacity?: number
  /** Ms since 1970. @default as the timeline, from a moment in 2026 on */
  readonly wall?: () => number
}

export class Disk extends Medium {
  constructor({ random, timeline, faults, capacity = Infinity, wall }: DiskOptions) {
    super({ random, faults, capacity, wall: wall ?? (() => 1_790_000_000_000 + timeline.now) })
  }

  /** The seam, for one life. */
  fileSystem(life: Life): FileSystem {
    return createSimulatedFiles(this, life)
  }

  /** Parents included, durable at once. */
  makeFolder(path: string): Names {
    const absolute = resolve(path)
    const there = this.find(absolute)
    if (there instanceof Names) return there
    const parent = this.makeFolder(dirname(absolute))
    const made = this.addFolder(absolute)
    parent.sync(parent.latest)
    return made
  }

  /**
   * Another program writes a file, whatever room there is: into the one that is there, or a new one in its place.
   * @param options.durable also after a power cut. @default false
   * @param options.how @default 'anew'
   */
  put(
    path: string,
    bytes: Uint8Array,
    options: { readonly durable?: boolean; readonly how?: 'anew' | 'in place' } = {},
  ): void {
    const absolute = resolve(path)
    const folder = this.makeFolder(dirname(absolute))
    const name = basename(absolute)
    const there = folder.get(name)
    if (there instanceof Names) throw new Error(`there is a folder at ${path}`)
    // Told once and of all of it: how another program writes is its own affair.
    const { capacity, changed } = this
    this.capacity = Infinity
    this.changed = () => {}
    const file = options.how === 'in place' && there !== undefined ? there : this.createFile(folder, name, 0o644)
    this.resize(file, 0)
    this.write(file, bytes, 0)
    if (options.durable === true) {
      file.sync('all', file.latest)
      folder.sync(folder.latest)
    }
    this.capacity = capacity
    this.changed = changed
    for (const place of file.places) changed(place)
  }

  /** Another program removes a file, or a folder with all that is in it. It may be back after a power cut. */
  remove(path: string): void {
    const absolute = resolve(path)
    const node = this.find(absolute)
    const folder = this.find(dirname(absolute))
    if (node === undefined || !(folder instanceof Names)) return
    if (node instanceof Names) {
      for (const name of node.entries.keys()) this.remove(join(absolute, name))
      node.removed = true
    }
    this.rename(folder, [[basename(absolute), undefined]])
  }

  /** As a program would see it now; undefined for nothing and for a folder. Valid until the next change. */
  read(path: string): Uint8Array | undefined {
    const absolute = resolve(path)
    const folder = this.find(dirname(absolute))
    const found = folder instanceof Names ? folder.get(basename(absolute)) : undefined
    return found instanceof Inode ? found.bytes : undefined
  }

  /** Of all files in a folder and below it. */
  paths(folder: string): readonly string[] {
    return [...this.#walk(({ entries }) => entries)].flatMap(([path, node]) =>
      node instanceof Inode && path.startsWith(`${folder}/`) ? [path] : [],
    )
  }

  /** What a power cut at this moment is certain to leave; undefined: nothing. Valid until the next change. */
  durableAt(path: string): Uint8Array | undefined | 'uncertain' {
    let places: ReadonlySet<DiskNode | undefined> = new Set([this.root])
    for (const name of partsOf(resolve(path))) {
      const next = new Set<DiskNode | undefined>()
      for (const place of places) {
        if (!(place instanceof Names)) next.add(undefined)
        else for (const node of place.possible(name)) next.add(node)
      }
      places = next
    }
    const contents = [...places].map((node) => (node instanceof Inode ? (node.certainBytes ?? 'uncertain') : undefined))
    const [first, ...others] = contents
    return others.every((other) => isEqual(first, other)) ? first : 'uncertain'
  }

  /** The machine goes off: of what was not synced any part may be left. All lives on it have to end. */
  powerCut(): void {
    const before = this.#walk((folder) => folder.entries)
    const folders = this.#foldersThatMayBeLeft()
    for (const folder of folders) folder.draw(this.random)
    for (let pair = this.#clash(); pair !== undefined; pair = this.#clash()) {
      // The number of one of them was given to the other when it was gone; so both cannot be there.
      for (const node of pair) for (const folder of folders) folder.keep(node)
    }
    for (const folder of folders) folder.settle()

    const left = this.#walk((folder) => folder.entries)
    for (const node of new Set([...before.values(), ...left.values()])) if (node instanceof Inode) node.places.clear()
    for (const [path, node] of left) if (node instanceof Inode) node.places.add(path)
    const nodes = new Set(left.values())
    for (const node of nodes) {
      if (node instanceof Inode) node.cut(this.random)
      else node.removed = false
    }
    this.recount(nodes)
    this.epoch++
    if (this.random.chance(0.5)) this.device = String(2049 + this.random.int(0, 3))
    for (const path of new Set([...before.keys(), ...left.keys()])) this.changed(path)
  }

  /** Every path and what stands there, by the names that `namesOf` tells. */
  #walk(namesOf: (folder: Names) => ReadonlyMap<string, DiskNode>): ReadonlyMap<string, DiskNode> {
    const found = new Map<string, DiskNode>([['/', this.root]])
    for (const [path, folder] of found)
      if (folder instanceof Names) for (const [name, node] of namesOf(folder)) found.set(join(path, name), node)
    return found
  }

  #foldersThatMayBeLeft(): ReadonlySet<Names> {
    const found = new Set([this.root])
    for (const folder of found) for (const node of folder.everything()) if (node instanceof Names) found.add(node)
    return found
  }

  #clash(): readonly [DiskNode, DiskNode] | undefined {
    const byNumber = new Map<number, DiskNode>()
    for (const node of this.#walk((folder) => folder.left()).values()) {
      const other = byNumber.get(node.number)
      if (other !== undefined && other !== node) return [other, node]
      byNumber.set(node.number, node)
    }
    return undefined
  }
}

function isEqual(a: Uint8Array | undefined | 'uncertain', b: Uint8Array | undefined | 'uncertain'): boolean {
  if (a === b) return true
  return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0
}
