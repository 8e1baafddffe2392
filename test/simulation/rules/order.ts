// Events of one task come in the order of their numbers, each when the one before is done with; its completion is the last that
// an app hears of it.
import type { CommandInput } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

export const order: Rule = {
  name: 'completion is the last word about a task',
  watch: ({ store, broken }) => {
    /** Tasks whose completion was acknowledged. */
    const over = new Set<string>()
    /** Completions that are waiting, by session and number. */
    const completions = new Map<string, string>()
    /** The last number whose callback ended well, by app and task. */
    const last = new Map<string, number>()
    /** Callbacks that have begun and did not end well yet, by app and task. */
    const begun = new Map<string, Set<number>>()
    return {
      committed: ({ requests, answers }) => {
        requests.forEach(({ name, input }, i) => {
          const answer = answers[i]!
          if (name !== 'acknowledge' || !('ok' in answer) || (answer.ok as { found: string }).found === 'fenced') return
          const { session, sequences } = input as CommandInput<'acknowledge'>
          for (const sequence of sequences) {
            const task = completions.get(`${session}/${sequence}`)
            if (task !== undefined) over.add(task)
          }
        })
        for (const { session, sequence, uid } of store.all<{ session: number; sequence: number; uid: string }>(
          `select event.session, sequence, uid from event join task on task.id = event.task where kind = 'didComplete'`,
        ))
          completions.set(`${session}/${sequence}`, uid)
      },
      handed: ({ task, kind, sequence, pid }) => {
        if (task === undefined) return
        if (over.has(task)) broken(`${kind} of ${task} came after its didComplete was acknowledged`)
        const before = last.get(`${pid} ${task}`) ?? 0
        if (sequence < before) broken(`event ${sequence} (${kind}) of ${task} came after ${before} in the same app`)
        const open = begun.get(`${pid} ${task}`) ?? new Set<number>()
        for (const other of open)
          if (other < sequence)
            broken(`event ${sequence} (${kind}) of ${task} came while the callback of event ${other} was not done`)
        begun.set(`${pid} ${task}`, open.add(sequence))
      },
      returned: ({ task, sequence, pid }) => {
        if (task === undefined) return
        last.set(`${pid} ${task}`, sequence)
        begun.get(`${pid} ${task}`)?.delete(sequence)
      },
      answered: (caller, verb, params) => {
        if (verb !== 'session.open') return
        const { own } = params as { own?: { fence?: number } }
        // To open a session once more, not by attaching again after a break, is to begin anew.
        if (own === undefined || own.fence !== undefined) return
        for (const known of [last, begun])
          for (const key of known.keys()) if (key.startsWith(`${caller.pid} `)) known.delete(key)
      },
    }
  },
}
