/**
 * Any number of downloads in transactions of at most 1,000 rows and 900 KiB. One bad row refuses its transaction and is
 * named by its index; earlier transactions stand. Rows are read no faster than they are sent. The next transaction is sent
 * while one is under way, and says that it follows it: the daemon does it only when that one is on disk, so that nothing
 * behind a bad row is ever added.
 */
import { asLonghaulError, isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { BatchRow, Destination, DownloadOptions, NewTask, WaitOptions } from '../contract/task.ts'
import type { ChainLink, Result } from '../contract/verbs.ts'
import { makeTaskId } from '../contract/words.ts'
import type { DestinationResolver } from '../world/app-world.ts'
import { checkNames, invalid, isFields, requireFields, shown } from './known-names.ts'
import type { Link } from './link.ts'
import { checkDownloadOptions, newTask } from './options.ts'
import { requestFacts } from './requests.ts'

const rowsPerCall = 1000
const bytesPerCall = 900 * 1024
/** Rows whose destinations are looked at at once. */
const ahead = 64

export interface Enqueued {
  /** Tasks that are new. */
  readonly added: number
  /** Rows whose `key` found a task. */
  readonly existing: number
}

/** One download as a record for the daemon. @throws what of it is wrong */
export async function makeDownload(
  request: Parameters<typeof requestFacts>[0],
  options: DownloadOptions<unknown>,
  making: {
    readonly link: Link
    readonly destinations: DestinationResolver
    readonly start: boolean
  },
): Promise<NewTask> {
  const { link, destinations, start } = making
  const umask = link.world.umask()
  const facts = requestFacts(request)
  // With a key the file may be the very one that an earlier call has fetched; the end of the task looks again.
  const existing = options.ifExists === 'fail' && options.key === undefined ? ({ existing: 'refuse' } as const) : {}
  // Everything that can be wrong without the disk is found before a folder is made.
  const assumed: Destination = options.to === undefined ? { kind: 'spool' } : { kind: 'file', folder: '', name: '' }
  newTask(options, { id: '', request: facts, destination: assumed, umask, start })
  const destination =
    options.to === undefined ? ({ kind: 'spool' } as const) : await destinations.resolve(options.to, existing)
  const id = makeTaskId(link.world.clock.wall(), link.world.random.bytes(10))
  return newTask(options, { id, request: facts, destination, umask, start })
}

/**
 * @throws `signal.reason` between two transactions; else the error of the first bad row with `index` and `added`
 */
export async function enqueueRows<M>(
  link: Link,
  session: string,
  rows: Iterable<BatchRow<M>> | AsyncIterable<BatchRow<M>>,
  options: { readonly start?: boolean | undefined } & WaitOptions = {},
): Promise<Enqueued> {
  requireFields(options, 'options', 'Nothing was added.')
  checkNames(options, 'options of enqueue', { known: ['start', 'signal'] }, 'Nothing was added.')
  const making = { link, destinations: link.world.destinations(), start: options.start ?? false }
  let added = 0
  let existing = 0
  /** Of the first row that is not sent yet. */
  let index = 0
  let batch: NewTask[] = []
  let bytes = 0

  /** The last two transactions sent; a failure is met by whoever awaits it next. */
  let before: Promise<void> = Promise.resolve()
  let sending: Promise<void> = Promise.resolve()
  const chain = link.nextChain()
  let position = 0

  const ask = async (
    tasks: readonly NewTask[],
    follows: ChainLink,
    earlier: Promise<void>,
  ): Promise<Result<'task.enqueue'>> => {
    try {
      // Not repeated by itself: on another connection it could come before the one that it follows.
      return await link.call('task.enqueue', { session, tasks, follows }, { repeat: false })
    } catch (error) {
      await earlier
      if (!isLonghaulError(error, 'CANCELLED') && !isLonghaulError(error, 'DAEMON_UNAVAILABLE')) throw error
      return link.call('task.enqueue', { session, tasks })
    }
  }
  const sendNow = async (tasks: readonly NewTask[], first: number, earlier: Promise<void>): Promise<void> => {
    try {
      const answer = await ask(tasks, { chain, position: position++ }, earlier)
      await earlier
      for (const task of answer.tasks) {
        if (task.isNew) added++
        else existing++
      }
    } catch (error) {
      // Of two that fail, the earlier one's reason is the reason.
      await earlier
      throw rowError(error, first, added + existing)
    }
  }
  const send = async (): Promise<void> => {
    await before
    if (batch.length === 0) return
    options.signal?.throwIfAborted()
    before = sending
    sending = sendNow(batch, index, before)
    sending.catch(() => {})
    index += batch.length
    batch = []
    bytes = 0
  }
  const take = async (window: readonly BatchRow<M>[]): Promise<void> => {
    const made = await Promise.allSettled(window.map((row) => makeRow(row, making)))
    for (const one of made) {
      if (one.status === 'rejected') {
        // How many stand before it is known only once they do.
        await sending
        throw rowError(one.reason, index, added + existing, batch.length)
      }
      const size = Buffer.byteLength(JSON.stringify(one.value)) + 1
      if (batch.length >= rowsPerCall || bytes + size > bytesPerCall) await send()
      batch.push(one.value)
      bytes += size
    }
  }

  let window: BatchRow<M>[] = []
  for await (const row of rows) {
    window.push(row)
    if (window.length < ahead) continue
    await take(window)
    window = []
  }
  await take(window)
  await send()
  await sending
  return { added, existing }
}

async function makeRow(row: unknown, making: Parameters<typeof makeDownload>[2]): Promise<NewTask> {
  if (!isFields(row))
    throw invalid('row', `${shown(row)} is not an object with a url`, 'Nothing of its transaction was added.')
  checkDownloadOptions(row, ['url', 'method', 'headers'])
  const { url, method, headers, ...options } = row as unknown as BatchRow<unknown>
  return makeDownload({ url, method, headers }, options, making)
}

/** @param first index of the first row of the transaction; @param offset of the bad row in it, when it was found here */
function rowError(error: unknown, first: number, added: number, offset?: number): LonghaulError {
  const found = asLonghaulError(error, 'INVALID_ARGUMENT')
  const within = offset ?? found.index
  const index = within === undefined ? undefined : first + within
  const where = index === undefined ? `From row ${first} on` : `Row ${index}`
  return new LonghaulError(found.code, `${where}: ${found.message} ${added} rows before it are on disk.`, {
    cause: found.cause ?? error,
    hint: found.hint,
    retryable: found.retryable,
    added,
    ...(index !== undefined && { index }),
  })
}
