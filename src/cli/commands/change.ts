/** `hold`, `release` and `cancel`: the same shape, another verb. */
import type { Link } from '../../client/link.ts'
import { LonghaulError } from '../../contract/errors.ts'
import type { Command, Context, Input } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { jsonLine } from '../render/json-view.ts'
import { ask } from '../question.ts'
import { filterFlags, idsOf, selectionOf } from '../selection.ts'

type Kind = 'hold' | 'release' | 'cancel'

const askAbove = 20
/** The daemon takes at most so many ids a call. */
const idsPerCall = 1000

function command(kind: Kind, about: Pick<Command, 'summary' | 'details' | 'aliases'>): Command {
  return {
    name: kind,
    ...about,
    usage: 'TASK… | FILTER | --all',
    flags: [
      ...filterFlags,
      { name: 'all', short: 'a', help: 'every task that has not completed' },
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

async function change(kind: Kind, input: Input, context: Context): Promise<number> {
  const { narrowed } = selectionOf(input)
  if (input.words.length === 0 && !narrowed && !input.has('all'))
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `longhaul ${kind} wants a task, a filter or --all. longhaul ls shows the tasks. Nothing was changed.`,
    )
  const link = await context.daemon()
  const ids = await idsOf(link, input)
  const isMany = input.words.length === 0 && ids.length > askAbove && !input.has('yes')
  const goesOn = !isMany || context.stdin.isTTY !== true || (await ask(context, context.words.sure(kind, ids.length)))
  const changed = goesOn ? await changeAll(link, kind, ids) : 0
  if (context.json) context.out(jsonLine('summary', context.wallMs(), { changed, ids: goesOn ? ids : [] }))
  else if (!context.quiet)
    context.out(`${changed === 0 && goesOn ? context.words.nothingChanged : context.words.changed[kind](changed)}\n`)
  return exitCodes.done
}

async function changeAll(link: Link, kind: Kind, ids: readonly string[]): Promise<number> {
  let changed = 0
  for (let at = 0; at < ids.length; at += idsPerCall) {
    const targets = { ids: ids.slice(at, at + idsPerCall) }
    changed += (await link.call('task.change', { targets, change: { kind } })).changed
  }
  return changed
}
