// How fast tasks are enqueued, and what a daemon with all of them queued weighs. The whole way: client, socket, checks, journal
// with synchronous=FULL, in batches of 1,000. Nothing is fetched: the session is held.
//
//   npm run bench:enqueue -- [--tasks 100000]
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { tasks: { type: 'string', default: '100000' } } })
const count = Number(values.tasks)
const folder = await mkdtemp(join(tmpdir(), 'longhaul-bench-'))
process.env['LONGHAUL_HOME'] = join(folder, 'home')
const { BackgroundSession } = await import('longhaul')

const session = await BackgroundSession.open({ identifier: 'bench.enqueue' })
function* rows(): Generator<{ url: string; to: string; key: string }> {
  for (let i = 0; i < count; i++) {
    const name = `file-${String(i).padStart(6, '0')}.bin`
    yield { url: `http://127.0.0.1:9/mirror/${name}`, to: join(folder, 'files', name), key: name }
  }
}
const began = performance.now()
const { added } = await session.enqueue(rows(), { start: false })
const tookMs = performance.now() - began
const { pid } = JSON.parse(await readFile(join(folder, 'home', 'lock'), 'utf8')) as { pid: number }
const memory = async (): Promise<string> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const field = (name: string): string =>
    (Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024).toFixed(0)
  return `RSS ${field('VmRSS')} MiB, highest ${field('VmHWM')} MiB`
}
console.log(`${added} tasks in ${(tookMs / 1000).toFixed(2)} s: ${Math.round(added / (tookMs / 1000))} a second`)
console.log(`daemon: ${await memory()}`)
const countsBegan = performance.now()
const counts = await session.counts()
console.log(`counts in ${(performance.now() - countsBegan).toFixed(1)} ms: ${JSON.stringify(counts)}`)
await session.close()
process.kill(pid, 'SIGTERM')
for (;;) {
  try {
    process.kill(pid, 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
  } catch {
    break
  }
}
await rm(folder, { recursive: true, force: true })
