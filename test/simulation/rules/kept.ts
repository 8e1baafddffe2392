// A task whose id was given to an app is in the journal, whatever dies. (A session that was invalidated takes its tasks along;
// none is kept so long here that it could be forgotten by age.)
import type { Rule } from './rule.ts'

export const kept: Rule = {
  name: 'an accepted task survives',
  watch: ({ store, broken }) => {
    const accepted = new Set<string>()
    let sessionsGo = false
    const check = (): void => {
      if (sessionsGo) return
      for (const task of accepted)
        if (store.get('select 1 from task where uid = ?', task) === undefined)
          broken(`the task ${task} was accepted and is not in the journal`)
    }
    return {
      committed: ({ requests }) => {
        if (requests.some(({ name }) => name === 'invalidate' || name === 'dropSession')) sessionsGo = true
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
