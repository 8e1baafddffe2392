import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { leftRunning } from '../left-running.ts'
import { shortCodes } from '../render/task-name.ts'
import { filterFlags, idsOf } from '../selection.ts'
import { watchTasks } from '../viewer.ts'

export const watch: Command = {
  name: 'watch',
  aliases: ['top'],
  usage: '[TASK… | FILTER] [--until first|all]',
  summary: 'show the progress of what already runs',
  details: ['Without a task or filter: everything that has not ended. The exit code tells the result, as with get.'],
  flags: [
    ...filterFlags,
    {
      name: 'until',
      value: 'first|all',
      choices: ['first', 'all'],
      help: 'leave at the first end, or when all have ended (default)',
    },
    { name: 'timestamps', help: 'local time before each line where nothing is redrawn' },
  ],
  examples: ['longhaul watch', 'longhaul watch 7K2M', 'longhaul watch --session ci --plain'],
  run: async (input, context) => {
    const link = await context.daemon()
    const ids = await idsOf(link, input)
    if (ids.length === 0) {
      if (!context.json && !context.quiet) context.err(`${context.words.nothingRuns}\n`)
      return exitCodes.done
    }
    const until = input.value('until') === 'first' ? 'first' : 'all'
    const viewed = await watchTasks(context, link, { ids, until, timestamps: input.has('timestamps') })
    if (viewed.left !== undefined && !context.quiet && !context.json) {
      const rest = ids.filter((id) => !viewed.ended.some((task) => task.id === id))
      context.err(leftRunning(rest.map(shortCodes(ids)), context.words))
    }
    return viewed.exitCode
  },
}
