/**
 * What stands at a path where a file shall be: only a file, or nothing, may give way to one. A link in the last place is never
 * followed but replaced, and so may lead to a file or to nothing; one that leads to a device, a pipe or an open descriptor is a
 * part of the system (`/dev/stdout`), whatever the descriptor happens to be at this moment. May touch: node:fs, only to look.
 */
import { lstat, readlink, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'

export type Standing = 'file' | 'folder' | 'other'

/** As many links in a row as Linux follows. */
const mostLinks = 40

/** @throws ENOENT and its like, as `lstat` */
export async function whatStandsAt(path: string): Promise<Standing> {
  const own = await lstat(path)
  if (own.isDirectory()) return 'folder'
  if (!own.isSymbolicLink()) return own.isFile() ? 'file' : 'other'
  const target = await stat(path).catch(() => undefined)
  if (target?.isDirectory() === true) return 'folder'
  if (target?.isFile() === false) return 'other'
  return (await leadsIntoSystem(path)) ? 'other' : 'file'
}

async function leadsIntoSystem(path: string): Promise<boolean> {
  let at = await withRealFolder(path)
  for (let links = 0; links < mostLinks; links++) {
    const next = await readlink(at).catch(() => undefined)
    if (next === undefined) return false
    at = await withRealFolder(resolve(dirname(at), next))
    // What programs keep in shared memory are files of their own.
    if (/^\/(?:proc|dev(?!\/shm\/))\//.test(at)) return true
  }
  return false
}

/** The last name is left as it is: it may be the link that is asked about. */
async function withRealFolder(path: string): Promise<string> {
  const folder = dirname(path)
  return join(await realpath(folder).catch(() => folder), basename(path))
}
