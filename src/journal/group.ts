/**
 * Many commands, one commit. What they change of lanes and tallies is written once for a row of them, before one that looks at it
 * and before the commit. A refused one leaves the others; nobody is answered before the commit has returned. A crash before
 * it leaves nothing of the group, and nobody was told otherwise; a crash after it leaves all of it.
 *
 * Refusals are rare and savepoints are not free (SQLite copies each page that is changed in one), so a group runs without them
 * first. Where a command is refused all of it is rolled back and runs again, each command in a savepoint of its own: what a
 * command does follows from the journal and its input alone.
 *
 * When the disk is full SQLite may roll back the whole transaction inside a statement, and the savepoints with it. So after
 * every failure the transaction is looked at, and a group that lost its transaction fails as a whole.
 */
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { Consequences } from './journal.ts'
import { runCommand, weightOf, type Request } from './commands.ts'
import { GoOn } from './go-on.ts'
import type { Store } from './store.ts'
import { flush } from './lanes.ts'
import { Counts, joinConsequences } from './work.ts'

const mostCommands = 256
const mostRows = 1000

export type Answer = { readonly ok: unknown } | { readonly error: unknown } | { readonly goOn: unknown }

export interface Outcome {
  /** One for each command, in order. `goOn`: to be asked again with that input, in a later group. */
  readonly answers: readonly Answer[]
  readonly consequences: Consequences | undefined
  /** Why nothing could be written. */
  readonly problem: string | undefined
  /** Something was written: only that proves that the journal can be written. A group that only read says nothing of it. */
  readonly wrote: boolean
}

/** How many of the waiting commands go into the next group. */
export function groupSize(waiting: readonly Request[]): number {
  let rows = 0
  for (let size = 0; size < waiting.length && size < mostCommands; size++) {
    rows += weightOf(waiting[size]!)
    if (rows > mostRows) return Math.max(1, size)
  }
  return Math.min(waiting.length, mostCommands)
}

export function runGroup(store: Store, group: readonly Request[]): Outcome {
  const { database } = store
  try {
    const before = changesOf(store)
    database.exec('begin')
    const ran = runTogether(store, group) ?? runApart(store, group)
    database.exec('commit')
    const wrote = changesOf(store) !== before
    return { answers: ran.answers, consequences: ran.consequences, problem: undefined, wrote }
  } catch (error) {
    if (database.isTransaction) database.exec('rollback')
    store.forget()
    const failed = journalError(error)
    return {
      answers: group.map(() => ({ error: failed })),
      consequences: undefined,
      problem: failed.message,
      wrote: false,
    }
  }
}

type Ran = Pick<Outcome, 'answers' | 'consequences'>

/** Undefined: one was refused; nothing of the group is left, and the transaction has begun anew. */
function runTogether(store: Store, group: readonly Request[]): Ran | undefined {
  const ran = new Answers()
  const counts = new Counts()
  for (const request of group) {
    const one = attempt(store, request, counts)
    if ('refused' in one) {
      store.exec('rollback; begin')
      store.forget()
      return undefined
    }
    ran.add(one)
  }
  flush(store, counts)
  return ran
}

function runApart(store: Store, group: readonly Request[]): Ran {
  const ran = new Answers()
  for (const request of group) {
    store.exec('savepoint command')
    const counts = new Counts()
    const one = attempt(store, request, counts)
    if ('refused' in one) {
      store.exec('rollback to command; release command')
      store.forget()
    } else {
      flush(store, counts)
      store.exec('release command')
    }
    ran.add(one)
  }
  return ran
}

class Answers implements Ran {
  readonly answers: Answer[] = []
  readonly #consequences: Consequences[] = []

  add(one: ReturnType<typeof attempt>): void {
    if ('refused' in one) {
      this.answers.push({ error: one.refused })
      return
    }
    if (one.consequences !== undefined) this.#consequences.push(one.consequences)
    this.answers.push(one.output instanceof GoOn ? { goOn: one.output.input } : { ok: one.output })
  }

  get consequences(): Consequences | undefined {
    return joinConsequences(this.#consequences)
  }
}

/** Rows changed since the journal was opened. */
function changesOf(store: Store): number {
  return store.get<{ n: number }>('select total_changes() n')!.n
}

/** Runs a command; gives its refusal, and throws what concerns the whole group. */
function attempt(
  store: Store,
  request: Request,
  counts: Counts,
): ReturnType<typeof runCommand> | { readonly refused: unknown } {
  try {
    return runCommand(store, request, counts)
  } catch (error) {
    if (!store.database.isTransaction || isStorageError(error)) throw error
    return { refused: error }
  }
}

/** Primary result codes that are not about one statement: NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB. */
const storageCodes: ReadonlySet<number> = new Set([7, 8, 10, 11, 13, 14, 26])

function isStorageError(error: unknown): boolean {
  const code = resultCode(error)
  return code !== undefined && storageCodes.has(code)
}

/** SQLite's primary result code. */
export function resultCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : undefined
}

function journalError(error: unknown): LonghaulError {
  if (isLonghaulError(error)) return error
  const why = error instanceof Error ? error.message : String(error)
  if (resultCode(error) === 13)
    return new LonghaulError(
      'DISK_FULL',
      `The journal could not be written because its disk is full (${why}). Nothing of this call was kept.`,
      {
        cause: error,
        hint: 'Free some space, then do it again; transfers that were added before go on by themselves.',
      },
    )
  return new LonghaulError(
    'JOURNAL_DAMAGED',
    `The journal could not be written (${why}). Nothing of this call was kept; the file stays as it is.`,
    { cause: error, hint: 'Look at the disk that holds the journal, then start the daemon again.' },
  )
}
