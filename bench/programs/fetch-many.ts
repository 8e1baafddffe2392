// An app that fetches many files through the library and waits for the last: enqueue, then didComplete of each.
// Parameter: Parameter. Prints how many ms after the first enqueue each was told, in order.
import { readFileSync } from 'node:fs'
import { BackgroundSession } from 'longhaul'

interface Parameter {
  readonly identifier: string
  /** A file of rows: { url, to }. */
  readonly rows: string
  readonly active: number
  readonly connections: number
  readonly segments: number
}

const { identifier, rows, active, connections, segments } = JSON.parse(process.argv[2]!) as Parameter
const wanted = JSON.parse(readFileSync(rows, 'utf8')) as readonly { readonly url: string; readonly to: string }[]
const toldMs: number[] = []
const { promise: all, resolve, reject } = Promise.withResolvers<void>()
let beganMs = 0
const session = await BackgroundSession.open({
  identifier,
  configuration: {
    maximumActiveTasks: active,
    maximumConnectionsPerHost: connections,
    maximumSegmentsPerTask: segments,
  },
  delegate: {
    didComplete(_task, { error }) {
      if (error !== undefined) reject(error)
      toldMs.push(performance.now() - beganMs)
      if (toldMs.length === wanted.length) resolve()
    },
  },
})
// It waits for events, as an app with an open window does.
session.ref()
await session.activate()
beganMs = performance.now()
await session.enqueue(wanted, { start: true })
await all
await session.close()
console.log(JSON.stringify(toldMs))
