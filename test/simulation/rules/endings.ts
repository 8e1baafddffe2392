// Nothing stands still: once faults have stopped, every task ends or says why not, every event reaches its app, and nothing of
// ours is left lying about.
import { hasToWait } from './waiting.ts'
import type { Rule } from './rule.ts'

interface TaskRow {
  readonly id: number
  readonly uid: string
  readonly gate: string
  readonly suspends: number
  readonly held: number
  readonly sessionHeld: number
  readonly wake_at: number | null
}

export const endings: Rule = {
  name: 'nothing stands still',
  watch: ({ store, disk, plan, broken }) => ({
    atEnd: () => {
      const open = store.all<TaskRow>(
        `select t.id, uid, gate, suspends, t.held, s.held as sessionHeld, wake_at from task t
         join session s on s.id = t.session where gate <> 'done' and s.identifier is not null`,
      )
      for (const task of open) {
        if (!hasToWait(store, task))
          broken(`the task ${task.uid} stands still at the gate '${task.gate}' although nothing is in its way any more`)
      }
      const event = store.get<{ sequence: number; kind: string; identifier: string }>(
        `select sequence, kind, identifier from event join session on session.id = event.session
         where identifier is not null limit 1`,
      )
      if (event !== undefined)
        broken(`event ${event.sequence} (${event.kind}) of ${event.identifier} was never dealt with`)
      for (const folder of plan.folders)
        for (const path of disk.paths(folder)) {
          if (!path.endsWith('.longhaul-part')) continue
          const name = path.slice(folder.length + 1)
          const known =
            store.get('select 1 from part where folder = ? and name = ?', folder, name) ??
            store.get('select 1 from owed where folder = ? and name = ?', folder, name)
          if (known === undefined) broken(`${path} was left lying about: no task has it and nobody will remove it`)
        }
    },
  }),
}
