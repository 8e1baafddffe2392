// A task that was suspended n times wants n resumes: it runs neither sooner nor waits for one more. Counted from what users asked
// for, whatever the journal has made of it.
import type { CommandInput } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

interface Row {
  readonly uid: string
  readonly suspends: number
  readonly running: string | null
}

export const suspends: Rule = {
  name: 'n suspends want n resumes',
  watch: ({ store, broken }) => {
    const lacking = new Map<string, number>()

    const added = (task: string, many: number): void => {
      // Asked for again, it is the task that it was.
      if (!lacking.has(task)) lacking.set(task, many)
    }
    const changed = ({ targets, change }: CommandInput<'change'>): void => {
      if (change.kind !== 'suspend' && change.kind !== 'resume') return
      // Which tasks a filter finds is not told.
      if (!('ids' in targets)) return lacking.clear()
      for (const id of targets.ids) {
        const before = lacking.get(id)
        if (before !== undefined) lacking.set(id, Math.max(0, before + (change.kind === 'suspend' ? 1 : -1)))
      }
    }

    return {
      committed: ({ requests, answers }) => {
        let isTold = false
        requests.forEach(({ name, input }, i) => {
          const answer = answers[i]!
          if (!('ok' in answer)) return
          if (name === 'addTasks' || name === 'enqueueTasks')
            for (const { id, start } of (input as CommandInput<'addTasks'>).tasks) added(id, start ? 0 : 1)
          else if (name === 'retryTask') added((input as CommandInput<'retryTask'>).newId, 0)
          else if (name === 'change') changed(input as CommandInput<'change'>)
          else if (name !== 'startAttempt' && name !== 'wakeDue' && name !== 'openLife') return
          isTold = true
        })
        if (!isTold) return
        for (const { uid, suspends: many, running } of store.all<Row>(
          'select uid, suspends, running from task where outcome is null',
        )) {
          const wanted = lacking.get(uid)
          if (wanted === undefined) continue
          if (running === 'active' && wanted > 0) broken(`an attempt of ${uid} runs, and it lacks ${wanted} resumes`)
          if (many !== wanted) broken(`${uid} lacks ${wanted} resumes, and the journal waits for ${many}`)
        }
      },
    }
  },
}
