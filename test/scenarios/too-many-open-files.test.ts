/**
 * A daemon that may not open one file more: neither a folder, nor a part, nor a connection to a server or from an app. What runs
 * goes on, the rest is tried again, and nobody has to do anything once there is room.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { Stage } from '../support/stage.ts'

const size = 300_000
const files = 12

/** The soft limit: no new descriptor gets a number of `below` or more; those that are open stay. */
function limit(pid: number, below: string | number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${below}:`])
}

/** As many as are open: the number that the next one would get. */
function nextDescriptor(pid: number): number {
  const open = new Set(readdirSync(`/proc/${pid}/fd`))
  for (let number = 0; ; number++) if (!open.has(String(number))) return number
}

function hardLimit(pid: number): string {
  return /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'latin1'))![1]!
}

test(
  'while no file can be opened transfers that run go on, others wait and say why, and all end by themselves when there is room',
  { skip: needs('linux', 'prlimit') },
  async () => {
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    const app = await stage.start({
      identifier: 'com.example.descriptors',
      options: { configuration: { retry: { initialDelay: '20ms', maximumDelay: '50ms' } } } as never,
    })
    const start = (path: string, script: readonly ReturnType<typeof stallAfter>[] = []): Promise<string> =>
      app.run(
        async ({ session }, address, to) => (await session.download(address, { to })).id,
        server.file(path, { size, etag: '"v1"', script }),
        stage.path(path.slice(1)),
      )
    // It has begun before there is no room any more.
    const first = await start('/first.bin', [stallAfter(100_000)])
    await stage.event('didWriteData', ({ fields }) => fields['totalBytesWritten'] === 100_000)

    const { pid } = stage.daemon!
    limit(pid, nextDescriptor(pid))
    const ids: string[] = []
    for (let n = 0; n < files; n++) ids.push(await start(`/${n}.bin`))
    const why = await app.run(async ({ session }, wanted) => {
      for (;;) {
        for (const id of wanted) {
          const { phase, why: said, nextWakeUp } = await (await session.task(id))!.explain()
          if (phase === 'completed') throw new Error(`${id} has ended`)
          if (phase === 'waiting' && nextWakeUp !== undefined) return said
        }
      }
    }, ids)
    assert.match(why, /Too many files are open|EMFILE/)
    server.release()
    await stage.event('didComplete', ({ task, fields }) => task === first && fields['error'] === undefined)
    assert.equal(await stage.digest(stage.path('first.bin')), server.digest('/first.bin'))
    assert.equal(server.requestsFor('/first.bin').length, 1)

    limit(pid, hardLimit(pid))
    const isDone = (id: string): boolean =>
      stage.events(({ name, task }) => name === 'didComplete' && task === id).length > 0
    await stage.reports.until(() => ids.every(isDone), 'all have ended')
    for (let n = 0; n < files; n++)
      assert.equal(await stage.digest(stage.path(`${n}.bin`)), server.digest(`/${n}.bin`), `file ${n}`)
    assert.equal((await stage.listed()).length, files + 1, 'nothing partial is left')
    assert.equal(stage.daemon?.pid, pid, 'the same daemon all along')
    const status = JSON.parse((await stage.longhaul('daemon', 'status', '--json')).stdout) as Record<string, unknown>
    assert.equal(status['journalWritable'], true)
  },
)
