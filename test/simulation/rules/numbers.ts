// Events of a session are numbered 1, 2, 3, … without a gap and never twice, and a task completes once.
import type { Rule } from './rule.ts'

interface SessionRow {
  readonly id: number
  readonly identifier: string | null
  readonly next_sequence: number
}
interface EventRow {
  readonly sequence: number
  readonly kind: string
  readonly task: number | null
}

export const numbers: Rule = {
  name: 'numbers are consecutive, completion comes once',
  watch: ({ store, broken }) => {
    const next = new Map<number, number>()
    const completed = new Set<number>()
    return {
      committed: () => {
        for (const session of store.all<SessionRow>('select id, identifier, next_sequence from session')) {
          const from = next.get(session.id) ?? 1
          next.set(session.id, session.next_sequence)
          if (session.next_sequence === from || session.identifier === null) continue
          const events = store.all<EventRow>(
            'select sequence, kind, task from event where session = ? and sequence >= ? order by sequence',
            session.id,
            from,
          )
          const found = events.map(({ sequence }) => sequence).join(', ')
          const wanted = Array.from({ length: session.next_sequence - from }, (_, i) => from + i).join(', ')
          if (found !== wanted)
            broken(`new events of ${session.identifier} have the numbers ${found} instead of ${wanted}`)
          for (const { kind, task } of events) {
            if (kind !== 'didComplete' || task === null) continue
            if (completed.has(task)) broken(`task ${task} of ${session.identifier} completed twice`)
            completed.add(task)
          }
        }
      },
    }
  },
}
