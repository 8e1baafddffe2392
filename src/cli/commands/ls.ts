import { sentenceOf } from '../../client/explain.ts'
import type { TaskRecord } from '../../contract/task.ts'
import type { Command, Context, Input } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { shortCode, row } from '../render/row.ts'
import { paint } from '../render/terminal.ts'
import { rate } from '../render/numbers.ts'
import { allTasks, filterFlags, selectionOf } from '../selection.ts'
import { snapshotOf } from '../../client/snapshot.ts'

const defaultLimit = 100

export const ls: Command = {
  name: 'ls',
  aliases: ['list', 'status'],
  usage: '[FILTER]',
  summary: 'list tasks: active and waiting ones, or all with -a',
  flags: [
    ...filterFlags,
    { name: 'all', short: 'a', help: 'completed ones too' },
    { name: 'limit', short: 'n', value: 'N', help: `at most N (default ${defaultLimit}; 0: no limit)` },
  ],
  examples: ['longhaul ls', 'longhaul ls -a --failed', "longhaul ls --match '*.iso' --json"],
  run: async (input, context) => {
    const link = await context.daemon()
    const selection = selectionOf(input)
    const completed =
      input.has('all') || selection.filter.group === 'completed' || selection.filter.outcome !== undefined
    const limit = limitOf(input)
    const tasks: TaskRecord[] = []
    let more = false
    for await (const task of allTasks(link, selection, completed)) {
      if (tasks.length >= limit) {
        more = true
        break
      }
      if (context.json) context.out(`${JSON.stringify(snapshotOf(task))}\n`)
      else if (context.quiet) context.out(`${task.id}\n`)
      tasks.push(task)
    }
    if (context.json || context.quiet) return exitCodes.done
    await print(context, tasks, { more, limit })
    const counts = await link.call(
      'session.counts',
      selection.session === undefined ? {} : { identifier: selection.session },
    )
    const { active, waiting, queued, held, suspended, completed: ended } = counts
    const speed = tasks.reduce((sum, task) => sum + task.progress.rate, 0)
    if (active + waiting + queued + held + suspended + ended > 0) {
      const totals = { active, waiting, queued, held: held + suspended, done: ended, failed: 0 }
      context.out(`${paint(context.output, 'dim', context.words.totals(totals, rate(speed), undefined))}\n`)
    }
    return exitCodes.done
  },
}

function limitOf(input: Input): number {
  const given = Number(input.value('limit') ?? defaultLimit)
  return given === 0 ? Number.POSITIVE_INFINITY : given
}

async function print(
  context: Context,
  tasks: readonly TaskRecord[],
  cut: { readonly more: boolean; readonly limit: number },
): Promise<void> {
  if (tasks.length === 0) {
    context.out(`${context.words.nothingHere}\n`)
    return
  }
  const link = await context.daemon()
  const ids = tasks.map((task) => task.id)
  let explained = 0
  for (const task of tasks) {
    let why
    // Only as many as a person reads; each asks the daemon.
    if (task.phase === 'waiting' && explained++ < 50) {
      const explanation = await link.call('task.explain', { id: task.id })
      why = { explanation, sentence: sentenceOf(explanation, context.output.language) }
    }
    context.out(`${row({ task, why, wallMs: Date.now() }, context.output, context.words, shortCode(task.id, ids))}\n`)
  }
  if (cut.more) context.out(`… more: longhaul ls --limit 0 shows all of them.\n`)
}
