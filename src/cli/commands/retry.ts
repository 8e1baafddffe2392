import { randomBytes } from 'node:crypto'
import { isAbsolute } from 'node:path'
import type { Link } from '../../client/link.ts'
import { changedRequest } from '../../client/requests.ts'
import { LonghaulError } from '../../contract/errors.ts'
import type { Destination, TaskRecord } from '../../contract/task.ts'
import { makeTaskId } from '../../contract/words.ts'
import { resolveDestination } from '../../platform/destination.ts'
import type { Command, Context, Input } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { headerOf } from '../header.ts'
import { jsonLine } from '../render/json-view.ts'
import { paragraph } from '../render/paragraph.ts'
import { shortCode, shortCodes } from '../render/task-name.ts'
import { allTasks, filterFlags, findTasks, selectionOf } from '../selection.ts'

/** Codes of more new tasks than these are left to `ls`. */
const named = 8

export const retry: Command = {
  name: 'retry',
  usage: 'TASK… | --failed',
  summary: 'try again now: ends a wait, or starts a failed task again from the bytes that were kept',
  details: [
    'A task that has ended is tried again as a new one, which takes over its bytes; prints the code of the new one.',
  ],
  flags: [
    ...filterFlags,
    { name: 'output', short: 'o', value: 'FILE', help: 'another place for the file (of one task that has ended)' },
    { name: 'url', value: 'NEW', help: 'a fresh address for the same file' },
    { name: 'header', short: 'H', value: "'NAME: VALUE'", many: true, help: 'a fresh header' },
  ],
  examples: [
    'longhaul retry 9QXD',
    'longhaul retry 9QXD -o elsewhere.bin',
    'longhaul retry --failed',
    "longhaul retry 9QXD --url 'https://cdn.example/file?sig=new'",
  ],
  run: async (input, context) => {
    const { narrowed } = selectionOf(input)
    if (input.words.length === 0 && !narrowed)
      throw new LonghaulError(
        'INVALID_ARGUMENT',
        'longhaul retry wants a task or --failed. longhaul ls -a --failed shows what failed. Nothing was changed.',
      )
    const request = requestOf(input)
    const place = await placeOf(input, context)
    const link = await context.daemon()
    const tasks = await tasksOf(link, input)
    const again: string[] = []
    let now = 0
    for (const task of tasks) {
      if (task.state === 'completed') {
        const newId = makeTaskId(context.wallMs(), randomBytes(10))
        again.push((await link.call('task.retry', { id: task.id, newId, ...request, ...place })).task.id)
      } else if (place.destination === undefined) now += await tryNow(link, task, request)
      else
        throw new LonghaulError(
          'INVALID_ARGUMENT',
          `-o: ${shortCode(task.id)} has not ended; cancel it first. Nothing was changed.`,
        )
    }
    tell(context, again, now)
    return exitCodes.done
  },
}

type FreshRequest = ReturnType<typeof changedRequest>

function requestOf(input: Input): FreshRequest {
  const headers = input.values('header').map(headerOf)
  const url = input.value('url')
  if (url !== undefined && input.words.length !== 1)
    throw new LonghaulError('INVALID_ARGUMENT', '--url is the address of one file: name one task. Nothing was changed.')
  return changedRequest(url, headers.length === 0 ? undefined : headers)
}

async function placeOf(input: Input, context: Context): Promise<{ readonly destination?: Destination }> {
  const output = input.value('output')
  if (output === undefined) return {}
  if (input.words.length !== 1)
    throw new LonghaulError('INVALID_ARGUMENT', '-o is the place of one file: name one task. Nothing was changed.')
  return { destination: await resolveDestination(output, isAbsolute(output) ? {} : { cwd: context.cwd }) }
}

/** Of a filter only what can be tried again: what succeeded, or was tried again already, is left alone unless somebody names it. */
async function tasksOf(link: Link, input: Input): Promise<readonly TaskRecord[]> {
  if (input.words.length > 0) return findTasks(link, input.words)
  const found: TaskRecord[] = []
  const selection = selectionOf(input)
  // What waits is in the one list, what has ended in the other.
  if (selection.filter.outcome === undefined)
    for await (const task of allTasks(link, selection, false)) if (task.phase === 'waiting') found.push(task)
  if (selection.filter.group === undefined || selection.filter.group === 'completed')
    for await (const task of allTasks(link, selection, true))
      if (task.error !== undefined && task.retriedBy === undefined) found.push(task)
  return found
}

async function tryNow(link: Link, task: TaskRecord, request: FreshRequest): Promise<number> {
  const targets = { ids: [task.id] }
  if (request.url !== undefined || request.headers !== undefined)
    await link.call('task.change', { targets, change: { kind: 'request', restart: false, ...request } })
  return (await link.call('task.change', { targets, change: { kind: 'tryNow' } })).changed
}

function tell(context: Context, again: readonly string[], now: number): void {
  const { words } = context
  if (context.json) {
    context.out(jsonLine('summary', context.wallMs(), { retried: again, triedNow: now }))
    return
  }
  if (context.quiet) return
  if (again.length > 0) {
    const codes = again.length > named ? '' : ` ${again.map(shortCodes(again)).join(' ')}`
    context.out(`${words.changed.retry(again.length)}${codes}\n`)
  }
  if (now > 0) context.out(`${words.changed.tryNow(now)}\n`)
  if (again.length === 0 && now === 0) context.out(paragraph(words.nothingToTry, context.output))
}
