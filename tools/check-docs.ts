// Keeps what the documents say true. Every ```ts block in README.md and docs/ is type-checked against the source, as an app
// that imports 'longhaul' would be; a block can opt out only with ```ts ignore. Every relative link must lead to something,
// and its #part to a heading.
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { dirname, join, normalize } from 'node:path'

/** A block of code in a document. */
export interface Block {
  /** The line of its fence, from 1. */
  readonly line: number
  readonly code: string
}

// A name that .gitignore knows, inside of the checkout so that 'longhaul' and @types/node resolve.
const folder = '.docs-check'

if (import.meta.main) {
  const documents = globSync(['*.md', 'docs/**/*.md', 'examples/**/*.md']).toSorted()
  const problems = [...checkLinks(documents), ...checkBlocks(documents)]
  for (const problem of problems) console.log(problem)
  if (problems.length > 0) process.exitCode = 1
}

/** The ```ts blocks of a text that are to be checked. */
export function findBlocks(text: string): readonly Block[] {
  const blocks: Block[] = []
  let open: { line: number; fence: string; checked: boolean; code: string[] } | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^\s*(```+|~~~+)\s*(.*)$/.exec(line)
    if (open === undefined) {
      if (fence === null) continue
      const words = (fence[2] ?? '').split(/\s+/)
      open = {
        line: index + 1,
        fence: fence[1] ?? '',
        checked: (words[0] === 'ts' || words[0] === 'typescript') && words[1] !== 'ignore',
        code: [],
      }
    } else if (fence !== null && fence[2] === '' && (fence[1] ?? '').startsWith(open.fence)) {
      if (open.checked) blocks.push({ line: open.line, code: open.code.join('\n') })
      open = undefined
    } else {
      open.code.push(line)
    }
  }
  return blocks
}

/** Type-checks the blocks of the documents; each is a module of its own. Errors are told at the document's line. */
export function checkBlocks(documents: readonly string[]): readonly string[] {
  rmSync(folder, { recursive: true, force: true })
  const origins = new Map<string, { document: string; line: number }>()
  mkdirSync(folder)
  for (const document of documents) {
    for (const { line, code } of findBlocks(readFileSync(document, 'utf8'))) {
      const name = `${document.replace(/[^a-z0-9]+/gi, '-')}-${line}.ts`
      writeFileSync(join(folder, name), `${code}\nexport {}\n`)
      origins.set(name, { document, line })
    }
  }
  if (origins.size === 0) {
    rmSync(folder, { recursive: true })
    return []
  }
  const config = {
    extends: '../tsconfig.json',
    // A reader's snippet may leave a name unused, and need not write the types of its exports.
    compilerOptions: {
      noUnusedLocals: false,
      noUnusedParameters: false,
      isolatedDeclarations: false,
      declaration: false,
    },
    include: ['*.ts'],
    exclude: [],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const { stdout, stderr } = spawnSync('tsc', ['-p', folder, '--pretty', 'false'], {
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  const problems = (stdout + stderr)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const place = /^\.docs-check\/([^(]+)\((\d+),\d+\): (.*)$/.exec(line)
      const origin = origins.get(place?.[1] ?? '')
      return origin === undefined ? line : `${origin.document}:${origin.line + Number(place?.[2])}  ${place?.[3]}`
    })
  rmSync(folder, { recursive: true })
  return problems
}

/** Relative links of the documents that lead nowhere. */
export function checkLinks(documents: readonly string[]): readonly string[] {
  const problems: string[] = []
  for (const document of documents) {
    const lines = withoutCode(readFileSync(document, 'utf8')).split('\n')
    for (const [index, line] of lines.entries()) {
      for (const [, target] of line.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)) {
        if (target === undefined || /^[a-z][a-z0-9+.-]*:/i.test(target)) continue
        const [path = '', part] = decodeURI(target).split('#')
        const file = path === '' ? document : normalize(join(dirname(document), path))
        const where = `${document}:${index + 1}  the link ${target}`
        if (!existsSync(file)) problems.push(`${where} leads to nothing`)
        else if (part !== undefined && statSync(file).isFile() && file.endsWith('.md') && !anchors(file).has(part)) {
          problems.push(`${where} names a heading that is not there`)
        }
      }
    }
  }
  return problems
}

/** The text with its code blanked out, line for line. */
function withoutCode(text: string): string {
  const blank = (code: string): string => code.replace(/[^\n]/g, ' ')
  return text.replace(/^([ \t]*)(```+|~~~+)[^]*?\n\s*\2[^\n]*$/gm, blank).replace(/`[^`\n]+`/g, blank)
}

/** The anchors that GitHub gives to the headings of a document. */
function anchors(file: string): ReadonlySet<string> {
  const found = new Set<string>()
  const text = readFileSync(file, 'utf8').replace(/^([ \t]*)(```+|~~~+)[^]*?\n\s*\2[^\n]*$/gm, '')
  for (const [, heading = ''] of text.matchAll(/^#{1,6}\s+(.*?)\s*#*$/gm)) {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
    const anchor = words.replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '').replaceAll(' ', '-')
    let name = anchor
    for (let again = 1; found.has(name); again++) name = `${anchor}-${again}`
    found.add(name)
  }
  return found
}
