// What an app does to the simulated disk by itself: settling where a download goes, and moving a delivered file. As
// src/platform/destination.ts and move-file.ts do it, over the seam: there is no rename from folder to folder in it, so a file
// is moved as across file systems.
import { createHash } from 'node:crypto'
import { basename, dirname } from 'node:path/posix'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { DestinationResolver } from '../../src/world/app-world.ts'
import { FileFailure, type FileSystem, type Folder } from '../../src/world/file-system.ts'

export function simulatedDestinations(files: FileSystem): DestinationResolver {
  const prepared = async (path: string, look?: string): Promise<'nothing' | 'file' | 'folder'> => {
    try {
      return await within(files, path, { make: true }, async (folder) => {
        const found = look === undefined ? undefined : await folder.look(look)
        return found === undefined ? 'nothing' : found.kind === 'folder' ? 'folder' : 'file'
      })
    } catch (error) {
      if (!(error instanceof FileFailure)) throw error
      throw new LonghaulError('CANNOT_CREATE_FILE', `No file can be made in ${path}: ${error.reason}.`, {
        cause: error,
      })
    }
  }
  return {
    resolve: async (to, options = {}) => {
      const path = String(to)
      const folder = path.endsWith('/') ? path.slice(0, -1) : dirname(path)
      if (path.endsWith('/')) {
        await prepared(folder)
        return { kind: 'folder', folder }
      }
      const found = await prepared(folder, basename(path))
      if (found === 'folder') return { kind: 'folder', folder: path }
      if (found === 'file' && options.existing === 'refuse')
        throw new LonghaulError('DESTINATION_EXISTS', `${path} exists. Nothing was added.`)
      return { kind: 'file', folder, name: basename(path) }
    },
  }
}

/** Every crash leaves the target as it was or whole, and the source there until the target is durable. */
export async function simulatedMove(files: FileSystem, from: string, target: string): Promise<string> {
  try {
    return await within(files, dirname(target), { make: true }, (to) =>
      within(files, dirname(from), {}, async (source) => {
        const there = await to.look(basename(target))
        if (there?.kind === 'folder') throw new LonghaulError('FILE_IS_DIRECTORY', `${target} is a folder.`)
        if ((await source.look(basename(from))) === undefined) {
          if (there !== undefined) return target
          throw new LonghaulError('FILE_DOES_NOT_EXIST', `${from} is not there any more, and neither is ${target}.`)
        }
        await copy(source, basename(from), to, basename(target))
        await source.unlink(basename(from))
        return target
      }),
    )
  } catch (error) {
    if (!(error instanceof FileFailure)) throw error
    throw new LonghaulError('CANNOT_MOVE_FILE', `${from} could not be moved to ${target}: ${error.reason}.`, {
      cause: error,
    })
  }
}

async function copy(from: Folder, name: string, to: Folder, as: string): Promise<void> {
  // The one that a crash left is the one that is made again.
  const draft = `.${createHash('sha256').update(`${from.path}/${name}\n${to.path}/${as}`).digest('hex').slice(0, 12)}`
  await to.unlink(draft)
  const source = await from.open(name, 'read')
  try {
    const file = await to.open(draft, 'create')
    try {
      const buffer = new Uint8Array(1 << 20)
      for (let at = 0; ;) {
        const read = await source.read(buffer, at)
        if (read === 0) break
        await file.write(buffer.subarray(0, read), at)
        at += read
      }
      await file.sync('all')
    } finally {
      await file.close()
    }
  } finally {
    await source.close()
  }
  await to.rename(draft, as)
  await to.sync()
}

async function within<T>(
  files: FileSystem,
  path: string,
  options: { readonly make?: boolean },
  work: (folder: Folder) => Promise<T>,
): Promise<T> {
  const folder = await files.folder(path, options)
  try {
    return await work(folder)
  } finally {
    await folder.close()
  }
}
