import { durationMs } from '../../contract/units.ts'
import type { Command } from '../command.ts'
import { exitCodeOfAll, exitCodes } from '../exit-codes.ts'
import { allTasks, filterFlags, findTask, selectionOf } from '../selection.ts'
import { exitCodeOfSignal } from '../viewer.ts'

export const wait: Command = {
  name: 'wait',
  usage: '[TASK… | FILTER] [--timeout 10m] [--any]',
  summary: 'wait in silence; the exit code tells the result',
  details: ['Exit code 124 when --timeout runs out; the transfers go on.'],
  flags: [
    ...filterFlags,
    { name: 'timeout', value: 'DURATION', help: "give up waiting after this long, as in '10m'" },
    { name: 'any', help: 'until the first end' },
  ],
  examples: ['longhaul wait @last --timeout 10m', 'longhaul wait --session ci'],
  run: async (input, context) => {
    const timeout = input.value('timeout')
    const limit = timeout === undefined ? undefined : AbortSignal.timeout(durationMs(timeout, '--timeout'))
    const link = await context.daemon()
    const ids: string[] = []
    for (const word of input.words) ids.push((await findTask(link, word)).id)
    if (ids.length === 0) for await (const task of allTasks(link, selectionOf(input), false)) ids.push(task.id)
    const signal = AbortSignal.any([context.left, ...(limit === undefined ? [] : [limit])])
    const waits = ids.map((id) => link.call('task.wait', { id }, { signal }))
    try {
      const ends = input.has('any') && waits.length > 0 ? [await Promise.race(waits)] : await Promise.all(waits)
      return exitCodeOfAll(ends.flatMap(({ task }) => (task.error === undefined ? [] : [task.error.code])))
    } catch (error) {
      if (context.left.aborted) return exitCodeOfSignal(String(context.left.reason))
      if (limit?.aborted === true) return exitCodes.timeout
      throw error
    } finally {
      for (const one of waits) one.catch(() => {})
    }
  },
}
