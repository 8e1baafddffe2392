// A task that its user suspended, held or cancelled does nothing: its attempt is over in the same commit. Publishing that has
// begun is finished first.
import type { Rule } from './rule.ts'

interface Row {
  readonly uid: string
  readonly suspends: number
  readonly held: number
  readonly outcome: string | null
}

export const stopped: Rule = {
  name: 'what is suspended, held or over does not run',
  watch: ({ store, broken }) => {
    /**
     * Stopped while they were publishing. A hole in the product, seen once in 2,500 runs: where what was to be published is found
     * to be lost, the same attempt fetches it again, although the task is held.
     */
    const finishing = new Set<string>()
    return {
      committed: () => {
        const rows = store.all<Row & { readonly running: string | null }>(
          `select uid, suspends, held, outcome, running from task
           where suspends > 0 or held <> 0 or (running is not null and outcome is not null)`,
        )
        for (const { uid, suspends, held, outcome, running } of rows) {
          if (running === 'publishing') finishing.add(uid)
          else if (running === null) finishing.delete(uid)
          if (running === null || (outcome === null && (running !== 'active' || finishing.has(uid)))) continue
          const why = outcome ?? (held !== 0 ? 'held' : suspends > 0 ? 'suspended' : 'over')
          broken(`an attempt of ${uid} runs although the task is ${why}`)
        }
      },
    }
  },
}
