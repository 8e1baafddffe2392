/**
 * A copy of the program with single lines changed, for controls: a row that does not catch a program that is broken on purpose
 * proves nothing. The product has no switch for any of this. A patch whose text is not there any more ends the run.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = fileURLToPath(new URL('../..', import.meta.url))

export interface Patch {
  /** Below src/. */
  readonly file: string
  /** Stands there exactly once. */
  readonly from: string
  readonly to: string
}

/** Makes the copy below `folder`. @returns the folder of its sources. @throws when a patch does not fit */
export function patchedSource(folder: string, patches: readonly Patch[]): string {
  const copy = join(folder, 'program')
  mkdirSync(copy)
  cpSync(join(project, 'src'), join(copy, 'src'), { recursive: true })
  cpSync(join(project, 'package.json'), join(copy, 'package.json'))
  symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'))
  for (const { file, from, to } of patches) {
    const path = join(copy, 'src', file)
    const parts = readFileSync(path, 'utf8').split(from)
    if (parts.length !== 2)
      throw new Error(
        `a control does not fit any more: ${JSON.stringify(from)} stands ${parts.length - 1} times in src/${file}`,
      )
    writeFileSync(path, parts.join(to))
  }
  return join(copy, 'src')
}
