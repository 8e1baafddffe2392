// The files of the simulated disk as one life sees them. Held to the same suite as the real ones (test/suites/file-system.ts).
import { dirname, join, resolve } from 'node:path/posix'
import { SyncGate } from '../../src/platform/sync-gate.ts'
import { type File, FileFailure, type FileIdentity, type FileSystem, type Folder } from '../../src/world/file-system.ts'
import { SimulatedFile } from './disk-file.ts'
import { DiskHandle, failure, syncTakes } from './disk-handle.ts'
import { Names } from './disk-names.ts'
import { Inode } from './inode.ts'
import type { Life } from './life.ts'
import { isTooLong, type Medium } from './medium.ts'

/** As in src/platform/make-folder. */
const youngMs = 10 * 60_000

export function createSimulatedFiles(medium: Medium, life: Life): FileSystem {
  const gate = new SyncGate()
  const open = (path: string): Promise<SimulatedFolder> =>
    life.call('files.folder', () => {
      const fault = medium.due('files.folder')
      if (fault !== undefined) throw failure(fault, path)
      const found = medium.find(path)
      if (found === undefined) throw new FileFailure('not found', path)
      if (!(found instanceof Names)) throw new FileFailure('not a folder', path)
      return new SimulatedFolder(new DiskHandle(medium, life, found, path), gate)
    })
  /** Makes what is missing, top first, and makes the name of each that is young durable, whoever made it. */
  const make = async (path: string): Promise<void> => {
    const young = await life.call('files.make', () => {
      const fault = medium.due('files.make')
      if (fault !== undefined) throw failure(fault, path)
      const found = medium.find(path)
      if (found instanceof Inode) throw new FileFailure('exists', path)
      const made: string[] = []
      for (let each = path; medium.find(each) === undefined; each = dirname(each)) made.unshift(each)
      for (const each of made) medium.addFolder(each)
      return youngOf(path)
    })
    for (const each of young) {
      const parent = await open(dirname(each))
      try {
        await parent.sync()
      } finally {
        await parent.close()
      }
    }
  }
  const youngOf = (path: string): readonly string[] => {
    const found: string[] = []
    for (let each = path; each !== '/'; each = dirname(each)) {
      const node = medium.find(each)
      if (node instanceof Inode || node === undefined || medium.now - node.birthMs >= youngMs) break
      found.push(each)
    }
    return found
  }
  return {
    folder: async (path, options = {}) => {
      const absolute = resolve(path)
      if (options.make === true) await make(absolute)
      return open(absolute)
    },
  }
}

class SimulatedFolder implements Folder {
  readonly path: string
  readonly identity: FileIdentity
  readonly #handle: DiskHandle<Names>
  readonly #medium: Medium
  readonly #names: Names
  readonly #gate: SyncGate

  constructor(handle: DiskHandle<Names>, gate: SyncGate) {
    this.path = handle.path
    this.identity = handle.medium.identityOf(handle.node)
    this.#handle = handle
    this.#medium = handle.medium
    this.#names = handle.node
    this.#gate = gate
  }

  async open(name: string, how: 'create' | 'write' | 'read'): Promise<File> {
    const path = this.#pathOf(name)
    return this.#handle.ask(
      'folder.open',
      () => {
        const found = this.#find(name)
        if (how === 'create' && found !== undefined) throw new FileFailure('exists', path)
        if (how === 'create') this.#requireThere(path)
        if (found instanceof Names) throw new FileFailure('is a folder', path)
        if (how !== 'create' && found === undefined) throw new FileFailure('not found', path)
        const file = found ?? this.#medium.createFile(this.#names, name, 0o600)
        return new SimulatedFile(new DiskHandle(this.#medium, this.#handle.life, file, path), how, this.#gate)
      },
      { path },
    )
  }

  async look(name: string): Promise<FileIdentity | undefined> {
    const path = this.#pathOf(name)
    return this.#handle.ask(
      'folder.look',
      () => {
        const found = this.#find(name)
        return found === undefined ? undefined : this.#medium.identityOf(found)
      },
      { path },
    )
  }

  async rename(from: string, to: string): Promise<void> {
    this.#pathOf(from)
    const path = this.#pathOf(to)
    await this.#handle.ask(
      'folder.rename',
      () => {
        const [source, target] = [this.#find(from), this.#find(to)]
        if (source === undefined) throw new FileFailure('not found', path)
        if (source instanceof Names) throw new Error('the simulated disk renames no folders')
        if (target instanceof Names) throw new FileFailure('is a folder', path)
        // POSIX: two names of one file, and both stay.
        if (source === target) return
        this.#medium.rename(this.#names, [
          [from, undefined],
          [to, source],
        ])
      },
      { path },
    )
  }

  async link(from: string, to: string): Promise<void> {
    this.#pathOf(from)
    const path = this.#pathOf(to)
    await this.#handle.ask(
      'folder.link',
      () => {
        const source = this.#find(from)
        if (source === undefined) throw new FileFailure('not found', path)
        if (this.#find(to) !== undefined) throw new FileFailure('exists', path)
        if (source instanceof Names) throw new FileFailure('not supported', path)
        this.#medium.rename(this.#names, [[to, source]])
      },
      { path },
    )
  }

  async unlink(name: string): Promise<void> {
    const path = this.#pathOf(name)
    await this.#handle.ask(
      'folder.unlink',
      () => {
        const found = this.#find(name)
        if (found instanceof Names) throw new FileFailure('is a folder', path)
        if (found !== undefined) this.#medium.rename(this.#names, [[name, undefined]])
      },
      { path },
    )
  }

  async *list(): AsyncIterable<string> {
    const names = await this.#handle.ask('folder.list', () => [...this.#names.entries.keys()])
    // In no order that one could count on.
    while (names.length > 0) yield names.splice(this.#medium.random.int(0, names.length - 1), 1)[0]!
  }

  free(): Promise<number> {
    return this.#handle.ask('folder.free', () => this.#medium.free)
  }

  async sync(): Promise<void> {
    await this.#handle.use(() =>
      this.#gate.pass(this.identity.device, () => {
        // What is renamed while it is under way may be safe afterwards or not.
        const started = this.#names.latest
        return this.#handle.ask(
          'folder.sync',
          () => this.#names.sync(this.#medium.random.int(started, this.#names.latest)),
          { takes: syncTakes },
        )
      }),
    )
  }

  isStillThere(): Promise<boolean> {
    return this.#handle.life.call('folder.isStillThere', () => {
      const fault = this.#medium.due('folder.isStillThere')
      if (fault !== undefined) throw failure(fault, this.path)
      try {
        return this.#medium.find(this.path) === this.#names
      } catch {
        return false
      }
    })
  }

  close(): Promise<void> {
    return this.#handle.close('folder.close')
  }

  #find(name: string): Inode | Names | undefined {
    if (isTooLong(name)) throw new FileFailure('name too long', join(this.path, name))
    return this.#names.get(name)
  }

  /** Nothing is made in a folder that was removed. */
  #requireThere(path: string): void {
    if (this.#names.removed) throw new FileFailure('not found', path)
  }

  #pathOf(name: string): string {
    const path = join(this.path, name)
    if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0'))
      throw new FileFailure('not supported', path, { cause: new Error(`'${name}' is not the name of a file`) })
    return path
  }
}
