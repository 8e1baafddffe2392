// The guard of the documents finds what it has to find, and nothing in what is not its business.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findBlocks } from '../../tools/check-docs.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const fence = '```'

/** Runs the guard in a small project with these documents, whose package `longhaul` exports one number. */
function checkDocs(t: TestContext, documents: Readonly<Record<string, string>>): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'longhaul-docs-'))
  t.after(() => {
    rmSync(folder, { recursive: true })
  })
  const files = {
    'package.json': '{"name":"longhaul","type":"module","exports":{".":{"longhaul-source":"./src/index.ts"}}}',
    'tsconfig.json': JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['src'] }),
    'src/index.ts': 'export const answer: number = 42\n',
    ...documents,
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const { stdout, status } = spawnSync(process.execPath, [join(root, 'tools/check-docs.ts')], {
    cwd: folder,
    encoding: 'utf8',
  })
  const lines = stdout.split('\n').filter((line) => line !== '')
  assert.equal(status, lines.length === 0 ? 0 : 1)
  return lines
}

test('the blocks of a document are found with their lines, and those of other languages left alone', () => {
  const text = `a\n${fence}ts\none\n${fence}\n${fence}sh\ntwo\n${fence}\n  ${fence}ts ignore\nthree\n${fence}\n${fence}ts\nfour\nfive\n${fence}`
  assert.deepEqual(findBlocks(text), [
    { line: 2, code: 'one' },
    { line: 11, code: 'four\nfive' },
  ])
})

test('a block is checked against the source of longhaul, and its error is told at the line of the document', (t) => {
  const good = `${fence}ts\nimport { answer } from 'longhaul'\nconst sum: number = answer + 1\n${fence}\n`
  const bad = `# Guide\n\n${fence}ts\nimport { answer } from 'longhaul'\nconst text: string = answer\n${fence}\n`
  const lines = checkDocs(t, { 'README.md': good, 'docs/guide.md': bad })
  assert.deepEqual(lines, ["docs/guide.md:5  error TS2322: Type 'number' is not assignable to type 'string'."])
})

test('a block opts out only when it says so', (t) => {
  assert.deepEqual(checkDocs(t, { 'README.md': `${fence}ts ignore\nconst text: string = 5\n${fence}\n` }), [])
})

test('two blocks of one document do not share names', (t) => {
  const block = (value: string): string => `${fence}ts\nconst same = ${value}\n${fence}\n`
  assert.deepEqual(checkDocs(t, { 'README.md': block('1') + block(`'two'`) }), [])
})

test('a relative link must lead to a file, and its part to a heading', (t) => {
  const lines = checkDocs(t, {
    'README.md': `[a](docs/guide.md) [b](docs/none.md) [c](docs/guide.md#how-it-works-twice) [d](docs/guide.md#nowhere)
[e](https://example.com/none.md) [f](#nothing) \`[g](none.md)\`
${fence}md
[h](none.md)
${fence}
`,
    'docs/guide.md': '# How it `works`, twice\n[up](../README.md)\n',
  })
  assert.deepEqual(lines, [
    'README.md:1  the link docs/none.md leads to nothing',
    'README.md:1  the link docs/guide.md#nowhere names a heading that is not there',
    'README.md:2  the link #nothing names a heading that is not there',
  ])
})
