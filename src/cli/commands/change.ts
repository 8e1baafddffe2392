/** `hold`, `release` and `cancel`: the same shape, another verb. */
import type { Change } from '../../contract/verbs.ts'
import { LonghaulError } from '../../contract/errors.ts'
import type { Command, Context, Input } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { jsonLine } from '../render/json-view.ts'
import { ask } from '../render/question.ts'
import { allTasks, filterFlags, findTask, selectionOf } from '../selection.ts'

const askAbove = 20

function command(
  kind: 'hold' | 'release' | 'cancel',
  about: Pick<Command, 'summary' | 'details' | 'aliases'>,
): Command {
  return {
    name: kind,
    ...about,
    usage: 'TASK… | FILTER | --all',
    flags: [
      ...filterFlags,
      { name: 'all', help: 'every task that has not completed' },
      { name: 'yes', short: 'y', help: `do not ask above ${askAbove} tasks` },
    ],
    examples: [`longhaul ${kind} 7K2M`, `longhaul ${kind} --session com.example.photos`],
    run: (input, context) => change(kind, input, context),
  }
}

export const hold: Command = command('hold', {
  aliases: ['pause', 'stop'],
  summary: 'pause tasks; their bytes are kept',
  details: ["A hold is a person's: the app cannot lift it, and it does not count as the app's own suspend()."],
})
export const release: Command = command('release', {
  aliases: ['resume', 'unpause', 'start'],
  summary: 'let held tasks go on',
})
export const cancel: Command = command('cancel', {
  aliases: ['rm', 'kill'],
  summary: 'end tasks for good',
  details: ['`longhaul retry TASK` starts a cancelled one again from the bytes that were kept.'],
})

async function change(kind: 'hold' | 'release' | 'cancel', input: Input, context: Context): Promise<number> {
  const link = await context.daemon()
  const selection = selectionOf(input)
  let ids: string[] = []
  if (input.words.length > 0) {
    for (const word of input.words) ids.push((await findTask(link, word)).id)
  } else if (selection.narrowed || input.has('all')) {
    for await (const task of allTasks(link, selection, false)) ids.push(task.id)
    if (
      ids.length > askAbove &&
      !input.has('yes') &&
      context.terminal.live &&
      !(await ask(context, `${kind} ${ids.length} tasks?`))
    )
      ids = []
  } else {
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `longhaul ${kind} wants a task, a filter or --all. longhaul ls shows the tasks. Nothing was changed.`,
    )
  }
  const verb: Change = { kind }
  let changed = 0
  for (let at = 0; at < ids.length; at += 1000) {
    changed += (await link.call('task.change', { targets: { ids: ids.slice(at, at + 1000) }, change: verb })).changed
  }
  if (context.json) context.out(jsonLine('summary', Date.now(), { changed, ids }))
  else if (!context.quiet) context.out(`${context.words.changed[kind](changed)}\n`)
  return exitCodes.done
}
