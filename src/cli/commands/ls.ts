import type { Link } from '../../client/link.ts'
import { snapshotOf } from '../../client/snapshot.ts'
import { LonghaulError } from '../../contract/errors.ts'
import type { TaskRecord } from '../../contract/task.ts'
import type { Command, Context, Input } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { rate } from '../render/numbers.ts'
import { mayWait } from '../render/state.ts'
import { row } from '../render/row.ts'
import { nameOf, shortCodes } from '../render/task-name.ts'
import { cutMark, paint } from '../render/terminal.ts'
import { cut, width } from '../render/text.ts'
import { allTasks, filterFlags, selectionOf } from '../selection.ts'
import type { Selection } from '../selection.ts'

const defaultLimit = 100
/** Each explanation is a question to the daemon: no more than a person reads, of those that wait and of those that are queued. */
const explained = 50

export const ls: Command = {
  name: 'ls',
  aliases: ['list', 'status'],
  usage: '[FILTER]',
  summary: 'list tasks: those that run or wait, or all with -a',
  details: ['Oldest first: -n N lists the N oldest of those that fit. The last one: longhaul show @last.'],
  flags: [
    ...filterFlags,
    { name: 'all', short: 'a', help: 'completed ones too' },
    { name: 'limit', short: 'n', value: 'N', help: `at most N (default ${defaultLimit}; 0: no limit)` },
  ],
  examples: ['longhaul ls', 'longhaul ls -a --failed', "longhaul ls --match '*.iso' --json"],
  run: async (input, context) => {
    const limit = limitOf(input)
    const selection = selectionOf(input)
    const { group, outcome } = selection.filter
    const ended = input.has('all') || group === 'completed' || outcome !== undefined
    // With -a what has not ended comes first; there are two lists, each with its own pages.
    const lists = input.has('all') && group === undefined && outcome === undefined ? [false, true] : [ended]
    const link = await context.daemon()
    const tasks: TaskRecord[] = []
    let isCut = false
    for (const completed of lists) {
      for await (const task of allTasks(link, selection, completed)) {
        isCut = tasks.length >= limit
        if (isCut || context.left.aborted) break
        // A stream: it may be long, and its reader may have seen enough.
        if (context.json) context.out(`${JSON.stringify(snapshotOf(task))}\n`)
        else if (context.quiet) context.out(`${task.id}\n`)
        tasks.push(task)
      }
      if (isCut) break
    }
    if (context.json || context.quiet) return exitCodes.done
    if (tasks.length > 0) await print(context, link, tasks)
    if (isCut) context.out(`${context.words.more(tasks.length)}\n`)
    await total(context, link, selection, tasks)
    return exitCodes.done
  },
}

/** @throws INVALID_ARGUMENT */
function limitOf(input: Input): number {
  const given = input.value('limit') ?? String(defaultLimit)
  if (!/^\d{1,9}$/.test(given))
    throw new LonghaulError('INVALID_ARGUMENT', `--limit ${given}: write a whole number; 0 means no limit.`)
  return given === '0' ? Number.POSITIVE_INFINITY : Number(given)
}

async function print(context: Context, link: Link, tasks: readonly TaskRecord[]): Promise<void> {
  const codeOf = shortCodes(tasks.map((task) => task.id))
  const layout = {
    terminal: context.output,
    words: context.words,
    codeCells: Math.max(...tasks.map((task) => codeOf(task.id).length)),
    nameCells: Math.max(...tasks.map((task) => width(nameOf(task)))),
  }
  const asked = { waiting: 0, queued: 0 }
  for (const task of tasks) {
    const isExplained = mayWait(task) && asked[task.phase]++ < explained
    const explanation = isExplained ? await link.call('task.explain', { id: task.id }) : undefined
    context.out(`${row({ task, explanation, wallMs: context.wallMs() }, layout, codeOf(task.id))}\n`)
  }
}

/** Of all that the session or the home has, not only of what is listed. */
async function total(
  context: Context,
  link: Link,
  { session }: Selection,
  tasks: readonly TaskRecord[],
): Promise<void> {
  const { words, output } = context
  const of = session === undefined ? {} : { identifier: session }
  const counts = await link.call('session.counts', of)
  const { active, waiting, queued, held, suspended, completed } = counts
  if (active + waiting + queued + held + suspended + completed === 0) {
    context.out(`${words.nothingHere}\n`)
    return
  }
  if (tasks.length === 0 && active + waiting + queued + held + suspended === 0) context.out(`${words.nothingRuns}\n`)
  const { completed: failed } = await link.call('session.counts', { ...of, filter: { outcome: 'failed' } })
  const speed = tasks.reduce((sum, task) => sum + (task.phase === 'transferring' ? task.progress.rate : 0), 0)
  const totals = { active, waiting, queued, held: held + suspended, done: completed - failed, failed }
  const text = cut(words.totals(totals, rate(speed), undefined), output.columns - 1, cutMark(output))
  context.out(`${paint(output, 'dim', text)}\n`)
}
