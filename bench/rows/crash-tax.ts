/** The daemon is killed at a random moment, again and again: how much is fetched twice, and is a byte ever wrong? */
import { rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Longhaul } from '../longhaul.ts'
import { PacedServer } from '../paced-server.ts'
import type { Measured } from '../measure.ts'
import { end } from '../process-facts.ts'
import type { Result, Row } from '../row.ts'
import type { Payload, Stage } from '../stage.ts'
import { median } from '../statistics.ts'

const fullKills = 100
const bytes = 256 * 2 ** 20
/** 1 Gbit/s. */
const bytesPerSecond = 125e6
const MiB = 2 ** 20

export const crashTax: Row = {
  name: 'crash-tax',
  what: 'kill -9 of the daemon at a random moment, 100 times',
  needs: [],
  run: runCrashTax,
}

async function runCrashTax(stage: Stage): Promise<Result> {
  const payload = stage.payload('crash.bin', bytes)
  const server = stage.use(await PacedServer.start(await readFile(join(stage.served, payload.name)), bytesPerSecond))
  const longhaul = await Longhaul.start(stage, 'longhaul')
  const trial: Trial = { stage, server, payload, longhaul }
  const undisturbed = await fetchOnce(trial, 'warm-up', undefined)
  const { wallMs } = await fetchOnce(trial, 'undisturbed', undefined)
  const kills = stage.scaled(fullKills)
  const twice: number[] = []
  let wrong = 0
  let repeated = 0
  for (let kill = 0; kill < kills; kill++) {
    const tried = await fetchOnce(trial, `kill-${kill}`, Math.random() * wallMs)
    twice.push(tried.twice)
    if (tried.wrong) wrong++
    if (tried.repeated) repeated++
  }
  return {
    taken: [{ name: 'undisturbed', command: 'longhaul get URL -o FILE -q', ...undisturbed, wallMs }],
    findings: [
      { what: 'fetched twice, median', value: median(twice) / MiB, unit: 'MiB', bound: { must: 16, aim: 8 } },
      { what: 'fetched twice, highest', value: Math.max(...twice) / MiB, unit: 'MiB', bound: { must: 64, aim: 64 } },
      { what: 'files with wrong bytes', value: wrong, unit: 'files', bound: { must: 0, aim: 0 } },
    ],
    notes: [
      `${kills} kills in files of 256 MiB at 1 Gbit/s; counted by the server; ${stage.fileSystem}`,
      `${repeated} commands ended with their daemon and were given again`,
    ],
  }
}

interface Trial {
  readonly stage: Stage
  readonly server: PacedServer
  readonly payload: Payload
  readonly longhaul: Longhaul
}

interface Tried {
  readonly wallMs: number
  readonly cpuMs: number
  readonly rssBytes: number
  /** Bytes that the server sent beyond those of the file. */
  readonly twice: number
  readonly wrong: boolean
  /** The command ended with its daemon and was given again. */
  readonly repeated: boolean
}

async function fetchOnce(trial: Trial, name: string, killAfterMs: number | undefined): Promise<Tried> {
  const { stage, server, payload, longhaul } = trial
  const file = join(stage.folder, name)
  const before = server.sent
  const kill = async (afterMs: number): Promise<void> => {
    await pause(afterMs, undefined, { signal: stage.signal })
    await end(longhaul.pid, 'SIGKILL')
  }
  const get = (): Promise<Measured> => longhaul.command(['get', server.url(name), '-o', file, '-q'])
  let repeated = false
  // Whose question the daemon did not live to answer is told so, and asks again.
  const again = (): Promise<Measured> => {
    repeated = true
    return get()
  }
  const [{ wallMs, cpuMs, rssBytes }] =
    killAfterMs === undefined ? [await get()] : await Promise.all([get().catch(again), kill(killAfterMs)])
  const wrong = await stage.check(file, payload).then(
    () => false,
    () => true,
  )
  rmSync(file)
  return { wallMs, cpuMs, rssBytes, twice: server.sent - before - payload.size, wrong, repeated }
}
