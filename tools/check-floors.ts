// Holds src/ to the floors of the house (the table is tools/floors.ts): who may import whom, and who may touch the real world.
//
//   node tools/check-floors.ts [folder]
//
// Circles between rooms cannot be: the table itself is checked to have none. Circles between files are found by oxlint
// (import/no-cycle).
import { globSync, readFileSync } from 'node:fs'
import { join, posix, resolve } from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'
import {
  belongsTo,
  harmlessCrypto,
  harmlessModules,
  mayImport,
  mayReadProcess,
  touchesTheRealWorld,
  worldlyGlobals,
} from './floors.ts'

/** Something in a source file that leaves its own file: an import, or the use of a global. */
interface Reach {
  readonly kind: 'import' | 'global'
  /** A module specifier, or the name of a global. */
  readonly target: string
  /** Names taken by an import; undefined means that all could be (a namespace, a dynamic import). */
  readonly names: readonly string[] | undefined
  readonly typesOnly: boolean
  readonly offset: number
}

if (import.meta.main) {
  const problems = checkFloors(process.argv[2] ?? 'src')
  for (const problem of problems) console.log(problem)
  if (problems.length > 0) {
    console.log(`\n${problems.length} against the floors of the house (tools/floors.ts)`)
    process.exitCode = 1
  }
}

/** Everything below `folder` that is against the table, as lines `path:line  what`. */
export function checkFloors(folder: string): readonly string[] {
  const problems = [...findCircles()]
  const files = globSync('**/*.{ts,tsx}', { cwd: resolve(folder) }).toSorted()
  if (files.length === 0) problems.push(`${folder}: no source file`)
  for (const path of files) {
    const text = readFileSync(join(folder, path), 'utf8')
    const file = path.replaceAll('\\', '/').replace(/\.tsx?$/, '')
    if (rowOf(file) === undefined) {
      problems.push(`${folder}/${path}:1  ${roomOf(file)} has no row in tools/floors.ts`)
      continue
    }
    for (const reach of findReaches(path, text)) {
      const problem = reach.kind === 'import' ? judgeImport(file, reach) : judgeGlobal(file, reach)
      if (problem === undefined) continue
      const line = text.slice(0, reach.offset).split('\n').length
      problems.push(`${folder}/${path}:${line}  ${problem}`)
    }
  }
  return problems
}

/** A room that can reach itself through others would be an arrow up somewhere. A file's own row counts as its room's. */
function findCircles(): readonly string[] {
  const below = (room: string): readonly string[] =>
    Object.entries(mayImport)
      .filter(([row]) => roomOf(row) === room)
      .flatMap(([, targets]) => targets.map((target) => roomOf(target.replace('type ', ''))))
      .filter((target) => target !== room)
  const circles: string[] = []
  const walk = (room: string, way: readonly string[]): void => {
    if (way.includes(room)) {
      if (room === way[0]) circles.push(`tools/floors.ts:1  the table has a circle: ${[...way, room].join(' → ')}`)
      return
    }
    for (const next of below(room)) walk(next, [...way, room])
  }
  for (const room of new Set(Object.keys(mayImport).map(roomOf))) walk(room, [])
  return circles
}

function roomOf(file: string): string {
  return file.split('/')[0] ?? file
}

function rowOf(file: string): readonly string[] | undefined {
  return mayImport[file] ?? mayImport[roomOf(file)]
}

/** Whether a list of rooms and files names this file. */
function names(list: readonly string[], file: string): boolean {
  return list.includes(file) || list.includes(roomOf(file))
}

function judgeImport(file: string, reach: Reach): string | undefined {
  if (reach.target.startsWith('.')) return judgeFile(file, reach)
  const { target } = reach
  const owners = belongsTo[target]
  if (owners !== undefined) {
    return names(owners, file) ? undefined : `${target} belongs to ${owners.join(', ')}, not to ${roomOf(file)}`
  }
  if (!target.startsWith('node:')) return `the package ${target} belongs to no room (belongsTo in tools/floors.ts)`
  if (names(touchesTheRealWorld, file) || harmlessModules.includes(target)) return undefined
  if (target === 'node:crypto' && reach.names?.every((name) => harmlessCrypto.includes(name)) === true) return undefined
  if (target === 'node:process' && names(mayReadProcess, file)) return undefined
  return `${target} is the real world; ${file} takes the seams of world/`
}

function judgeFile(file: string, { target, typesOnly }: Reach): string | undefined {
  const other = posix.join(posix.dirname(file), target).replace(/\.tsx?$/, '')
  if (other.startsWith('..')) return `${target} lies outside of src/`
  if (other !== file && roomOf(other) === roomOf(file) && other.includes('/')) return undefined
  for (const allowed of rowOf(file) ?? []) {
    const name = allowed.replace('type ', '')
    if (name !== other && name !== roomOf(other)) continue
    if (typesOnly || !allowed.startsWith('type ')) return undefined
    return `${file} may import only types from ${other}`
  }
  return `${file} may not import ${other}`
}

function judgeGlobal(file: string, { target }: Reach): string | undefined {
  if (names(touchesTheRealWorld, file)) return undefined
  if (target === 'process' && names(mayReadProcess, file)) return undefined
  return `${target} is the real world; ${file} takes the seams of world/`
}

function findReaches(path: string, text: string): readonly Reach[] {
  const found: Reach[] = []
  const { program, errors } = parseSync(path, text)
  const error = errors[0]
  if (error !== undefined) throw new Error(`${path}: ${error.message}`)

  const addImport = (
    target: string,
    offset: number,
    typesOnly: boolean,
    taken: readonly string[] | undefined,
  ): void => {
    found.push({ kind: 'import', target, names: taken, typesOnly, offset })
  }
  const addGlobal = (target: string, offset: number): void => {
    if (worldlyGlobals.includes(target))
      found.push({ kind: 'global', target, names: undefined, typesOnly: false, offset })
  }
  // A name that the file declares itself is not the global of that name.
  const declared = new Set<string>()

  new Visitor({
    ImportDeclaration({ source, specifiers, importKind, start }) {
      const taken = specifiers.map((each) => {
        if (each.type !== 'ImportSpecifier') return undefined
        return each.imported.type === 'Identifier' ? each.imported.name : each.imported.value
      })
      const typesOnly =
        importKind === 'type' ||
        (specifiers.length > 0 &&
          specifiers.every((each) => each.type === 'ImportSpecifier' && each.importKind === 'type'))
      for (const each of specifiers) declared.add(each.local.name)
      const all = taken.every((name) => name !== undefined) ? taken : undefined
      addImport(source.value, start, typesOnly, all)
    },
    ExportNamedDeclaration({ source, exportKind, specifiers, start }) {
      if (source === null) return
      const typesOnly = exportKind === 'type' || specifiers.every((each) => each.exportKind === 'type')
      addImport(source.value, start, typesOnly, undefined)
    },
    ExportAllDeclaration({ source, exportKind, start }) {
      addImport(source.value, start, exportKind === 'type', undefined)
    },
    ImportExpression({ source, start }) {
      const target = source.type === 'Literal' && typeof source.value === 'string' ? source.value : 'a computed name'
      addImport(target, start, false, undefined)
    },
    TSImportType({ source, start }) {
      addImport(source.value, start, true, undefined)
    },
    CallExpression({ callee, start }) {
      if (callee.type !== 'Identifier') return
      if (callee.name === 'Date') addGlobal('Date.now', start)
      else addGlobal(callee.name, start)
    },
    NewExpression({ callee, arguments: given, start }) {
      if (callee.type !== 'Identifier') return
      if (callee.name === 'Date' && given.length === 0) addGlobal('Date.now', start)
      else addGlobal(callee.name, start)
    },
    MemberExpression({ object, property, start }) {
      if (object.type !== 'Identifier') return
      if (object.name === 'globalThis' && property.type === 'Identifier') addGlobal(property.name, start)
      addGlobal(object.name, start)
      if (property.type === 'Identifier') addGlobal(`${object.name}.${property.name}`, start)
    },
    VariableDeclarator({ id }) {
      if (id.type === 'Identifier') declared.add(id.name)
    },
  }).visit(program)
  return found.filter((reach) => reach.kind === 'import' || !declared.has(reach.target))
}
