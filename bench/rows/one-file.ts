/** One big file: plain, over TLS, with one connection and with four, verified. */
import { aria2Gets, bareLoop, curlGets, curlVerifies, diskAlone, longhaulGets, type OneFile } from '../one-file.ts'
import { Longhaul, warmUp } from '../longhaul.ts'
import { type Comparison, type Contender, race } from '../race.ts'
import type { Bound, Result, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const GiB = 2 ** 30

interface Variant {
  readonly name: string
  readonly what: string
  readonly kind: 'http' | 'tls'
  readonly bytes: number
  readonly segments: number
  readonly wall: { readonly curl: Bound; readonly aria2?: Bound }
  readonly cpu?: Bound
}

const variants: readonly Variant[] = [
  {
    name: 'big-http-4',
    what: '2 GiB over http, durable, four segments',
    kind: 'http',
    bytes: 2 * GiB,
    segments: 4,
    wall: { curl: { must: 0.8, aim: 0.7 }, aria2: { must: 0.65, aim: 0.6 } },
    cpu: { must: 1.15, aim: 1 },
  },
  {
    name: 'big-http-1',
    what: '2 GiB over http, durable, one segment',
    kind: 'http',
    bytes: 2 * GiB,
    segments: 1,
    wall: { curl: { must: 0.95, aim: 0.8 } },
  },
  {
    name: 'tls-4',
    what: '1 GiB over TLS 1.3, durable, four segments',
    kind: 'tls',
    bytes: GiB,
    segments: 4,
    wall: { curl: { must: 1.1, aim: 0.95 }, aria2: { must: 0.9, aim: 0.75 } },
  },
]

export const bigFiles: readonly Row[] = variants.map((variant) => ({
  name: variant.name,
  what: variant.what,
  needs: ['nginx', 'curl', ...(variant.wall.aria2 === undefined ? [] : ['aria2c'])],
  run: (stage) => runBig(stage, variant),
}))

async function runBig(stage: Stage, { name, kind, bytes, segments, wall, cpu }: Variant): Promise<Result> {
  const file = await serveOne(stage, kind, stage.scaled(bytes), name)
  const flags = ['--segments', String(segments)]
  const [longhaul, control] = await bothBuilds(file)
  return race(
    {
      contenders: [
        longhaulGets(file, { longhaul, name: 'longhaul', flags }),
        curlGets(file),
        ...(wall.aria2 === undefined ? [] : [aria2Gets(file)]),
        longhaulGets(file, { longhaul: control, name: 'longhaul without syncs', flags }),
        ...(kind === 'tls' ? floors(file, false) : [diskAlone(file)]),
      ],
      comparisons: [
        { of: 'wall', against: 'curl', bound: wall.curl },
        ...(wall.aria2 === undefined ? [] : [{ of: 'wall', against: 'aria2 -x4', bound: wall.aria2 } as const]),
        { of: 'cpu', against: 'curl', ...(cpu !== undefined && { bound: cpu }) },
        { of: 'wall', against: 'longhaul without syncs' },
        ...(kind === 'tls'
          ? besideFloors('curl')
          : ([
              { of: 'wall', against: 'the disk alone' },
              { of: 'wall', name: 'the disk alone', against: 'curl' },
            ] as const)),
      ],
      notes: [`${stage.fileSystem}; of the tools only Longhaul syncs what it wrote`],
    },
    stage,
  )
}

export const verified: readonly Row[] = (['http', 'tls'] as const).map((kind) => ({
  name: `verified-${kind}`,
  what: `1 GiB over ${kind === 'tls' ? 'TLS 1.3' : kind}, durable and sha-256 verified, four segments`,
  needs: ['nginx', 'curl', 'aria2c', 'openssl'],
  run: (stage) => runVerified(stage, kind),
}))

async function runVerified(stage: Stage, kind: 'http' | 'tls'): Promise<Result> {
  const file = await serveOne(stage, kind, stage.scaled(GiB), `verified-${kind}`)
  const flags = ['--segments', '4', '--digest', `sha-256:${file.payload.sha256}`]
  const [longhaul, control] = await bothBuilds(file)
  const shown = { command: 'longhaul get URL -o FILE -q --segments 4 --digest sha-256:HEX' }
  return race(
    {
      contenders: [
        { ...longhaulGets(file, { longhaul, name: 'longhaul', flags }), ...shown },
        curlVerifies(file),
        aria2Gets(file, { verified: 'sha-256', place: 'memory' }),
        { ...longhaulGets(file, { longhaul: control, name: 'longhaul without syncs', flags }), ...shown },
        ...(kind === 'tls' ? floors(file, true) : []),
      ],
      comparisons: [
        { of: 'wall', against: 'curl; openssl; sync', bound: { must: 0.6, aim: 0.45 } },
        { of: 'wall', against: 'aria2 -x4 --checksum', bound: { must: 0.7, aim: 0.5 } },
        { of: 'cpu', against: 'curl; openssl; sync' },
        { of: 'wall', against: 'longhaul without syncs' },
        ...(kind === 'tls' ? besideFloors('curl; openssl; sync') : []),
      ],
      notes: [`${stage.fileSystem}; aria2 --checksum on tmpfs, not durable`],
    },
    stage,
  )
}

/** What is left for us to win over TLS, where the processors are what is short; without it, it is the disk. */
function floors(file: OneFile, verified: boolean): readonly Contender[] {
  return [bareLoop(file, { verified, threads: 1 }), bareLoop(file, { verified, threads: 2 })]
}

function besideFloors(peer: string): readonly Comparison[] {
  const [one, two] = ['bare loop, one thread', 'bare loop, two threads'] as const
  return [
    { of: 'wall', against: one },
    { of: 'wall', name: one, against: peer },
    { of: 'wall', name: two, against: peer },
  ]
}

async function serveOne(stage: Stage, kind: 'http' | 'tls', bytes: number, name: string): Promise<OneFile> {
  const server = await stage.server(kind)
  return { stage, server, payload: stage.payload(`${name}.bin`, bytes) }
}

/** The product, and the control without syncs; both warm. */
async function bothBuilds({ stage, server }: OneFile): Promise<readonly [Longhaul, Longhaul]> {
  const little = stage.payload('little.bin', 4096)
  const builds = [
    await Longhaul.start(stage, 'longhaul'),
    await Longhaul.start(stage, 'control', { syncs: 'none' }),
  ] as const
  for (const [index, build] of builds.entries()) {
    const url = server.url(little.name)
    await warmUp(build, { url, payload: little, name: `warm-up-${index}`, authority: server.authority }, stage)
  }
  return builds
}
