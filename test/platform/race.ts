// Several processes that do the same thing at the same moment.
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const platform = new URL('../../src/platform/', import.meta.url).href

/**
 * Runs `program` (a module; `#platform/` stands for the room) in `count` processes. In it, `go` is a promise that resolves once all have
 * started, and `end` one that resolves when all have printed a line. Resolves with what each printed.
 */
export async function race(count: number, program: string): Promise<readonly string[]> {
  const code = `
    const input = process.stdin[Symbol.asyncIterator]()
    console.error('ready')
    const go = input.next()
    const end = go.then(() => input.next())
    ${program.replaceAll("from '#platform/", `from '${platform}`)}
    await end
    process.exit()`
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: ['pipe', 'pipe', 'pipe'] }),
  )
  const problems: string[] = []
  const printed = children.map((child) => {
    child.stderr.on('data', (bytes: Buffer) => problems.push(bytes.toString()))
    return once(child.stdout, 'data').then(([bytes]) => (bytes as Buffer).toString().trim())
  })
  const ended = children.map((child) => once(child, 'exit'))
  try {
    await Promise.all(children.map((child) => Promise.race([once(child.stderr, 'data'), once(child, 'exit')])))
    for (const child of children) child.stdin.write('go\n')
    const failed = Promise.race(ended).then(() => {
      throw new Error(`a racer ended before it was told to: ${problems.join('')}`)
    })
    const lines = await Promise.race([Promise.all(printed), failed])
    failed.catch(() => {})
    return lines
  } finally {
    for (const child of children) child.stdin.end('end\n')
    await Promise.all(ended)
  }
}
