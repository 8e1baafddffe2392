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
  watch: ({ store, broken }) => ({
    committed: () => {
      const row = store.get<Row>(
        `select uid, suspends, held, outcome from task
         where (running = 'active' and (suspends > 0 or held <> 0)) or (running is not null and outcome is not null)`,
      )
      if (row === undefined) return
      const why = row.outcome ?? (row.held !== 0 ? 'held' : 'suspended')
      broken(`an attempt of ${row.uid} runs although the task is ${why}`)
    },
  }),
}
