/**
 * Where faults can be put: which calls a thread makes while the story is told undisturbed, and how often. strace counts each kind
 * of call by itself, so a place is a kind and a number.
 */
import { join } from 'node:path'
import type { ThreadName } from './daemon-under-test.ts'
import { Lives } from './lives.ts'
import type { Place } from './points.ts'
import type { Bench } from './row.ts'
import { Story } from './story.ts'
import { Strace } from './strace.ts'

export interface Calls {
  readonly thread: ThreadName
  readonly calls: readonly string[]
}

export async function countCalls({ server, folder }: Bench, { thread, calls }: Calls): Promise<readonly Place[]> {
  await using lives = new Lives(join(folder, 'counted'))
  const story = new Story({ server, name: 'counted', folder: join(folder, 'counted-files'), facts: lives.facts })
  story.prepare()
  const { daemon, owner } = await lives.life()
  const output = join(folder, 'counted-calls')
  const strace = await Strace.attach({ threads: [daemon.thread(thread)], calls, output })
  await story.tell(owner)
  await strace.detach()
  const counts = new Map<string, number>()
  const places: Place[] = []
  for (const line of strace.lines) {
    const call = /^\w+(?=\()/.exec(line)?.[0]
    if (call === undefined) continue
    const n = (counts.get(call) ?? 0) + 1
    counts.set(call, n)
    places.push({ call, n })
  }
  return places
}
