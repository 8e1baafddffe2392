/** The few parts in C, compiled when they are wanted; their sources say what they are for. Starts processes. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type NativeName = 'measure' | 'no-sync' | 'path'

export class Native {
  readonly #folder: string
  readonly #made = new Map<NativeName, string>()

  /** @param folder where the results go; somebody else removes it */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** The path of a program, or of a library to preload. @throws with the compiler's words */
  path(name: NativeName): string {
    const known = this.#made.get(name)
    if (known !== undefined) return known
    const path = join(this.#folder, name)
    const source = fileURLToPath(new URL(`native/${name}.c`, import.meta.url))
    const kind = name === 'no-sync' ? ['-shared', '-fPIC'] : []
    execFileSync('cc', ['-O2', ...kind, '-o', path, source], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#made.set(name, path)
    return path
  }
}
