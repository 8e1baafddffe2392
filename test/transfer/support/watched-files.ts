/**
 * The real file system with a watcher between: it is told of every call before and after its effect, and what it throws is
 * what the caller gets. So a disk can be full, a sync can fail, a life can end, at exactly one call.
 */
import type { File, FileSystem, Folder } from '../../../src/world/file-system.ts'

export type FileOperation =
  | `folder ${'open' | 'create' | 'look' | 'rename' | 'link' | 'unlink' | 'free' | 'sync' | 'check' | 'close'}`
  | `file ${'write' | 'look' | 'sync' | 'resize' | 'mode' | 'close'}`

export interface Watcher {
  before?(operation: FileOperation, name: string, size: number): void
  after?(operation: FileOperation, name: string): void
  /** What a write to there waits for before it comes back. */
  late?(at: number): Promise<void> | undefined
  /** In place of the real answer of `Folder.free`. */
  readonly free?: () => number
}

export function watchedFiles(files: FileSystem, watcher: Watcher): FileSystem {
  return {
    folder: async (path, options) => watchedFolder(await files.folder(path, options), watcher),
  }
}

function watchedFolder(folder: Folder, watcher: Watcher): Folder {
  const through = around(watcher)
  return {
    path: folder.path,
    identity: folder.identity,
    open: async (name, how) => {
      const operation = how === 'create' ? 'folder create' : 'folder open'
      watcher.before?.(operation, name, 0)
      const file = await folder.open(name, how)
      try {
        watcher.after?.(operation, name)
      } catch (error) {
        // The system closes the files of a process that dies.
        await file.close()
        throw error
      }
      return watchedFile(file, name, watcher)
    },
    look: (name) => through('folder look', name, () => folder.look(name)),
    rename: (from, to) => through('folder rename', to, () => folder.rename(from, to)),
    link: (from, to) => through('folder link', to, () => folder.link(from, to)),
    unlink: (name) => through('folder unlink', name, () => folder.unlink(name)),
    list: () => folder.list(),
    free: () => through('folder free', '', async () => watcher.free?.() ?? (await folder.free())),
    sync: () => through('folder sync', '', () => folder.sync()),
    isStillThere: () => through('folder check', '', () => folder.isStillThere()),
    close: () => folder.close(),
  }
}

/** The real one underneath, for a hasher that knows no other. */
export const realFile: WeakMap<File, File> = new WeakMap()

function watchedFile(file: File, name: string, watcher: Watcher): File {
  const through = around(watcher)
  const watched: File = {
    get identity() {
      return file.identity
    },
    write: (bytes, at) => {
      watcher.before?.('file write', name, bytes.length)
      const late = watcher.late?.(at)
      const written = file.write(bytes, at)
      const writing = late === undefined ? written : Promise.all([written, late])
      if (writing !== undefined) return writing.then(() => watcher.after?.('file write', name))
      watcher.after?.('file write', name)
      return undefined
    },
    read: (into, at) => file.read(into, at),
    look: () => through('file look', name, () => file.look()),
    sync: (how) => through('file sync', name, () => file.sync(how)),
    resize: (size) => through('file resize', name, () => file.resize(size)),
    setMode: (mode) => through('file mode', name, () => file.setMode(mode)),
    close: () => file.close(),
  }
  realFile.set(watched, file)
  return watched
}

type Through = <T>(operation: FileOperation, name: string, effect: () => Promise<T>, size?: number) => Promise<T>

function around(watcher: Watcher): Through {
  return async (operation, name, effect, size = 0) => {
    watcher.before?.(operation, name, size)
    const answer = await effect()
    watcher.after?.(operation, name)
    return answer
  }
}
