// A task whose id was given to an app is in the journal, whatever dies. (A session that was invalidated takes its tasks along;
// none is kept so long here that it could be forgotten by age.)
import type { Rule } from './rule.ts'

export const kept: Rule = {
  name: 'an accepted task survives',
  watch: ({ store, broken }) => {
    const accepted = new Set<string>()
    /** Their session was invalidated; some of them may be told as accepted only after that. */
    const goes = new Set<string>()
    const check = (): void => {
      for (const task of accepted)
        if (!goes.has(task) && store.get('select 1 from task where uid = ?', task) === undefined)
          broken(`the task ${task} was accepted and is not in the journal`)
    }
    return {
      committed: ({ requests, answers }) => {
        requests.forEach(({ name, input }, i) => {
          if ((name !== 'invalidate' && name !== 'dropSession') || !('ok' in answers[i]!)) return
          const { session } = input as { readonly session: number }
          for (const { uid } of store.all<{ uid: string }>('select uid from task where session = ?', session))
            goes.add(uid)
        })
      },
      accepted: (task) => {
        accepted.add(task)
        check()
      },
      daemon: check,
      atEnd: check,
    }
  },
}
