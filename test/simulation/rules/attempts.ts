// A task that may fail so often is tried no more often. What counts is what each attempt ended with, not what the journal counted.
import type { CommandInput } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

export const attempts: Rule = {
  name: 'no more attempts than were allowed',
  watch: ({ store, broken }) => {
    const allowed = new Map<string, number>()
    const failed = new Map<string, number>()

    const ended = ({ task, end }: CommandInput<'endAttempt'>): void => {
      const most = allowed.get(task)
      // To wait for room or for a folder is no failure, and to be stopped is none either.
      if (most === undefined || end.kind !== 'retry') return
      const many = (failed.get(task) ?? 0) + 1
      failed.set(task, many)
      // It may have ended for another reason: it was cancelled, or its time is over.
      if (many >= most && store.get('select 1 from task where uid = ? and outcome is null', task) !== undefined)
        broken(`${task} is to be tried again after ${many} attempts that failed, and it may have ${most}`)
    }

    return {
      committed: ({ requests, answers }) => {
        requests.forEach(({ name, input }, i) => {
          const answer = answers[i]!
          if (!('ok' in answer)) return
          if (name === 'addTasks' || name === 'enqueueTasks')
            for (const { id, policy } of (input as CommandInput<'addTasks'>).tasks) {
              const most = policy.retry?.maximumAttempts
              if (most !== undefined) allowed.set(id, most)
            }
          else if (name === 'retryTask') {
            const { id, newId } = input as CommandInput<'retryTask'>
            const most = allowed.get(id)
            if (most !== undefined) allowed.set(newId, most)
          } else if (name === 'endAttempt' && (answer.ok as { readonly found: string }).found === 'recorded')
            ended(input as CommandInput<'endAttempt'>)
        })
      },
    }
  },
}
