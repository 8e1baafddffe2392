/**
 * The journal in a thread of its own, so that a slow sync never makes an app wait: the same contract, and the daemon's only form
 * of it. This file is both ends; the thread starts it again as its entry.
 *
 * Calls of one turn travel together; what comes while a commit is under way waits and shares the next one. Messages in are
 * lists of `[id, name, input]`; out comes one message a group. If the thread dies, every call rejects and `problem` says so:
 * the daemon then ends, and its next life recovers.
 */
import { isMainThread, parentPort, Worker, workerData, type MessagePort } from 'node:worker_threads'
import { asLonghaulError, isLonghaulError, LonghaulError, type ErrorJson } from '../contract/errors.ts'
import type { CommandName, Consequences, Journal } from './journal.ts'
import type { Request } from './commands.ts'
import { groupSize, runGroup } from './group.ts'
import { closedError, journalOf } from './in-thread.ts'
import { savedSteady } from './life.ts'
import { openStore } from './open.ts'

type Call = readonly [id: number, name: CommandName, input: unknown]
type Reply = readonly [id: number, answer: { readonly ok: unknown } | { readonly error: ErrorJson | string }]
type ToThread = readonly Call[] | 'close' | 'collect'
type FromThread =
  | { readonly kind: 'opened'; readonly savedSteadyMs: number }
  | { readonly kind: 'refused'; readonly error: ErrorJson }
  | {
      readonly kind: 'group'
      readonly replies: readonly Reply[]
      readonly consequences: Consequences | undefined
      readonly problem: string | undefined
    }

interface Pending {
  readonly resolve: (output: unknown) => void
  readonly reject: (error: unknown) => void
}

const mark = 'longhaul journal'

export interface JournalThread extends Journal {
  /** Of its own heap. */
  collectGarbage(): void
}

/**
 * Opens the journal in a thread of its own.
 * @param path of the file; it is made when there is none
 * @param died called once if the thread ends without `close`
 * @throws JOURNAL_DAMAGED: damaged, or of a newer major version; the file stays as it is
 */
export async function openJournalThread(path: string, died?: (why: LonghaulError) => void): Promise<JournalThread> {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { mark, path },
    name: mark,
    // Nothing that this process was started with is meant for the thread (`--input-type`, `--test`).
    execArgv: [],
    // A group's garbage is small; the default would let it grow to three times as much before it is looked at.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  })
  const opened = Promise.withResolvers<number>()
  const failed = (error: unknown): void => {
    opened.reject(
      asLonghaulError(error, 'JOURNAL_DAMAGED', `The thread of the journal ${path} did not start: ${String(error)}`),
    )
  }
  worker.once('error', failed)
  worker.once('exit', failed)
  worker.once('message', (message: FromThread) => {
    if (message.kind === 'opened') opened.resolve(message.savedSteadyMs)
    else if (message.kind === 'refused') opened.reject(LonghaulError.fromJSON(message.error))
  })
  const savedSteadyMs = await opened.promise
  worker.off('error', failed)
  worker.off('exit', failed)
  return connect(worker, savedSteadyMs, died)
}

function connect(worker: Worker, savedSteadyMs: number, died?: (why: LonghaulError) => void): JournalThread {
  const pending = new Map<number, Pending>()
  let outgoing: Call[] = []
  let lastId = 0
  let problem: string | undefined
  let dead: LonghaulError | undefined
  let watcher: ((consequences: Consequences) => void) | undefined
  let closing: PromiseWithResolvers<void> | undefined

  const die = (why: string): void => {
    if (dead !== undefined) return
    dead =
      closing === undefined
        ? new LonghaulError('DAEMON_UNAVAILABLE', `The thread of the journal ended (${why}); the daemon ends too.`)
        : closedError()
    if (closing === undefined) problem = dead.message
    for (const { reject } of pending.values()) reject(dead)
    pending.clear()
    if (closing === undefined) died?.(dead)
    closing?.resolve()
  }
  worker.on('error', (error) => {
    die(error instanceof Error ? error.message : String(error))
  })
  worker.on('exit', (code) => {
    die(`exit code ${code}`)
  })
  worker.on('message', (message: FromThread) => {
    if (message.kind !== 'group') return
    problem = message.problem
    if (message.consequences !== undefined) watcher?.(message.consequences)
    for (const [id, answer] of message.replies) {
      const call = pending.get(id)
      pending.delete(id)
      if ('ok' in answer) call?.resolve(answer.ok)
      else
        call?.reject(typeof answer.error === 'string' ? new Error(answer.error) : LonghaulError.fromJSON(answer.error))
    }
    if (pending.size === 0 && closing === undefined) worker.unref()
  })
  // Only a call that waits for its answer keeps the process alive.
  worker.unref()

  const send = (): void => {
    const calls = outgoing
    outgoing = []
    if (dead !== undefined) return
    try {
      worker.postMessage(calls satisfies ToThread)
    } catch (error) {
      // Something that is no plain data, a mistake of ours: none of them left, and their callers must not wait for ever.
      for (const [id] of calls) {
        pending.get(id)?.reject(error)
        pending.delete(id)
      }
      if (pending.size === 0) worker.unref()
    }
  }
  const call = (name: CommandName, input: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (dead !== undefined || closing !== undefined) {
        reject(dead ?? closedError())
        return
      }
      lastId += 1
      if (pending.size === 0) worker.ref()
      pending.set(lastId, { resolve, reject })
      outgoing.push([lastId, name, input])
      // All that one turn of the event loop asks for goes in one message, and so into one commit.
      if (outgoing.length === 1) setImmediate(send)
    })

  const journal = journalOf(call, {
    watch: (changed) => {
      watcher = changed
    },
    problem: () => problem,
    savedSteadyMs,
    close: () => {
      if (closing === undefined) {
        closing = Promise.withResolvers<void>()
        worker.ref()
        if (dead === undefined) {
          if (outgoing.length > 0) send()
          worker.postMessage('close' satisfies ToThread)
        } else closing.resolve()
      }
      return closing.promise
    },
  })
  // Not spread: `problem` is a getter.
  return Object.assign(journal, {
    collectGarbage: () => {
      if (dead === undefined && closing === undefined) worker.postMessage('collect' satisfies ToThread)
    },
  })
}

/** The thread's own side. */
function serve(port: MessagePort, path: string): void {
  const say = (message: FromThread): void => {
    port.postMessage(message)
  }
  let store: ReturnType<typeof openStore>
  try {
    store = openStore(path)
    say({ kind: 'opened', savedSteadyMs: savedSteady(store) })
  } catch (error) {
    say({ kind: 'refused', error: asLonghaulError(error, 'JOURNAL_DAMAGED').toJSON() })
    port.close()
    return
  }

  interface Waiting extends Request {
    readonly id: number
  }
  let waiting: Waiting[] = []
  let scheduled = false
  let closing = false
  let problem: string | undefined

  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    // After this turn's messages: all that came during the last commit are in one group.
    setImmediate(runNext)
  }
  const runNext = (): void => {
    scheduled = false
    const group = waiting.slice(0, groupSize(waiting))
    waiting = waiting.slice(group.length)
    if (group.length > 0) {
      const { answers, consequences, ...outcome } = runGroup(store, group)
      if (outcome.wrote || outcome.problem !== undefined) problem = outcome.problem
      const replies: Reply[] = []
      group.forEach((request, i) => {
        const answer = answers[i]!
        if ('goOn' in answer) waiting.push({ ...request, input: answer.goOn })
        else replies.push([request.id, 'ok' in answer ? answer : { error: plain(answer.error) }])
      })
      say({ kind: 'group', replies, consequences, problem })
    }
    if (waiting.length > 0) schedule()
    else if (closing) {
      store.database.close()
      port.close()
    }
  }
  port.on('message', (message: ToThread) => {
    if (message === 'collect') {
      // Where Node was started with `--expose-gc`, as the daemon's is.
      globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
      return
    }
    if (message === 'close') closing = true
    else for (const [id, name, input] of message) waiting.push({ id, name, input })
    schedule()
  })
}

/** A mistake of ours crosses as its stack: it has no code, and must be seen. */
function plain(error: unknown): ErrorJson | string {
  if (isLonghaulError(error)) return error.toJSON()
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

const data: unknown = workerData
if (
  !isMainThread &&
  parentPort !== null &&
  typeof data === 'object' &&
  data !== null &&
  'mark' in data &&
  data.mark === mark
)
  serve(parentPort, (data as unknown as { readonly path: string }).path)
