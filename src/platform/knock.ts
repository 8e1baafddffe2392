/**
 * How a client that finds a daemon's lock but nobody at its socket says so: it touches a file in the home, and the daemon looks
 * whether its socket is still there. Without it an idle daemon would have to look now and then by itself: neither the end of a
 * mount nor, where the system has no watch left, anything else is reported. May touch: that file.
 */
import { closeSync, futimesSync, openSync, statSync, unlinkSync, watch } from 'node:fs'
import { dirname } from 'node:path'

/** Best effort: where it fails, the client goes on to try. @param path as `homePaths` gives it */
export function knock(path: string): void {
  try {
    const file = openSync(path, 'a', 0o600)
    try {
      const now = new Date()
      futimesSync(file, now, now)
    } finally {
      closeSync(file)
    }
    // So that the next one makes an entry in the folder: some systems report nothing else.
    unlinkSync(path)
  } catch {
    // No home, no room, no right to it: then it is not knocking that will help.
  }
}

/** @returns what ends it; undefined: knocks cannot be heard here. `deaf` is called if that comes later. */
export function hearKnocks(path: string, heard: () => void, deaf: () => void): Disposable | undefined {
  const folder = dirname(path)
  // With the time of its birth: the inode of a folder that is gone is used again at once.
  const identity = (): string | undefined => {
    try {
      const { dev, ino, birthtimeNs } = statSync(folder, { bigint: true })
      return `${dev} ${ino} ${birthtimeNs}`
    } catch {
      return undefined
    }
  }
  try {
    const first = identity()
    const watcher = watch(folder, { persistent: false }, () => {
      // What is watched is the folder itself, not what takes its place.
      if (identity() !== first) end()
      heard()
    })
    const end = (): void => {
      watcher.close()
      deaf()
    }
    watcher.on('error', end)
    return { [Symbol.dispose]: () => watcher.close() }
  } catch {
    return undefined
  }
}
