/**
 * Makes the tasks of `get` and `add`. The same address to the same place is the same transfer, whichever of the two asked:
 * the daemon finds it by its key. Everything that can be wrong without the daemon is told before one is started.
 */
import { randomBytes } from 'node:crypto'
import { isAbsolute } from 'node:path'
import type { Link } from '../client/link.ts'
import { newTask } from '../client/options.ts'
import { transferKey } from '../client/transfer-key.ts'
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { IfExists, NewTask } from '../contract/task.ts'
import type { Result } from '../contract/verbs.ts'
import { makeTaskId } from '../contract/words.ts'
import { resolveDestination } from '../platform/destination.ts'
import { currentUmask } from '../platform/this-process.ts'
import { addressesOf, requestsOf } from './addresses.ts'
import type { Context, Input } from './command.ts'
import { cliSession, headersOf, limitOf, optionsOf } from './download-flags.ts'
import { paragraph } from './render/paragraph.ts'
import { findTasks } from './selection.ts'

/** The daemon takes at most 1,000 rows and 1 MiB a call. */
const batchRows = 1000
const batchBytes = 900_000

/** Not its record: what was asked for fits into a call, and as records says everything twice. */
export type EnqueuedTask = Result<'task.enqueue'>['tasks'][number]

export interface Enqueued {
  readonly link: Link
  readonly session: string
  /** Each task once, in the order of the addresses. One that is not new is under way. */
  readonly added: readonly EnqueuedTask[]
}

/** @throws what is wrong with the arguments, the place, or the daemon; earlier batches of 1,000 stand then */
export async function enqueue(
  input: Input,
  context: Context,
  how: { readonly giveUpAfterMs?: number },
): Promise<Enqueued> {
  const addresses = await addressesOf(input, context)
  const options = await optionsOf(input, context)
  const headers = headersOf(input)
  // As user and password of an address: they answer Digest too.
  const made = input.has('user') ? { authorization: 'from address' as const } : {}
  const requests = requestsOf(addresses, headers).map((facts) => ({ ...facts, ...made }))
  warnOfHistory(input, context)
  const umask = currentUmask()
  // What can be wrong without the disk is found before a folder is made.
  const { ifExists: _later, ...placeless } = options
  newTask(placeless, { id: '', request: requests[0]!, destination: { kind: 'spool' }, umask, start: true })
  const destination = await resolveDestination(options.to, isAbsolute(options.to) ? {} : { cwd: context.cwd })

  const link = await context.daemon()
  const after = (await findTasks(link, input.values('after'))).map((task) => task.id)
  const session = input.value('session') ?? cliSession
  await link.call('session.open', { identifier: session, configuration: {}, strictConfiguration: false })
  const tasks = requests.map((request): NewTask => {
    const id = makeTaskId(context.wallMs(), randomBytes(10))
    const task = newTask(
      { ...options, ...(after.length > 0 && { after }) },
      { id, request, destination, umask, start: true },
    )
    return { ...task, key: keyOf(task, options.ifExists), again: true, ...how }
  })
  const added = new Map<string, EnqueuedTask>()
  for (const batch of batches(tasks)) {
    const answer = await link.call('task.enqueue', { session, tasks: batch }).catch((error: unknown) => {
      throw halfWay(error, added.size, tasks.length)
    })
    // The same address twice is one task, and the first answer says whether it is new.
    for (const one of answer.tasks) if (!added.has(one.id)) added.set(one.id, one)
  }
  await limitThoseThatRun(link, [...added.values()], limitOf(input))
  return { link, session, added: [...added.values()] }
}

/** The batches before stand, and that has to be said. */
function halfWay(error: unknown, added: number, all: number): unknown {
  if (added === 0 || !isLonghaulError(error)) return error
  const { code, hint, retryable } = error
  const stands = `${added} of ${all} transfers were started before that and go on; the same command again takes up the rest.`
  return new LonghaulError(code, `${error.message} ${stands}`, { cause: error, hint, retryable })
}

/** A transfer that is there already keeps to the limit of this call, at once; a new one has it with it. */
async function limitThoseThatRun(
  link: Link,
  added: readonly EnqueuedTask[],
  bytesPerSecond: number | null | undefined,
): Promise<void> {
  const known = added.filter(({ isNew }) => !isNew).map(({ id }) => id)
  if (bytesPerSecond === undefined) return
  for (let at = 0; at < known.length; at += batchRows) {
    const targets = { ids: known.slice(at, at + batchRows) }
    // Set twice it is the same.
    await link.call('task.change', { targets, change: { kind: 'bandwidthLimit', bytesPerSecond } }, { repeat: true })
  }
}

/** A flag that says what becomes of a file that is there asks for another thing than the command without it. */
export function keyOf(task: Pick<NewTask, 'request' | 'destination'>, ifExists: IfExists | undefined): string {
  return `cli:${transferKey(task)}${ifExists === undefined ? '' : `:${ifExists}`}`
}

function warnOfHistory(input: Input, context: Context): void {
  if (context.quiet) return
  const inAddress = input.words.some((word) => /^https?:\/\/[^/?#]*@/i.test(word))
  if (inAddress || input.has('user'))
    context.err(
      paragraph(
        'The password is now in your shell history. Out of it: longhaul get -i - < LIST, or -H "Authorization: $NAME".',
        context.terminal,
      ),
    )
}

function* batches(tasks: readonly NewTask[]): Generator<readonly NewTask[]> {
  let batch: NewTask[] = []
  let size = 0
  for (const task of tasks) {
    const length = Buffer.byteLength(JSON.stringify(task)) + 1
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
