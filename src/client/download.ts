/**
 * The short way: one call from a URL to a file, and the same call again goes on where the last one was. A controller of a
 * session named after the package and its place; never an owner of events.
 */
import { createHash } from 'node:crypto'
import { dirname, resolve } from 'node:path'
import { LonghaulError } from '../contract/errors.ts'
import type { DaemonOptions } from '../contract/session.ts'
import type { DownloadOptions, NewTask, RequestLike } from '../contract/task.ts'
import type { AppWorld } from '../world/app-world.ts'
import { downloadResult } from './download-handle.ts'
import { makeDownload } from './enqueue.ts'
import { invalid, shown } from './known-names.ts'
import type { Link } from './link.ts'
import { checkDownloadOptions } from './options.ts'
import { requireRequest } from './requests.ts'
import { type Progress, progressOf } from './snapshot.ts'
import type { DownloadResult } from './task.ts'
import { linkTo } from './this-app.ts'
import { transferKey } from './transfer-key.ts'
import { watchTask } from './watch.ts'

export interface ShortOptions {
  /** Ends the wait (rejects with its reason); what becomes of the transfer is said by `onAbort`. */
  readonly signal?: AbortSignal | undefined
  /** Newest progress, four times a second at most. What it throws ends the wait, not the transfer. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** @default 'leave running' */
  readonly onAbort?: 'leave running' | 'cancel' | undefined
  readonly daemon?: DaemonOptions | undefined
}

/** When nothing arrives for so long over several attempts, the short way gives up with the last error (ms). */
const giveUpAfterMs = 5 * 60_000
const progressEveryMs = 250
const nothingAdded = 'Nothing was added.'

/**
 * Downloads to `to` (a file, or a folder) and waits for the end.
 *
 * Run it again and it attaches to the same transfer: the same method, URL, target and digests are the same download, whatever
 * process asked first; fresh headers are used from then on, and, where `to` names the file, a fresh query (into a folder
 * another query is another file). One that failed is tried
 * again with the bytes it has; one that is finished is revalidated and resolves at once (`notModified`). When nothing
 * arrives for 5 minutes over several attempts, it gives up with the last error.
 *
 * @throws the `LonghaulError` of the transfer or of a wrong argument; `signal.reason`
 * @example
 * const { path, bytes } = await download('https://example.com/model.gguf', {
 *   to: 'models/',
 *   onProgress: ({ fraction }) => console.log(fraction),
 * })
 */
export async function download(
  request: RequestLike,
  options: DownloadOptions<undefined> & ShortOptions & { readonly to: string | URL },
): Promise<DownloadResult> {
  requireRequest(request)
  checkDownloadOptions(options, ['signal', 'onProgress', 'onAbort', 'daemon'])
  const { signal, onProgress, onAbort, daemon, ...taskOptions } = options
  if (taskOptions.to === undefined) {
    throw invalid(
      'to',
      'download() needs a file or a folder; without one there is only a session with a delegate',
      nothingAdded,
    )
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw invalid('onProgress', `${shown(onProgress)} is not a function`, nothingAdded)
  }
  if (onAbort !== undefined && onAbort !== 'leave running' && onAbort !== 'cancel') {
    throw invalid('onAbort', `${shown(onAbort)} is not 'leave running' or 'cancel'`, nothingAdded)
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid('signal', `${shown(signal)} is not an AbortSignal`, nothingAdded)
  }
  signal?.throwIfAborted()
  const link = linkTo(daemon)
  const releaseLink = link.retain()
  try {
    const made = await makeDownload(request, taskOptions, {
      link,
      destinations: link.world.destinations(),
      start: true,
    })
    const id = await enqueue(link, {
      ...made,
      key: made.key ?? `short:${transferKey(made)}`,
      again: true,
      giveUpAfterMs,
    })
    return await wait(link, id, { signal, onProgress, onAbort })
  } finally {
    releaseLink()
  }
}

async function enqueue(link: Link, task: NewTask): Promise<string> {
  const identifier = shortSession(link.world)
  await link.call('session.open', { identifier, configuration: {}, strictConfiguration: false })
  const { tasks } = await link.call('task.add', { session: identifier, tasks: [task] })
  return tasks[0]!.task.id
}

async function wait(
  link: Link,
  id: string,
  { signal, onProgress, onAbort }: Omit<ShortOptions, 'daemon'>,
): Promise<DownloadResult> {
  const stop = new AbortController()
  const signals = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])
  try {
    const ended = link.call('task.wait', { id }, { signal: signals })
    if (onProgress === undefined) return downloadResult(await ended)
    // The watch ends with the task; the first failure of either is the answer.
    const [end] = await Promise.all([ended, report(link, id, signals, onProgress)])
    return downloadResult(end)
  } catch (error) {
    if (signal?.aborted === true && onAbort === 'cancel') {
      await link.call('task.change', { targets: { ids: [id] }, change: { kind: 'cancel' } }, { repeat: true })
    }
    throw error
  } finally {
    stop.abort(new LonghaulError('CANCELLED', 'The wait is over.'))
  }
}

async function report(
  link: Link,
  id: string,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
): Promise<void> {
  for await (const progress of watchTask(link, id, { intervalMs: progressEveryMs, signal, seen: () => {} })) {
    onProgress(progressOf(progress))
  }
}

/** The package that the program belongs to and where it lies: two checkouts are two programs. */
function shortSession(world: AppWorld): string {
  const program = world.process.argv[1]
  const from = program === undefined ? world.process.cwd() : dirname(resolve(program))
  const found = world.nearestPackage(from)
  const name = (found?.name ?? 'program').replace(/[\s\p{C}]/gu, '').slice(0, 120)
  return `longhaul.short.${name}.${hash([found?.folder ?? from]).slice(0, 8)}`
}

function hash(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
