// What the journal answered is in the journal: whoever was told that a session, an attempt or a checkpoint is recorded may
// build on it.
import type { CommandInput, CommandOutput } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

export const promised: Rule = {
  name: 'what was answered is committed',
  watch: ({ store, broken }) => ({
    committed: ({ requests, answers }) => {
      // A command of the same group may have taken it back.
      if (requests.some(({ name }) => name === 'dropSession' || name === 'acknowledge')) return
      requests.forEach(({ name, input }, i) => {
        const answer = answers[i]!
        if (!('ok' in answer)) return
        if (name === 'openSession') {
          const { session } = answer.ok as CommandOutput<'openSession'>
          if (store.get('select 1 from session where id = ?', session.id) === undefined)
            broken(`the session ${session.identifier} was opened and is not in the journal`)
        }
        if (name === 'startAttempt') {
          const started = answer.ok as CommandOutput<'startAttempt'>
          const { task } = input as CommandInput<'startAttempt'>
          if (
            started.found === 'started' &&
            store.get('select 1 from task where uid = ? and fence >= ?', task, started.fence) === undefined
          )
            broken(`an attempt of ${task} was started with fence ${started.fence}, and the journal knows nothing of it`)
        }
      })
    },
  }),
}
