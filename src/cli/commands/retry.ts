import { makeTaskId } from '../../contract/words.ts'
import { LonghaulError } from '../../contract/errors.ts'
import type { TaskRecord } from '../../contract/task.ts'
import { headerOf } from '../header.ts'
import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { jsonLine } from '../render/json-view.ts'
import { shortCode } from '../render/row.ts'
import { allTasks, filterFlags, findTask, selectionOf } from '../selection.ts'
import { randomBytes } from 'node:crypto'

export const retry: Command = {
  name: 'retry',
  usage: 'TASK… | --failed',
  summary: 'try again now: ends a wait, or starts a failed task again from the bytes that were kept',
  flags: [
    ...filterFlags,
    { name: 'url', value: 'NEW', help: 'a fresh address for the same file' },
    { name: 'header', short: 'H', value: "'NAME: VALUE'", many: true, help: 'a fresh header' },
  ],
  examples: [
    'longhaul retry 9QXD',
    'longhaul retry --failed',
    "longhaul retry 9QXD --url 'https://cdn.example/file?sig=new'",
  ],
  run: async (input, context) => {
    const link = await context.daemon()
    const tasks: TaskRecord[] = []
    for (const word of input.words) tasks.push(await findTask(link, word))
    const selection = selectionOf(input)
    if (tasks.length === 0 && selection.narrowed)
      for await (const task of allTasks(link, selection, true)) tasks.push(task)
    if (tasks.length === 0 && !selection.narrowed) {
      throw new LonghaulError(
        'INVALID_ARGUMENT',
        'longhaul retry wants a task or --failed. longhaul ls -a --failed shows what failed. Nothing was changed.',
      )
    }
    const url = input.value('url')
    const headers = input.values('header').map(headerOf)
    const request = { ...(url !== undefined && { url }), ...(headers.length > 0 && { headers }) }
    const again: string[] = []
    let now = 0
    for (const task of tasks) {
      if (task.state === 'completed') {
        // One that succeeded has nothing to be tried again, unless somebody named it.
        if (task.error === undefined && input.words.length === 0) continue
        const newId = makeTaskId(Date.now(), randomBytes(10))
        again.push((await link.call('task.retry', { id: task.id, newId, ...request })).task.id)
        continue
      }
      if (url !== undefined || headers.length > 0) {
        await link.call('task.change', {
          targets: { ids: [task.id] },
          change: { kind: 'request', restart: false, ...request },
        })
      }
      now += (await link.call('task.change', { targets: { ids: [task.id] }, change: { kind: 'tryNow' } })).changed
    }
    if (context.json) context.out(jsonLine('summary', Date.now(), { retried: again, triedNow: now }))
    else if (!context.quiet) {
      if (again.length > 0)
        context.out(
          `${context.words.changed.retry(again.length)} ${again
            .slice(0, 8)
            .map((id) => shortCode(id, again))
            .join(' ')}\n`,
        )
      if (now > 0 || again.length === 0) context.out(`${context.words.changed.tryNow(now)}\n`)
    }
    return exitCodes.done
  },
}
