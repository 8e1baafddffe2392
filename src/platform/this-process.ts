/**
 * What the client has to know of the process it runs in. May touch: `process`, worker_threads, timers (one that only keeps
 * the process alive), and node:fs to find an executable and the nearest package.json.
 */
import { accessSync, constants, readFileSync, statSync } from 'node:fs'
import { delimiter, dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import type { KeepAlive } from '../world/app-world.ts'

export { isMainThread }

/** One timer for all holds, armed only while there is one. */
export function createKeepAlive(): KeepAlive {
  let holds = 0
  let timer: NodeJS.Timeout | undefined
  return {
    hold() {
      holds++
      timer ??= setInterval(() => {}, 0x7fff_ffff)
      let held = true
      return () => {
        if (!held) return
        held = false
        holds--
        if (holds > 0) return
        clearInterval(timer)
        timer = undefined
      }
    },
  }
}

/** The file mode bits that new files of this process do not get. */
export function currentUmask(): number {
  // Setting and setting back would change it for every thread for a moment, so the read that is called unsafe is the safe one.
  // oxlint-disable-next-line typescript/no-deprecated
  return process.umask()
}

/** An executable as an absolute path: as it is, relative to `cwd` if it has a separator, else searched on PATH. */
export function findExecutable(
  command: string,
  cwd: string,
  path: string = process.env['PATH'] ?? '',
): string | undefined {
  if (isAbsolute(command) || command.includes('/') || command.includes(sep)) {
    const full = resolve(cwd, command)
    return isExecutable(full) ? full : undefined
  }
  const endings = process.platform === 'win32' ? ['', ...(process.env['PATHEXT'] ?? '.EXE').split(';')] : ['']
  for (const folder of path.split(delimiter)) {
    for (const ending of endings) {
      const full = resolve(cwd, folder, command + ending)
      if (folder !== '' && isExecutable(full)) return full
    }
  }
  return undefined
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** The package that a program belongs to: the name in the nearest package.json above it, and that folder. */
export function nearestPackage(from: string): { readonly name: string; readonly folder: string } | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    try {
      const found: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      // One without a name only says 'type: module' for its folder.
      if (typeof found === 'object' && found !== null && 'name' in found && typeof found.name === 'string') {
        return { name: found.name, folder }
      }
    } catch {
      // None here, or none that can be read: look above it.
    }
    if (dirname(folder) === folder) return undefined
  }
}
