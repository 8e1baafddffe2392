/** A hundred thousand tasks and nothing to do: what a daemon costs its user then. */
import { setTimeout as pause } from 'node:timers/promises'
import { Longhaul } from '../longhaul.ts'
import { rssBytes, wakeUps } from '../process-facts.ts'
import type { Finding, Result, Row } from '../row.ts'
import type { Stage } from '../stage.ts'

const fullCount = 100_000
/** Garbage is collected, and it is looked whether the daemon may leave. */
const settleMs = 60_000
const watchedMs = 120_000
const MiB = 2 ** 20

export const idle: Row = {
  name: 'idle-100k',
  what: '100,000 tasks queued for tomorrow, nothing to do now',
  needs: [],
  run: runIdle,
}

async function runIdle(stage: Stage): Promise<Result> {
  const count = stage.scaled(fullCount)
  const longhaul = await Longhaul.start(stage, 'longhaul')
  const { wallMs, cpuMs, rssBytes: peak } = await longhaul.program('enqueue-later.ts', { count, folder: stage.folder })
  // Without a client, as it is after a log-out: what is due tomorrow keeps it.
  await longhaul.letGo()
  await pause(settleMs, undefined, { signal: stage.signal })
  const before = wakeUps(longhaul.pid)
  await pause(watchedMs, undefined, { signal: stage.signal })
  const after = wakeUps(longhaul.pid)
  const woken = [...after].map(([thread, times]) => ({ thread, times: times - (before.get(thread) ?? 0) }))
  const sum = woken.reduce((total, { times }) => total + times, 0)
  const findings: readonly Finding[] = [
    { what: 'memory', value: rssBytes(longhaul.pid) / MiB, unit: 'MiB', bound: { must: 110, aim: 85 } },
    // One look a minute at the clocks, since a system's timers stand still while a machine sleeps.
    { what: `woken in ${watchedMs / 1000} s`, value: sum, unit: '×', bound: { must: 12, aim: 2 } },
  ]
  const named = woken.filter(({ times }) => times > 0).map(({ thread, times }) => `${thread} ${times}`)
  return {
    taken: [{ name: 'enqueue', command: 'an app: session.enqueue(100,000 rows)', wallMs, cpuMs, rssBytes: peak }],
    findings,
    notes: [`${count} tasks`, ...(named.length > 0 ? [`woken: ${named.join(', ')}`] : [])],
  }
}
