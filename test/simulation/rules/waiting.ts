// Whether a task may be where it is when nothing goes wrong any more: only a person or the app can have put it there.
import type { Store } from '../../../src/journal/store.ts'

interface Waiting {
  readonly id: number
  readonly suspends: number
  readonly held: number
  readonly sessionHeld: number
}

export function hasToWait(store: Store, task: Waiting): boolean {
  if (task.suspends > 0 || task.held !== 0 || task.sessionHeld !== 0) return true
  // What it needs has to wait.
  return store
    .all<Waiting>(
      `select t.id, suspends, t.held, s.held as sessionHeld from dependency d join task t on t.id = d.needs
       join session s on s.id = t.session where d.task = ? and gate <> 'done'`,
      task.id,
    )
    .some((needed) => hasToWait(store, needed))
}
