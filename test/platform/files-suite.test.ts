import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createFileSystem } from '../../src/platform/files.ts'
import { fileSystemSuite } from '../suites/file-system.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

for (const [form, isNear] of [
  ['of the machine, whose disk is near', true],
  ['of the machine, whose disk is far', false],
] as const) {
  const files = createFileSystem({ isNear: () => isNear })
  fileSystemSuite(form, async () => ({
    files,
    home: await temporaryFolder(),
    write: (path, text) => writeFileSync(path, text),
    read: (path) => {
      try {
        return readFileSync(path, 'utf8')
      } catch {
        return undefined
      }
    },
    makeFolder: (path) => mkdirSync(path),
    remove: (path) => rmSync(path, { recursive: true }),
    settle: (work) => work,
  }))
}
