// A server is never asked over more connections than one origin may have. What counts is what the server sees, at every step.
import type { CommandInput } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

export const crowds: Rule = {
  name: 'no more connections than an origin may have',
  watch: ({ plan, store, internet, broken }) => {
    const most = plan.limits.maximumConnectionsPerOrigin
    /**
     * Attempts that lost what they had published, and fetch again: they hold a place of those that only publish, and nobody can
     * have kept a connection for them.
     */
    const again = new Set<string>()

    return {
      before: (requests) => {
        for (const { name, input } of requests) {
          if (name !== 'restart' && name !== 'reserve') continue
          const { task } = input as CommandInput<'restart'>
          const row = store.get<{ running: string | null }>('select running from task where uid = ?', task)
          if (row?.running === 'publishing') again.add(task)
        }
      },
      committed: ({ requests }) => {
        for (const { name, input } of requests)
          if (name === 'endAttempt' || name === 'finish' || name === 'startAttempt')
            again.delete((input as CommandInput<'finish'>).task)
      },
      daemon: () => again.clear(),
      stepped: () => {
        for (const [origin, open] of internet.crowds())
          if (open > most + again.size) broken(`${origin} is asked over ${open} connections, and it may have ${most}`)
      },
    }
  },
}
