import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { allTasks, filterFlags, findTask, selectionOf } from '../selection.ts'
import { watchTasks } from '../viewer.ts'

export const watch: Command = {
  name: 'watch',
  aliases: ['top'],
  usage: '[TASK… | FILTER] [--until first|all]',
  summary: 'show the progress of what already runs',
  flags: [
    ...filterFlags,
    { name: 'until', value: 'first|all', help: 'leave at the first end, or when all have ended (default)' },
    { name: 'timestamps', help: 'local time before each line where nothing is redrawn' },
  ],
  examples: ['longhaul watch', 'longhaul watch 7K2M', 'longhaul watch --session ci --plain'],
  run: async (input, context) => {
    const link = await context.daemon()
    const ids: string[] = []
    for (const word of input.words) ids.push((await findTask(link, word)).id)
    if (ids.length === 0) for await (const task of allTasks(link, selectionOf(input), false)) ids.push(task.id)
    if (ids.length === 0) {
      if (!context.json && !context.quiet) context.err(`${context.words.nothingHere}\n`)
      return exitCodes.done
    }
    const viewed = await watchTasks(context, link, {
      ids,
      until: input.value('until') === 'first' ? 'first' : 'all',
      timestamps: input.has('timestamps'),
    })
    if (viewed.left !== undefined && !context.quiet && !context.json) {
      context.err(`${context.words.leftRunning(ids.length - viewed.ended.length, '')}\n`)
    }
    return viewed.exitCode
  },
}
