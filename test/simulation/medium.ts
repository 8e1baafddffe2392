// What the simulated disk holds, whoever asks: the tree of folders and files, room, inode numbers, and the faults that are due.
// No time passes here; the seam (disk-folder.ts, disk-file.ts) gives each call its two steps.
import { dirname, join } from 'node:path/posix'
import { FileFailure, type FileFailureCause, type FileIdentity } from '../../src/world/file-system.ts'
import { type DiskNode, type NameEffects, Names } from './disk-names.ts'
import { Inode } from './inode.ts'
import type { Seeded } from './seeded.ts'

/** What the system says, or a sync that fails and drops what it should have written (fsyncgate). */
export type Fault = FileFailureCause | 'sync fails, then succeeds'

export type DiskCall =
  | 'files.folder'
  | 'files.make'
  | `folder.${'open' | 'look' | 'rename' | 'link' | 'unlink' | 'list' | 'free' | 'sync' | 'isStillThere'}`
  | `file.${'write' | 'read' | 'look' | 'sync' | 'resize' | 'setMode'}`

export interface DiskFault {
  readonly call: DiskCall
  /** Which call of that name it strikes, counted over all lives from 1. */
  readonly nth: number
  readonly fault: Fault
}

export interface MediumOptions {
  readonly random: Seeded
  /** Ms since 1970, as the machine's clock shows them. */
  readonly wall: () => number
  readonly capacity: number
  readonly faults: readonly DiskFault[]
}

const folderBytes = 4096

export class Medium {
  readonly random: Seeded
  /** How often each call was made, by all lives. */
  readonly calls: Map<DiskCall, number> = new Map()
  readonly root: Names
  /** Bytes. May be set below what is used: then there is no room. */
  capacity: number
  /** Bytes of files that have a name or are open; folders take none. */
  used = 0
  /** Device numbers hold within one boot only. */
  device = '2049'
  /** Raised by a power cut: handles of an earlier one are dead. */
  epoch = 0
  /** Told of each path where something else may stand now. */
  changed: (path: string) => void = () => {}
  readonly #wall: () => number
  #faults: readonly DiskFault[]
  #highestNumber = 11
  #freeNumbers: number[] = []
  readonly #births = new Map<number, number>()

  constructor({ random, wall, capacity, faults }: MediumOptions) {
    this.random = random
    this.capacity = capacity
    this.#wall = wall
    this.#faults = faults
    this.root = this.#newFolder('/')
  }

  /** Ms, to the microsecond as the real file system tells them. */
  get now(): number {
    return Math.floor(this.#wall() * 1000) / 1000
  }

  get free(): number {
    return Math.min(Math.max(0, this.capacity - this.used), Number.MAX_SAFE_INTEGER)
  }

  /** No fault strikes any more. */
  calm(): void {
    this.#faults = []
  }

  /** Counts a call; answers the fault that is due now. */
  due(call: DiskCall): Fault | undefined {
    const nth = (this.calls.get(call) ?? 0) + 1
    this.calls.set(call, nth)
    return this.#faults.find((fault) => fault.call === call && fault.nth === nth)?.fault
  }

  /** What stands at an absolute path. @throws FileFailure `not a folder` where a file stands in the way */
  find(path: string): DiskNode | undefined {
    let node: DiskNode = this.root
    for (const name of partsOf(path)) {
      if (!(node instanceof Names)) throw new FileFailure('not a folder', path)
      if (isTooLong(name)) throw new FileFailure('name too long', path)
      const next: DiskNode | undefined = node.get(name)
      if (next === undefined) return undefined
      node = next
    }
    return node
  }

  /** Without its parents. @throws FileFailure */
  addFolder(path: string): Names {
    const parent = this.find(dirname(path))
    if (parent === undefined) throw new FileFailure('not found', path)
    if (!(parent instanceof Names)) throw new FileFailure('not a folder', path)
    const folder = this.#newFolder(path)
    parent.change([[nameOf(path), folder]], this.now)
    return folder
  }

  createFile(folder: Names, name: string, mode: number): Inode {
    const number = this.#takeNumber()
    const file = new Inode(number, this.#takeBirth(number), mode)
    this.rename(folder, [[name, file]])
    return file
  }

  /** One change of names: all of it or nothing survives a power cut. */
  rename(folder: Names, effects: NameEffects): void {
    const gone: Inode[] = []
    for (const [name, node] of effects) {
      const path = join(folder.path, name)
      const before = folder.get(name)
      if (before instanceof Inode && before.places.delete(path)) gone.push(before)
      if (node instanceof Inode) node.places.add(path)
    }
    folder.change(effects, this.now)
    for (const file of gone) this.#reap(file)
    for (const [name] of effects) this.changed(join(folder.path, name))
  }

  /** Writes what fits of it; answers whether that was all. */
  write(file: Inode, bytes: Uint8Array, at: number): boolean {
    const fitting = file.fitting(at, bytes.byteLength, this.free)
    this.#change(file, () => file.write(bytes.subarray(0, fitting), at, this.now))
    return fitting === bytes.byteLength
  }

  resize(file: Inode, size: number): void {
    this.#change(file, () => file.resize(size, this.now))
  }

  hold(file: Inode): void {
    file.held++
  }

  release(file: Inode, epoch: number): void {
    if (epoch !== this.epoch) return
    file.held--
    this.#reap(file)
  }

  identityOf(node: DiskNode): FileIdentity {
    const { device } = this
    const [inode, birthMs] = [String(node.number), node.birthMs]
    if (node instanceof Names)
      return {
        kind: 'folder',
        inode,
        device,
        birthMs,
        size: folderBytes,
        modifiedMs: node.modifiedMs,
        mode: 0o755,
        links: 2,
      }
    return { kind: 'file', inode, device, birthMs, size: node.size, ...node.attributes, links: node.places.size }
  }

  /** After a power cut: these numbers are taken and so much is used. */
  recount(nodes: Iterable<DiskNode>): void {
    const taken = new Set<number>()
    this.used = 0
    for (const node of nodes) {
      taken.add(node.number)
      if (node instanceof Inode) this.used += node.allocated
    }
    this.#freeNumbers = []
    for (let number = this.#highestNumber; number > 11; number--) if (!taken.has(number)) this.#freeNumbers.push(number)
  }

  #change(file: Inode, change: () => void): void {
    this.used -= file.allocated
    change()
    this.used += file.allocated
    for (const path of file.places) this.changed(path)
  }

  /** Its number may be given to the next file at once; a change of names that is still pending may yet bring it back. */
  #reap(file: Inode): void {
    if (file.places.size > 0 || file.held > 0) return
    this.used -= file.allocated
    this.#freeNumbers.push(file.number)
  }

  #newFolder(path: string): Names {
    const number = this.#takeNumber()
    return new Names(path, number, this.#takeBirth(number))
  }

  #takeNumber(): number {
    const again = this.random.chance(0.8) ? this.#freeNumbers.pop() : undefined
    return again ?? ++this.#highestNumber
  }

  /** No two files of one number are born in the same microsecond. */
  #takeBirth(number: number): number {
    const last = this.#births.get(number)
    const isTaken = last !== undefined && last >= this.now && last < this.now + 1
    const birth = isTaken ? Math.round(last * 1000 + 1) / 1000 : this.now
    this.#births.set(number, birth)
    return birth
  }
}

export function partsOf(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '')
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

export function isTooLong(name: string): boolean {
  return Buffer.byteLength(name) > 255
}
