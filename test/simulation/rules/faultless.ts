// The daemon never meets a mistake of its own: what it writes into its log as an error has a cause outside.
import type { Rule } from './rule.ts'

export const faultless: Rule = {
  name: 'no mistake inside the daemon',
  watch: ({ plan, broken }) => ({
    logged: (message, fields) => {
      // A journal that cannot be written is one of our faults.
      if (plan.journalFailures.length > 0 && /journal/.test(message)) return
      broken(`the daemon logged an error: ${message} ${JSON.stringify(fields)}`.slice(0, 1500))
    },
  }),
}
