/**
 * Makes a folder and those above it that are missing. Node's own `mkdir` with `recursive` never comes back where a system
 * answers ENOENT although the parent is there (seen in /proc). May touch: node:fs, for the folders it is told to make.
 */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * @param path absolute
 * @returns the folders that were made, top first
 * @throws what the system says; EEXIST when something that may not be a folder is there
 */
export async function makeFolders(path: string): Promise<readonly string[]> {
  try {
    await mkdir(path)
    return [path]
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return []
    const parent = dirname(path)
    if (codeOf(error) !== 'ENOENT' || parent === path) throw error
    const above = await makeFolders(parent)
    try {
      await mkdir(path)
    } catch (again) {
      // Somebody else made it meanwhile.
      if (codeOf(again) !== 'EEXIST') throw again
      return above
    }
    return [...above, path]
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
