// An event leaves the journal only when an app has dealt with it and said so; then it never comes again. What nobody
// acknowledged stays, and comes again as redelivered.
import type { CommandInput } from '../../../src/journal/journal.ts'
import type { Handed, Rule } from './rule.ts'

interface EventRow {
  readonly session: number
  readonly sequence: number
  readonly kind: string
}

export const acknowledgement: Rule = {
  name: 'no event is lost, none comes after its acknowledgement',
  watch: ({ store, broken }) => {
    /** Of session rows: numbers given so far, by what became of them. */
    const waiting = new Map<string, EventRow>()
    const acknowledged = new Set<string>()
    const handed = new Set<string>()
    const returned = new Set<string>()

    const idOf = (session: string): number | undefined =>
      store.get<{ id: number }>('select id from session where identifier = ?', session)?.id
    const keyOf = ({ session, sequence }: Handed): string => `${idOf(session)}/${sequence}`

    return {
      committed: ({ requests, answers }) => {
        const now = new Map(
          store
            .all<EventRow>('select session, sequence, kind from event')
            .map((row) => [`${row.session}/${row.sequence}`, row]),
        )
        const named = new Set<string>()
        requests.forEach(({ name, input }, i) => {
          if (name !== 'acknowledge' || !('ok' in answers[i]!)) return
          const { session, sequences } = input as CommandInput<'acknowledge'>
          for (const sequence of sequences) named.add(`${session}/${sequence}`)
        })
        for (const [key, { session, sequence, kind }] of waiting) {
          if (now.has(key)) continue
          waiting.delete(key)
          const gone = store.get('select 1 from session where id = ? and identifier is not null', session) === undefined
          if (!named.has(key)) {
            if (!gone) broken(`event ${sequence} (${kind}) of session ${session} was lost: nobody acknowledged it`)
            continue
          }
          acknowledged.add(key)
          // An owner that was not launched has nothing to finish: the daemon puts this one aside.
          if (kind === 'didFinishEvents') continue
          // What its delegate has no method for, the client acknowledges by itself.
          const methods = store.get<{ methods: string }>('select methods from session where id = ?', session)?.methods
          if (methods === undefined || !(JSON.parse(methods) as string[]).includes(kind)) continue
          if (!handed.has(key)) broken(`event ${sequence} (${kind}) was acknowledged before any app had it`)
          else if (!returned.has(key))
            broken(`event ${sequence} (${kind}) was acknowledged although no callback for it ended well`)
        }
        for (const [key, row] of now) {
          if (acknowledged.has(key)) broken(`event ${row.sequence} (${row.kind}) was acknowledged and is there again`)
          waiting.set(key, row)
        }
      },
      handed: (event) => {
        const key = keyOf(event)
        if (acknowledged.has(key)) broken(`event ${event.sequence} (${event.kind}) came after its acknowledgement`)
        if (handed.has(key) && !event.redelivered)
          broken(`event ${event.sequence} (${event.kind}) came again and did not say so`)
        handed.add(key)
      },
      returned: (event) => {
        returned.add(keyOf(event))
      },
    }
  },
}
