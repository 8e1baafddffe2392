// Which test files a run is about.
import { globSync, statSync } from 'node:fs'
import { relative, resolve, sep } from 'node:path'

/** The chosen files, and what is wrong with the choice. */
export interface Selection {
  readonly files: readonly string[]
  readonly complaints: readonly string[]
}

/** Every pattern is a file, a folder, a glob, or a part of a path. No pattern means everything below test/. */
export function selectTestFiles(patterns: readonly string[]): Selection {
  const all = globSync('test/**/*.test.ts', { exclude: ['**/node_modules/**'] }).toSorted()
  if (all.length === 0) return { files: [], complaints: ['there is no test file (test/**/*.test.ts)'] }
  if (patterns.length === 0) return { files: all, complaints: [] }
  const complaints: string[] = []
  const chosen = new Set<string>()
  for (const pattern of patterns) {
    const matching = match(pattern, all)
    if (matching.length === 0) complaints.push(`the pattern ${pattern} matches no test file`)
    for (const file of matching) chosen.add(file)
  }
  return { files: [...chosen].toSorted(), complaints }
}

function match(pattern: string, all: readonly string[]): readonly string[] {
  const path = relative('.', resolve(pattern))
  const stat = statSync(pattern, { throwIfNoEntry: false })
  if (stat?.isFile() === true) return all.filter((file) => file === path)
  if (stat?.isDirectory() === true) return all.filter((file) => path === '' || file.startsWith(path + sep))
  if (/[*?{[]/.test(pattern)) {
    const globbed = new Set(globSync(pattern))
    return all.filter((file) => globbed.has(file))
  }
  return all.filter((file) => file.includes(pattern))
}
