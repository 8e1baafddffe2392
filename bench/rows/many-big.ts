/** Many big files at once: does memory stay bounded, and does everyone get a share? */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Longhaul } from '../longhaul.ts'
import { peakRssBytes, resetPeak } from '../process-facts.ts'
import type { Result, Row } from '../row.ts'
import type { Stage } from '../stage.ts'
import { median } from '../statistics.ts'

const count = 64
const fullBytes = 64 * 2 ** 20
const MiB = 2 ** 20

export const manyBig: Row = {
  name: 'many-big',
  what: '64 tasks of 64 MiB, all active',
  needs: ['nginx'],
  run: runManyBig,
}

async function runManyBig(stage: Stage): Promise<Result> {
  const server = await stage.server('http')
  const payload = stage.payload('many.bin', stage.scaled(fullBytes))
  const longhaul = await Longhaul.start(stage, 'longhaul', { limits: { active: count, connections: count } })
  const walls: number[] = []
  const cpus: number[] = []
  const peaks: number[] = []
  const spreads: number[] = []
  for (let round = 0; round < stage.rounds; round++) {
    const folder = join(stage.folder, `many-${round}`)
    mkdirSync(folder)
    const files = Array.from({ length: count }, (_, i) => join(folder, `${i}.bin`))
    const list = join(stage.folder, 'many.json')
    writeFileSync(list, JSON.stringify(files.map((to) => ({ url: server.url(payload.name), to }))))
    stage.settle()
    resetPeak(longhaul.pid)
    const { stdout, wallMs, cpuMs } = await longhaul.program('fetch-many.ts', {
      identifier: `bench.many.${round}`,
      rows: list,
      active: count,
      connections: count,
      segments: 1,
    })
    const toldMs = JSON.parse(stdout) as readonly number[]
    walls.push(wallMs)
    cpus.push(cpuMs)
    // The daemon's alone: the client is the app's affair.
    peaks.push(peakRssBytes(longhaul.pid))
    spreads.push(toldMs.at(-1)! / toldMs[0]!)
    for (const file of files) await stage.check(file, payload)
    rmSync(folder, { recursive: true })
  }
  return {
    taken: [
      {
        name: 'longhaul',
        command: 'an app: session.enqueue(64 rows), didComplete of each',
        wallMs: median(walls),
        cpuMs: median(cpus),
        rssBytes: Math.max(...peaks),
      },
    ],
    findings: [
      { what: "daemon's peak memory", value: Math.max(...peaks) / MiB, unit: 'MiB', bound: { must: 160, aim: 128 } },
      { what: 'last finish, of first', value: median(spreads), bound: { must: 1.5, aim: 1.5 } },
    ],
    notes: [`${stage.fileSystem}; limits are raised: ${count} active tasks and connections, one segment each`],
  }
}
