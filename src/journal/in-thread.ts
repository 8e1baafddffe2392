/**
 * The journal in the thread that calls it: for tests, the simulator, and small programs. Commands that are called in one turn
 * share a commit.
 */
import { LonghaulError } from '../contract/errors.ts'
import type { CommandName, Consequences, Journal } from './journal.ts'
import { commandNames, type Request } from './commands.ts'
import { groupSize, runGroup } from './group.ts'
import { savedSteady } from './life.ts'
import type { Store } from './store.ts'

interface Waiting extends Request {
  readonly resolve: (output: unknown) => void
  readonly reject: (error: unknown) => void
}

/** @param store from `openStore`; closed with the journal */
export function createJournal(store: Store): Journal {
  let waiting: Waiting[] = []
  let scheduled = false
  let problem: string | undefined
  let closed = false
  let watcher: ((consequences: Consequences) => void) | undefined
  const savedSteadyMs = savedSteady(store)

  const runWaiting = (): void => {
    scheduled = false
    while (waiting.length > 0 && !closed) {
      const group = waiting.slice(0, groupSize(waiting))
      waiting = waiting.slice(group.length)
      const outcome = runGroup(store, group)
      if (outcome.wrote || outcome.problem !== undefined) problem = outcome.problem
      if (outcome.consequences !== undefined) watcher?.(outcome.consequences)
      group.forEach((command, i) => {
        const answer = outcome.answers[i]!
        if ('goOn' in answer) waiting.push({ ...command, input: answer.goOn })
        else if ('error' in answer) command.reject(answer.error)
        else command.resolve(answer.ok)
      })
    }
  }

  const call = (name: CommandName, input: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (closed) {
        reject(closedError())
        return
      }
      waiting.push({ name, input, resolve, reject })
      if (scheduled) return
      scheduled = true
      queueMicrotask(runWaiting)
    })

  return journalOf(call, {
    watch: (changed) => {
      watcher = changed
    },
    problem: () => problem,
    savedSteadyMs,
    close: () => {
      if (closed) return Promise.resolve()
      runWaiting()
      closed = true
      store.database.close()
      return Promise.resolve()
    },
  })
}

export function closedError(): LonghaulError {
  return new LonghaulError('DAEMON_UNAVAILABLE', 'The journal is closed; nothing was changed.')
}

export interface JournalLife {
  readonly watch: Journal['watch']
  readonly problem: () => string | undefined
  readonly savedSteadyMs: number
  readonly close: Journal['close']
}

/** The contract's shape around one function that calls a command by its name. */
export function journalOf(call: (name: CommandName, input: unknown) => Promise<unknown>, life: JournalLife): Journal {
  const methods = Object.fromEntries(commandNames.map((name) => [name, (input: unknown) => call(name, input)]))
  const journal = {
    ...methods,
    watch: life.watch,
    savedSteadyMs: life.savedSteadyMs,
    close: life.close,
    get problem(): string | undefined {
      return life.problem()
    },
  }
  return journal as unknown as Journal
}
