/** `get` fetches and watches; `add` fetches and returns at once. The same flags, the same tasks: one run finds the other's. */
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { text as readAll } from 'node:stream/consumers'
import { join, resolve } from 'node:path'
import { LonghaulError } from '../../contract/errors.ts'
import { durationMs } from '../../contract/units.ts'
import type { DurationLike } from '../../contract/units.ts'
import type { DownloadOptions, HeaderPairs, NewTask, TaskRecord } from '../../contract/task.ts'
import type { AddedTask } from '../../contract/verbs.ts'
import { makeTaskId } from '../../contract/words.ts'
import { checkDownloadOptions, newTask } from '../../client/options.ts'
import { requestFacts } from '../../client/requests.ts'
import type { Link } from '../../client/link.ts'
import { resolveDestination } from '../../platform/destination.ts'
import { currentUmask } from '../../platform/this-process.ts'
import type { Command, Context, Flag, Input } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { headerOf } from '../header.ts'
import { jsonLine } from '../render/json-view.ts'
import { bytes, duration } from '../render/numbers.ts'
import { shortCode } from '../render/row.ts'
import { watchTasks } from '../viewer.ts'

/** Tasks of the command line live in this session. */
export const cliSession = 'cli'
/** `get` gives up when nothing arrives for this long; `add` keeps trying until the deadline. */
const giveUpAfterMs = 5 * 60_000
/** The daemon takes at most 1,000 rows and 1 MiB a call. */
const batchRows = 1000
const batchBytes = 900_000

const flags: readonly Flag[] = [
  {
    name: 'output',
    short: 'o',
    value: 'FILE',
    help: 'the file; an existing one is replaced when the new one is whole',
  },
  { name: 'directory', short: 'd', value: 'DIR', help: 'the folder; the server names the file (default: this folder)' },
  { name: 'remote-name', short: 'O', help: "the server's name, in this folder (the default)" },
  { name: 'input', short: 'i', value: 'LIST', help: 'a file with an address a line; - for standard input' },
  {
    name: 'digest',
    value: 'DIGEST',
    many: true,
    help: 'what the file must have: sha-256:HEX, sha256-BASE64 or sha-256=:BASE64:',
  },
  { name: 'header', short: 'H', value: "'NAME: VALUE'", many: true, help: 'a request header' },
  { name: 'user-agent', value: 'TEXT', help: 'the User-Agent header' },
  { name: 'referer', value: 'URL', help: 'the Referer header' },
  { name: 'user', short: 'u', value: 'USER:PASSWORD', help: 'Basic credentials (they stay in your shell history)' },
  { name: 'ca', value: 'FILE', many: true, help: 'a PEM file of authorities to trust beside the system’s' },
  { name: 'priority', value: 'low|normal|high', help: 'order among queued tasks' },
  { name: 'at', value: 'WHEN', help: 'not before: 23:00, +2h, or an ISO date' },
  { name: 'after', value: 'TASK', many: true, help: 'not before this task has succeeded' },
  { name: 'deadline', value: 'DURATION', help: "fail after this long, as in '7d' (the default)" },
  { name: 'stall', value: 'DURATION', help: "end an attempt after this long without a byte (default '60s')" },
  { name: 'max-attempts', value: 'N', help: 'at most N tries (default: until the deadline)' },
  { name: 'force', help: 'replace an existing file even where the server names it' },
  { name: 'keep-both', help: 'keep an existing file; the new one gets (1) before its extension' },
  { name: 'skip-existing', help: 'succeed at once where the file exists' },
  { name: 'session', value: 'NAME', help: `the session to add to (default '${cliSession}')` },
  { name: 'timestamps', help: 'local time before each line where nothing is redrawn' },
]

export const get: Command = {
  name: 'get',
  aliases: ['pull', 'download'],
  usage: 'URL… [-o FILE | -d DIR] [-i LIST|-]',
  summary: 'fetch files and watch; leaving never stops them',
  details: [
    'Run the same command again and it attaches to the same transfer and goes on from the bytes that are there; one that has finished asks the server whether the file has changed.',
    'A file that the server names never replaces an existing one unless you say --force; -o FILE replaces it, but only once the new file is whole and checked.',
  ],
  flags: [...flags, { name: 'foreground', help: 'Ctrl-C cancels instead of leaving it running' }],
  examples: [
    'longhaul get https://example.com/model.gguf',
    'longhaul get -i urls.txt -d ~/iso',
    'longhaul get URL -o file --digest sha-256:HEX',
  ],
  run: async (input, context) => {
    const { link, added } = await enqueue(input, context, { giveUpAfterMs })
    for (const one of added) greet(one, context)
    const ids = added.map((one) => one.task.id)
    const fresh = new Set(added.flatMap((one) => (one.isNew ? [one.task.id] : [])))
    const viewed = await watchTasks(context, link, { ids, fresh, timestamps: input.has('timestamps') })
    for (const task of viewed.ended) failure(task, context)
    const rest = ids.filter((id) => !viewed.ended.some((task) => task.id === id))
    if (viewed.left === undefined) {
      if (!context.json && !context.quiet)
        for (const task of viewed.ended) if (task.result?.path !== undefined) context.out(`${task.result.path}\n`)
      return viewed.exitCode
    }
    if (input.has('foreground')) {
      const { changed } = await link.call('task.change', { targets: { ids: rest }, change: { kind: 'cancel' } })
      if (!context.quiet && !context.json) context.err(`${context.words.cancelled(changed)}\n`)
      return exitCodes.cancelled
    }
    if (!context.quiet && !context.json)
      context.err(`${context.words.leftRunning(rest.length, rest.length === 1 ? ` ${shortCode(rest[0]!)}` : '')}\n`)
    return viewed.exitCode
  },
}

export const add: Command = {
  name: 'add',
  usage: 'URL… [-o FILE | -d DIR] [-i LIST|-]',
  summary: 'like get, but returns at once: exit code 0 means it is on disk and will be done',
  flags,
  examples: ['longhaul add https://example.com/big.iso', 'generate-urls | longhaul add -i - -d mirror'],
  run: async (input, context) => {
    const { added } = await enqueue(input, context, {})
    for (const { task, isNew } of added) {
      if (context.json)
        context.out(jsonLine('task.created', Date.now(), { id: task.id, session: task.session, new: isNew }))
      else
        context.out(
          `${
            context.quiet
              ? task.id
              : shortCode(
                  task.id,
                  added.map((one) => one.task.id),
                )
          }\n`,
        )
    }
    return exitCodes.done
  },
}

async function enqueue(
  input: Input,
  context: Context,
  how: { readonly giveUpAfterMs?: number },
): Promise<{ readonly link: Link; readonly added: readonly AddedTask[] }> {
  const urls = [...(await addresses(input, context))]
  if (urls.length === 0)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      'There is no address. Usage: longhaul get URL… [-o FILE | -d DIR] [-i LIST|-]',
    )
  if (input.value('output') !== undefined && urls.length > 1) {
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `-o names one file, but there are ${urls.length} addresses. Use -d DIR for several. Nothing was started.`,
    )
  }
  const options = await optionsOf(input, context)
  // The disk and the arguments are looked at before the daemon: a typo must not start one.
  const destination = await resolveDestination(options.to!, { cwd: context.cwd })
  const headers = headersOf(input, context)
  const requests = urls.map((url) => requestFacts({ url, headers }))
  const link = await context.daemon()
  const after = await Promise.all(
    input.values('after').map(async (word) => (await link.call('task.find', { text: word }))[0]?.id ?? word),
  )
  const session = input.value('session') ?? cliSession
  await link.call('session.open', { identifier: session, configuration: {}, strictConfiguration: false })
  const tasks = requests.map((request): NewTask => {
    const task = newTask(
      { ...options, ...(after.length > 0 && { after }) },
      { id: makeTaskId(Date.now(), randomBytes(10)), request, destination, umask: currentUmask(), start: true },
    )
    return { ...task, key: keyOf(task), again: true, ...how }
  })
  const added: AddedTask[] = []
  for (const batch of batches(tasks)) added.push(...(await link.call('task.add', { session, tasks: batch })).tasks)
  return { link, added }
}

/** The same transfer: method, address without its query (which carries signatures), and where it goes. */
function keyOf(task: NewTask): string {
  const url = new URL(task.request.url)
  url.search = ''
  const place =
    task.destination.kind === 'spool'
      ? ''
      : `${task.destination.folder}\n${task.destination.kind === 'file' ? task.destination.name : ''}`
  return createHash('sha256').update(`${task.request.method}\n${url.href}\n${place}`).digest('hex').slice(0, 32)
}

function* batches(tasks: readonly NewTask[]): Generator<readonly NewTask[]> {
  let batch: NewTask[] = []
  let size = 0
  for (const task of tasks) {
    const length = Buffer.byteLength(JSON.stringify(task))
    if (batch.length === batchRows || (batch.length > 0 && size + length > batchBytes)) {
      yield batch
      batch = []
      size = 0
    }
    batch.push(task)
    size += length
  }
  if (batch.length > 0) yield batch
}

async function addresses(input: Input, context: Context): Promise<readonly string[]> {
  const list = input.value('input')
  if (list === undefined) return input.words
  const text =
    list === '-'
      ? await readAll(context.stdin)
      : await readFile(resolve(context.cwd, list), 'utf8').catch((error: unknown) => {
          throw new LonghaulError(
            'FILE_DOES_NOT_EXIST',
            `${list} cannot be read: ${error instanceof Error ? error.message : String(error)}. Nothing was started.`,
          )
        })
  const lines = text.split('\n').map((line) => line.trim())
  return [...input.words, ...lines.filter((line) => line !== '' && !line.startsWith('#'))]
}

async function optionsOf(input: Input, context: Context): Promise<DownloadOptions<undefined>> {
  const output = input.value('output')
  const directory = input.value('directory')
  if (output !== undefined && directory !== undefined && output.includes('/')) {
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      '-o with a path and -d both say where the file goes. Use one of them. Nothing was started.',
    )
  }
  const to = output === undefined ? `${directory ?? '.'}/` : directory === undefined ? output : join(directory, output)
  const exclusive = ['force', 'keep-both', 'skip-existing'].filter((flag) => input.has(flag))
  if (exclusive.length > 1)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `${exclusive.map((flag) => `--${flag}`).join(' and ')} exclude each other. Nothing was started.`,
    )
  const ifExists = input.has('keep-both')
    ? 'keepBoth'
    : input.has('skip-existing')
      ? 'skip'
      : input.has('force')
        ? 'replace'
        : undefined
  const ca = await Promise.all(
    input.values('ca').map((file) =>
      readFile(resolve(context.cwd, file), 'utf8').catch((error: unknown) => {
        throw new LonghaulError(
          'FILE_DOES_NOT_EXIST',
          `--ca ${file}: ${error instanceof Error ? error.message : String(error)}. Nothing was started.`,
        )
      }),
    ),
  )
  const digests = input.values('digest').map((digest) => digest.replace(/^sha-?256=(?!:)/i, 'sha-256:'))
  const attempts = input.value('max-attempts')
  const options: DownloadOptions<undefined> = {
    to,
    ...(ifExists !== undefined && { ifExists }),
    ...(digests.length > 0 && { expectedDigest: digests }),
    ...(ca.length > 0 && { tls: { ca } }),
    ...(input.value('priority') !== undefined && { priority: priorityOf(input.value('priority')!) }),
    ...(input.value('at') !== undefined && { earliestBeginDate: whenOf(input.value('at')!) }),
    ...(input.value('deadline') !== undefined && {
      timeoutIntervalForResource: input.value('deadline') as DurationLike,
    }),
    ...(input.value('stall') !== undefined && { timeoutIntervalForRequest: input.value('stall') as DurationLike }),
    ...(attempts !== undefined && { retry: { maximumAttempts: Number(attempts) } }),
  }
  checkDownloadOptions(options)
  return options
}

function headersOf(input: Input, context: Context): HeaderPairs {
  const headers = input.values('header').map(headerOf)
  const agent = input.value('user-agent')
  const referer = input.value('referer')
  const user = input.value('user')
  if (agent !== undefined) headers.push(['User-Agent', agent])
  if (referer !== undefined) headers.push(['Referer', referer])
  if (user !== undefined) {
    headers.push(['Authorization', `Basic ${Buffer.from(user, 'utf8').toString('base64')}`])
    if (!context.quiet) context.err('-u: the password is now in your shell history; -H with a variable keeps it out.\n')
  }
  return headers
}

function priorityOf(word: string): number {
  const found = ({ low: 0.25, normal: 0.5, high: 0.75 } as Readonly<Record<string, number>>)[word] ?? Number(word)
  if (!(found >= 0 && found <= 1))
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `--priority ${word}: write low, normal, high or a number from 0 to 1. Nothing was started.`,
    )
  return found
}

/** `23:00` is the next time the clock shows it; `+2h` from now; else a date. */
function whenOf(word: string): Date {
  const now = new Date()
  if (word.startsWith('+')) return new Date(now.getTime() + durationMs(word.slice(1), '--at'))
  const clock = /^(\d{1,2}):(\d{2})$/.exec(word)
  if (clock !== null) {
    const when = new Date(now)
    when.setHours(Number(clock[1]), Number(clock[2]), 0, 0)
    if (when <= now) when.setDate(when.getDate() + 1)
    return when
  }
  const when = new Date(word)
  if (Number.isNaN(when.getTime()))
    throw new LonghaulError('INVALID_ARGUMENT', `--at ${word}: write 23:00, +2h or an ISO date. Nothing was started.`)
  return when
}

function greet({ task, isNew }: AddedTask, context: Context): void {
  if (context.json || context.quiet) return
  const { words } = context
  const total =
    task.progress.fraction === undefined
      ? bytes(task.progress.received)
      : `${Math.floor(task.progress.fraction * 100)} %`
  if (!isNew && task.state !== 'completed')
    context.err(`${words.alreadyOnIt(shortCode(task.id), total, duration(Date.now() - task.createdAtMs))}\n`)
}

/** What happened, what is kept, what to do: below the display, once a failed task. */
function failure(task: TaskRecord, context: Context): void {
  if (task.error === undefined || context.json) return
  const { message, hint, code } = task.error
  const kept = task.progress.received > 0 ? ` ${context.words.kept(bytes(task.progress.received))}.` : ''
  context.err(
    `${shortCode(task.id)} ${code}: ${message}${kept}\n  ${hint}\n  longhaul explain ${shortCode(task.id)}   longhaul retry ${shortCode(task.id)}\n`,
  )
}
