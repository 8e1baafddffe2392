/** Many small files: what each one costs beside its bytes. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Longhaul } from '../longhaul.ts'
import type { Sample } from '../measure.ts'
import { type Contender, race } from '../race.ts'
import type { Result, Row } from '../row.ts'
import type { Server } from '../servers.ts'
import type { Payload, Stage } from '../stage.ts'

const fullCount = 2000
const bytes = 16 * 1024
const limits = { active: 64, connections: 16 }
const bare = 'bare promises'
const engine = 'the engine alone'

export const smallFiles: Row = {
  name: 'small-files',
  what: '2,000 files of 16 KiB, each durable',
  needs: ['nginx', 'curl', 'aria2c'],
  run: runSmallFiles,
}

async function runSmallFiles(stage: Stage): Promise<Result> {
  const server = await stage.server('http')
  const count = stage.scaled(fullCount)
  const payloads = Array.from({ length: count }, (_, i) =>
    stage.payload(`small-${String(i).padStart(4, '0')}.bin`, bytes),
  )
  const many: Many = { stage, server, payloads }
  const longhaul = await Longhaul.start(stage, 'longhaul', { limits })
  const control = await Longhaul.start(stage, 'control', { limits, syncs: 'none' })
  const contenders = [
    longhaulFetches(many, longhaul, 'longhaul'),
    curlParallel(many),
    aria2Parallel(many),
    longhaulFetches(many, control, 'longhaul without syncs'),
    barePromises(many),
    engineAlone(many),
  ]
  // Compiles what is compiled once.
  for (const contender of contenders.filter(({ name }) => name.startsWith('longhaul'))) {
    await contender.run(-1)
    await contender.check(-1)
  }
  return race(
    {
      contenders,
      comparisons: [
        { of: 'wall', against: 'curl --parallel', bound: { must: 2, aim: 1.2 } },
        { of: 'wall', against: 'aria2 -j16', bound: { must: 0.7, aim: 0.4 } },
        { of: 'cpu', against: 'curl --parallel' },
        { of: 'wall', against: 'longhaul without syncs' },
        { of: 'wall', against: bare },
        { of: 'cpu', against: bare },
        { of: 'wall', name: engine, against: 'aria2 -j16' },
        { of: 'cpu', name: engine, against: bare },
      ],
      notes: [
        `${stage.fileSystem}; ${count} files; only Longhaul makes them durable`,
        `Longhaul's limits are raised: ${limits.active} active tasks, ${limits.connections} connections`,
      ],
    },
    stage,
  )
}

interface Many {
  readonly stage: Stage
  readonly server: Server
  readonly payloads: readonly Payload[]
}

function longhaulFetches(many: Many, longhaul: Longhaul, name: string): Contender {
  return contender(many, {
    name,
    command: 'an app: session.enqueue(2,000 rows), didComplete of each',
    prepare: (folder, list) => writeFileSync(list, rowsOf(many, folder)),
    run: (_folder, list, round) =>
      longhaul.program('fetch-many.ts', {
        identifier: `bench.small.${round + 1}`,
        rows: list,
        active: limits.active,
        connections: limits.connections,
        segments: 1,
      }),
  })
}

function curlParallel(many: Many): Contender {
  const { stage, server, payloads } = many
  return contender(many, {
    name: 'curl --parallel',
    command: 'curl -s --parallel --parallel-max 16 --config LIST',
    prepare: (folder, list) => {
      const line = ({ name }: Payload): string => `url = "${server.url(name)}"\noutput = "${join(folder, name)}"\n`
      writeFileSync(list, payloads.map(line).join(''))
    },
    run: (_folder, list) => stage.run(['curl', '-s', '-f', '--parallel', '--parallel-max', '16', '--config', list]),
  })
}

function aria2Parallel(many: Many): Contender {
  const { stage, server, payloads } = many
  const fixed = ['aria2c', '-q', '--no-conf', '--file-allocation=none', '-j16']
  return contender(many, {
    name: 'aria2 -j16',
    command: `${fixed.join(' ')} -d DIR -i LIST`,
    prepare: (_folder, list) => writeFileSync(list, payloads.map(({ name }) => `${server.url(name)}\n`).join('')),
    run: (folder, list) => stage.run([...fixed, '-d', folder, '-i', list]),
  })
}

/** What the promises cost where nothing else is done; the start of its daemon is in it. */
function barePromises(many: Many): Contender {
  const { stage } = many
  return contender(many, {
    name: bare,
    command: 'node bench/programs/bare-small.ts',
    prepare: (folder, list) => writeFileSync(list, rowsOf(many, folder)),
    run: (folder, list) => {
      const parameter = { rows: list, home: `${folder}.home`, ...limits }
      return stage.run([process.execPath, stage.published.program('bare-small.ts'), JSON.stringify(parameter)])
    },
  })
}

/** Our transfers without all else. It keeps fewer promises than the floor: nothing is recorded, nobody is told. */
function engineAlone(many: Many): Contender {
  const { stage } = many
  return contender(many, {
    name: engine,
    command: 'node bench/programs/engine-alone.ts',
    prepare: (folder, list) => writeFileSync(list, rowsOf(many, folder)),
    run: (_folder, list) => {
      const parameter = { rows: list, ...limits }
      return stage.run([process.execPath, stage.published.program('engine-alone.ts'), JSON.stringify(parameter)])
    },
  })
}

/** { url, to } of each. */
function rowsOf({ server, payloads }: Many, folder: string): string {
  return JSON.stringify(payloads.map(({ name }) => ({ url: server.url(name), to: join(folder, name) })))
}

interface Way {
  readonly name: string
  readonly command: string
  /** Writes the list of what is wanted, in the way's own form. */
  readonly prepare: (folder: string, list: string) => void
  readonly run: (folder: string, list: string, round: number) => Promise<Sample>
}

/**
 * Each round gets a new folder, and they stay until the end: for each file that is made ext4 looks through those that were removed
 * in the last minutes (`recently_deleted`), which would cost a contender up to a millisecond a file for what others have left.
 */
function contender({ stage, payloads }: Many, { name, command, prepare, run }: Way): Contender {
  const place = (round: number): string => join(stage.folder, `${name.replaceAll(/\W+/g, '-')}-${round}`)
  return {
    name,
    command,
    run: (round) => {
      const folder = place(round)
      mkdirSync(folder)
      prepare(folder, `${folder}.list`)
      return run(folder, `${folder}.list`, round)
    },
    check: async (round) => {
      for (const payload of payloads) await stage.check(join(place(round), payload.name), payload)
    },
  }
}
