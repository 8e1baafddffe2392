import type { Link } from '../../client/link.ts'
import type { TaskRecord } from '../../contract/task.ts'
import type { Command } from '../command.ts'
import { durationOf, type DurationLimits } from '../durations.ts'
import { exitCodeOfAll, exitCodeOfSignal, exitCodes } from '../exit-codes.ts'
import { jsonLine } from '../render/json-view.ts'
import { filterFlags, idsOf } from '../selection.ts'

/** A timer of Node ends after 24.8 days; one that is set for longer, at once. */
const ofWaiting: DurationLimits = { least: '0s', most: '24d', consequence: 'Nothing was waited for.' }

export const wait: Command = {
  name: 'wait',
  usage: '[TASK… | FILTER] [--timeout 10m] [--any]',
  summary: 'wait in silence; the exit code tells the result',
  details: [
    'Without a task or filter: until everything has ended. Exit code 124 when --timeout runs out; the transfers go on.',
  ],
  flags: [
    ...filterFlags,
    { name: 'timeout', value: 'DURATION', help: "give up waiting after this long, as in '10m'" },
    { name: 'any', help: 'until the first end' },
  ],
  examples: ['longhaul wait @last --timeout 10m', 'longhaul wait --session ci'],
  run: async (input, context) => {
    const timeout = input.value('timeout')
    const limit = timeout === undefined ? undefined : AbortSignal.timeout(durationOf(timeout, '--timeout', ofWaiting))
    const link = await context.daemon()
    const ids = await idsOf(link, input)
    const signal = AbortSignal.any([context.left, ...(limit === undefined ? [] : [limit])])
    try {
      const ended = await ends(link, ids, { any: input.has('any'), signal })
      const failures = ended.flatMap(({ error }) => (error === undefined ? [] : [error.code]))
      const exit = exitCodeOfAll(failures)
      if (context.json)
        context.out(
          jsonLine('summary', context.wallMs(), { ok: ended.length - failures.length, failed: failures.length, exit }),
        )
      return exit
    } catch (error) {
      if (context.left.aborted) return exitCodeOfSignal(String(context.left.reason))
      if (limit?.aborted !== true) throw error
      if (context.json) context.out(jsonLine('summary', context.wallMs(), { left: 'timeout', exit: exitCodes.timeout }))
      return exitCodes.timeout
    }
  },
}

/** Of all, or of the first. The waits that are no longer wanted end with `signal` or with the process. */
async function ends(
  link: Link,
  ids: readonly string[],
  how: { readonly any: boolean; readonly signal: AbortSignal },
): Promise<readonly TaskRecord[]> {
  const enough = new AbortController()
  const signal = AbortSignal.any([how.signal, enough.signal])
  const waits = ids.map(async (id) => (await link.call('task.wait', { id }, { signal })).task)
  try {
    return how.any && waits.length > 0 ? [await Promise.race(waits)] : await Promise.all(waits)
  } finally {
    enough.abort()
    await Promise.allSettled(waits)
  }
}
