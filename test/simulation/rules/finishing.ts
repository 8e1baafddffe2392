// didFinishEvents says that everything else is done with, once for each launch.
import type { CommandInput } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

export const finishing: Rule = {
  name: 'didFinishEvents comes last, and once a launch',
  watch: ({ store, broken }) => {
    /** By session: tasks whose callback was refused, so that their events wait for the next owner. */
    const refused = new Map<string, Set<number>>()
    /** The number that an app was told. */
    const told = new Map<string, number>()

    return {
      before: (requests) => {
        for (const { name, input } of requests) {
          if (name !== 'queueDidFinishEvents') continue
          const { session, fence } = input as CommandInput<'queueDidFinishEvents'>
          const row = store.get<{ identifier: string }>(
            'select identifier from session where id = ? and owner_fence = ? and identifier is not null',
            session,
            fence,
          )
          if (row === undefined) continue
          const open = store
            .all<{ sequence: number; kind: string }>(
              `select sequence, kind from event where session = ? and deliveries > 0
               and kind not in ('didFinishEvents', 'didBecomeInvalid') order by sequence`,
              session,
            )
            .filter(({ sequence }) => !isBlocked(row.identifier, sequence, session))
          const [first] = open
          if (first !== undefined)
            broken(
              `didFinishEvents of ${row.identifier} was written while event ${first.sequence} (${first.kind}) is open`,
            )
        }
      },
      answered: (_, verb, params) => {
        if (verb === 'event.refuse') {
          const { session, sequence } = params as { session: string; sequence: number }
          const found = refused.get(session) ?? new Set<number>()
          refused.set(session, found.add(sequence))
        }
        if (verb === 'session.open' && (params as { own?: unknown }).own !== undefined)
          refused.delete((params as { identifier: string }).identifier)
      },
      handed: ({ kind, sequence, session, pid }) => {
        if (kind !== 'didFinishEvents') return
        const key = `${pid} ${session}`
        const before = told.get(key) ?? sequence
        if (before !== sequence) broken(`process ${pid} was told didFinishEvents ${sequence} after ${before}`)
        told.set(key, sequence)
      },
    }

    /** Refused, or of a task of which an earlier event was. */
    function isBlocked(identifier: string, sequence: number, session: number): boolean {
      const numbers = [...(refused.get(identifier) ?? [])]
      if (numbers.includes(sequence)) return true
      const taskOf = (of: number): number | undefined =>
        store.get<{ task: number | null }>('select task from event where session = ? and sequence = ?', session, of)
          ?.task ?? undefined
      const task = taskOf(sequence)
      return task !== undefined && numbers.some((each) => taskOf(each) === task)
    }
  },
}
