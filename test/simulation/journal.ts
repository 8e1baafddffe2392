// The real journal (its commands, its groups, its SQLite in memory) behind a simulated thread: a call takes time to reach it,
// waits for the commit under way, and its answer takes time to come back. Committed state is all that outlives a life; a life
// can end just before a COMMIT, just after it, or with the answer on its way. SQLite's own commit is trusted here and proved
// elsewhere, on a real file.
import { journalOf } from '../../src/journal/in-thread.ts'
import type { CommandName, Consequences, Journal } from '../../src/journal/journal.ts'
import type { Request } from '../../src/journal/commands.ts'
import { groupSize, runGroup, type Answer } from '../../src/journal/group.ts'
import { savedSteady } from '../../src/journal/life.ts'
import type { Store } from '../../src/journal/store.ts'
import type { Life, Span } from './life.ts'

/** A group that was committed, as those see it who check the rules. */
export interface Committed {
  readonly requests: readonly Request[]
  /** One for each request. */
  readonly answers: readonly Answer[]
  readonly consequences: Consequences | undefined
}

export interface JournalOptions {
  readonly store: Store
  readonly life: Life
  /** The number of the commit that is about to happen, over the whole run: an SQLite result code fails it. */
  readonly failure: (commit: number) => number | undefined
  /** Before the group runs: what a command finds can only be told then. */
  readonly before: (requests: readonly Request[]) => void
  /** Told even if the life ended right after the commit: it is committed all the same. */
  readonly after: (group: Committed) => void
  /** A group was refused by `failure`. */
  readonly refused: () => void
}

interface Waiting extends Request {
  readonly resolve: (output: unknown) => void
  readonly reject: (error: unknown) => void
}

const hop: Span = [0, 0.2]
/** Of a COMMIT that syncs. */
const commit: Span = [0.2, 8]

/** Commits are counted over the whole run, so that a plan can name one. */
const commits = new WeakMap<Store, number>()

/** Ends the group that was under way when its life ended. */
class LifeEnded extends Error {}

export function simulatedJournal(options: JournalOptions): Journal {
  const { store, life } = options
  let sent: Waiting[] = []
  let waiting: Waiting[] = []
  let arrived: Promise<void> = Promise.resolve()
  let running = false
  let problem: string | undefined
  let watcher: ((consequences: Consequences) => void) | undefined

  const call = (name: CommandName, input: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      // Plain data only: in the real one it goes to another thread.
      sent.push({ name, input: structuredClone(input), resolve, reject })
      if (sent.length > 1) return
      // Calls of one turn travel together.
      queueMicrotask(() => {
        const calls = sent
        sent = []
        const sending = life.call('journal.send', () => calls, { effect: hop, answer: [0, 0] })
        // No message overtakes another.
        arrived = Promise.all([arrived, sending]).then(() => {
          waiting.push(...calls)
          run()
        })
      })
    })

  const run = (): void => {
    if (running || waiting.length === 0) return
    running = true
    const group = waiting.slice(0, groupSize(waiting))
    waiting = waiting.slice(group.length)
    void life
      .call('journal.group', () => commitGroup(group), { effect: commit, answer: hop })
      .then((outcome) => {
        running = false
        if (outcome.wrote || outcome.problem !== undefined) problem = outcome.problem
        if (outcome.consequences !== undefined) watcher?.(outcome.consequences)
        group.forEach((each, i) => {
          const answer = outcome.answers[i]!
          if ('goOn' in answer) waiting.push({ ...each, input: answer.goOn })
          else if ('error' in answer) each.reject(answer.error)
          else each.resolve(structuredClone(answer.ok))
        })
        run()
      })
  }

  const commitGroup = (group: readonly Waiting[]): ReturnType<typeof runGroup> => {
    options.before(group)
    const { database } = store
    // By the commands in it too, so that a plan can aim at the few commits on which everything hangs.
    const strike = (moment: 'before' | 'after'): void => {
      life.strike('journal.commit', moment)
      for (const name of new Set(group.map((each) => each.name))) life.strike(`commit of ${name}`, moment)
    }
    const exec = database.exec.bind(database)
    database.exec = (sql) => {
      if (sql !== 'commit') return exec(sql)
      const number = (commits.get(store) ?? 0) + 1
      commits.set(store, number)
      strike('before')
      if (life.dead) throw new LifeEnded()
      const code = options.failure(number)
      if (code !== undefined) {
        options.refused()
        throw Object.assign(new Error(`simulated SQLite failure ${code}`), { errcode: code })
      }
      exec(sql)
    }
    try {
      const outcome = runGroup(store, group)
      if (!life.dead && outcome.problem === undefined)
        options.after({ requests: group, answers: outcome.answers, consequences: outcome.consequences })
      strike('after')
      return outcome
    } finally {
      database.exec = exec
    }
  }

  return journalOf(call, {
    watch: (changed) => {
      watcher = changed
    },
    problem: () => problem,
    savedSteadyMs: savedSteady(store),
    // The store outlives this life.
    close: () => Promise.resolve(),
  })
}
