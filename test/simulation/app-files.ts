// What an app does to the simulated disk by itself: settling where a download goes, and moving a delivered file. As
// src/platform/destination.ts and move-file.ts do it, over the seam: there is no rename from folder to folder in it, so a file
// is moved as across file systems.
import { basename, dirname } from 'node:path/posix'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { DestinationResolver } from '../../src/world/app-world.ts'
import type { Random } from '../../src/world/clock.ts'
import { type File, FileFailure, type FileSystem, type Folder } from '../../src/world/file-system.ts'

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

/**
 * Every crash leaves the target as it was or whole, and the source there until the target is durable, also while another process
 * moves the same file. What a crash leaves of a draft stays here: nobody counts the room.
 */
export async function simulatedMove(files: FileSystem, from: string, target: string, random: Random): Promise<string> {
  try {
    return await within(files, dirname(target), { make: true }, (to) =>
      within(files, dirname(from), {}, async (folder) => {
        const there = await to.look(basename(target))
        if (there?.kind === 'folder') throw new LonghaulError('FILE_IS_DIRECTORY', `${target} is a folder.`)
        const source = await folder.open(basename(from), 'read').catch(absent)
        if (source === undefined) {
          if ((await to.look(basename(target))) === undefined)
            throw new LonghaulError('FILE_DOES_NOT_EXIST', `${from} is not there any more, and neither is ${target}.`)
          await to.sync()
          return target
        }
        try {
          const draft = `.${Buffer.from(random.bytes(8)).toString('hex')}.longhaul-move`
          await copy(source, to, draft)
          const left = await folder.look(basename(from))
          const now = await to.look(basename(target))
          const movedByAnother = left === undefined && now !== undefined && now.inode !== there?.inode
          await (movedByAnother ? to.unlink(draft) : to.rename(draft, basename(target)))
          await to.sync()
          if ((await folder.look(basename(from)))?.inode === source.identity.inode) await folder.unlink(basename(from))
          return target
        } finally {
          await source.close()
        }
      }),
    )
  } catch (error) {
    if (!(error instanceof FileFailure)) throw error
    throw new LonghaulError('CANNOT_MOVE_FILE', `${from} could not be moved to ${target}: ${error.reason}.`, {
      cause: error,
    })
  }
}

function absent(error: unknown): undefined {
  if (!(error instanceof FileFailure && error.reason === 'not found')) throw error
}

async function copy(source: File, to: Folder, draft: string): Promise<void> {
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
  } catch (error) {
    await to.unlink(draft)
    throw error
  } finally {
    await file.close()
  }
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
