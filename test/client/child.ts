// An app in a process of its own, against a scripted daemon.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { temporaryFolder } from '../support/temporary-folder.ts'

export interface ChildEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Lines of its standard output. */
  readonly said: readonly string[]
  readonly errors: string
}

const index = pathToFileURL(join(import.meta.dirname, '../../src/index.ts')).href

/** Runs `code` as a module that has the package's exports; it is killed after 20 s, for a child that never ends is a failure. */
export async function runApp(code: string, env: Readonly<Record<string, string>>): Promise<ChildEnd> {
  const path = join(await temporaryFolder(), 'app.mjs')
  await writeFile(
    path,
    `import { BackgroundSession, download, handleEventsForBackgroundSession, isLonghaulError } from ${JSON.stringify(index)}\n${code}`,
  )
  const child = spawn(process.execPath, [path], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 20_000,
    killSignal: 'SIGKILL',
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()))
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()))
  const [codeOfExit, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { code: codeOfExit, signal, said: output.split('\n').filter((line) => line !== ''), errors }
}
