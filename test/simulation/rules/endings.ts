// Nothing stands still: once faults have stopped, every task ends or says why not, every event reaches its app, and nothing of
// ours is left lying about.
import type { Store } from '../../../src/journal/store.ts'
import type { Rule } from './rule.ts'

interface TaskRow {
  readonly id: number
  readonly uid: string
  readonly gate: string
  /** Only a person or the app can have put it where it is. */
  readonly paused: number
  readonly begin_at: number | null
}

const columns = 't.id, uid, gate, suspends > 0 or t.held or s.held as paused, begin_at'

/** Tasks that are not completed although nothing is in their way, when nothing goes wrong any more. */
export function standing(store: Store, wallMs: number): readonly TaskRow[] {
  const mayStand = (task: TaskRow): boolean =>
    task.paused !== 0 ||
    (task.begin_at !== null && task.begin_at > wallMs) ||
    // What it needs may stand.
    store
      .all<TaskRow>(
        `select ${columns} from dependency d join task t on t.id = d.needs join session s on s.id = t.session
         where d.task = ? and gate <> 'done'`,
        task.id,
      )
      .some(mayStand)
  return store
    .all<TaskRow>(
      `select ${columns} from task t join session s on s.id = t.session where gate <> 'done' and identifier is not null`,
    )
    .filter((task) => !mayStand(task))
}

export const endings: Rule = {
  name: 'nothing stands still',
  watch: ({ store, disk, plan, wallMs, broken }) => ({
    atEnd: () => {
      for (const { uid, gate } of standing(store, wallMs()))
        broken(`the task ${uid} stands still at the gate '${gate}' although nothing is in its way any more`)
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
