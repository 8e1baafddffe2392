/** What tells a file from others, out of what the system says of it. Pure. */
import type { BigIntStats } from 'node:fs'
import type { FileIdentity } from '../world/file-system.ts'

/** Times to the microsecond, which a double holds exactly enough to compare. */
export function identityOf(stats: BigIntStats): FileIdentity {
  return {
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'link' : 'other',
    inode: stats.ino.toString(),
    device: stats.dev.toString(),
    birthMs: Number(stats.birthtimeNs / 1000n) / 1000,
    size: Number(stats.size),
    modifiedMs: Number(stats.mtimeNs / 1000n) / 1000,
    mode: Number(stats.mode & 0o7777n),
    links: Number(stats.nlink),
  }
}
