// The transfer engine with nothing around it: the attempts that the daemon would run, in one process, with a journal of paper that says
// "recorded" at once. No scheduler, no commits, no events, no app. It says how much of a row is the transfers' own, and begins cold: the
// start of its Node is in what it takes.
// Parameter: Parameter. Ends with 1 where a file did not come.
import { readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type * as transport from '../../src/network/transport.ts'
import type * as clock from '../../src/platform/clock.ts'
import type * as files from '../../src/platform/files.ts'
import type * as hashing from '../../src/platform/hashing.ts'
import type * as accesses from '../../src/transfer/access.ts'
import type { Report } from '../../src/transfer/assignment.ts'
import type * as engines from '../../src/transfer/engine.ts'
import type * as logs from '../../src/world/log.ts'

interface Parameter {
  /** A file of rows: { url, to }. */
  readonly rows: string
  readonly active: number
  readonly connections: number
}

interface Modules {
  readonly 'network/transport': typeof transport
  readonly 'platform/clock': typeof clock
  readonly 'platform/files': typeof files
  readonly 'platform/hashing': typeof hashing
  readonly 'transfer/access': typeof accesses
  readonly 'transfer/engine': typeof engines
  readonly 'world/log': typeof logs
}

/** Of the published package, which has no door for it. */
async function inside<Name extends keyof Modules>(name: Name): Promise<Modules[Name]> {
  return (await import(new URL(`../dist/${name}.js`, import.meta.url).href)) as Modules[Name]
}

// As the daemon's.
process.env['UV_THREADPOOL_SIZE'] = '16'
const { rows, active, connections } = JSON.parse(process.argv[2]!) as Parameter
const wanted = JSON.parse(readFileSync(rows, 'utf8')) as readonly { readonly url: string; readonly to: string }[]

const { createClock, random } = await inside('platform/clock')
const world = {
  transport: (await inside('network/transport')).createTransport(),
  files: (await inside('platform/files')).createFileSystem(),
  clock: createClock(),
  hasher: (await inside('platform/hashing')).createHasher(),
  log: (await inside('world/log')).silentLog,
}
const engine = (await inside('transfer/engine')).createEngine(world)
const { Access } = await inside('transfer/access')
const access = new Access(
  {
    credential: () => Promise.resolve(undefined),
    storedCookies: () => Promise.resolve(undefined),
    cookiesChanged() {},
    cookiesLost() {},
  },
  { clock: world.clock, random },
)

const { promise: all, resolve, reject } = Promise.withResolvers<void>()
let begun = 0
let ended = 0
let connected = 0
const look = (): void => {
  while (begun < wanted.length && begun - ended < active && connected < connections) void fetchOne(begun++)
}
look()
await all
await Promise.all([world.hasher.close(), world.transport.close()])

async function fetchOne(index: number): Promise<void> {
  const { url, to } = wanted[index]!
  connected++
  let isConnected = true
  const letGo = (): void => {
    if (!isConnected) return
    isConnected = false
    connected--
    queueMicrotask(look)
  }
  const recorded = (): Promise<'recorded'> => Promise.resolve('recorded')
  const report: Report = {
    reserve: ({ names }) => Promise.resolve({ name: names[0]! }),
    resumed: recorded,
    checkpoint: recorded,
    restart: recorded,
    intent: recorded,
    more: () => undefined,
    fetched: letGo,
    progress() {},
  }
  const outcome = await engine.run(
    {
      task: String(index).padStart(26, '0'),
      session: 1,
      fence: 1,
      attempt: 1,
      request: { url, method: 'GET', headers: [] },
      policy: {
        stallMs: 60_000,
        cookies: 'session',
        acceptableStatusCodes: [{ from: 200, to: 299 }],
        tls: {},
        proxy: 'none',
        keepHeadersAcrossOrigins: [],
        allowPrivateRedirects: false,
        maximumSegments: 1,
        bandwidthLimit: undefined,
      },
      expectedDigests: [],
      expectedLength: undefined,
      folder: dirname(to),
      folderIdentity: undefined,
      name: basename(to),
      spooled: false,
      ifExists: 'replace',
      umask: 0o022,
      part: undefined,
      intent: undefined,
      delivered: undefined,
      restarts: 0,
    },
    report,
    new AbortController().signal,
    access,
  )
  if (outcome.kind !== 'finished') reject(new Error(`${url}: ${JSON.stringify(outcome)}`))
  letGo()
  ended++
  if (ended === wanted.length) resolve()
  else look()
}
