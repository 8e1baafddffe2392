// An attempt or an owner that is no longer the one writes nothing: its commands are told that they are fenced.
import type { CommandName } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

/** Commands of an attempt that write. */
const ofAttempt: ReadonlySet<CommandName> = new Set([
  'reserve',
  'resumed',
  'checkpoint',
  'restart',
  'intent',
  'finish',
  'endAttempt',
])
/** Commands of an owner that write. */
const ofOwner: ReadonlySet<CommandName> = new Set(['takeEvents', 'acknowledge', 'queueDidFinishEvents', 'detach'])

interface Fenced {
  readonly task?: string
  readonly session?: number
  readonly fence: number
}

export const fences: Rule = {
  name: 'a stale fence never writes',
  watch: ({ store, broken }) => {
    /** The fence of the newest attempt of each task, and of the newest owner of each session; and whether it may still write. */
    const attempts = new Map<string, number>()
    const owners = new Map<number, number>()
    /** Raised since by something else than an attempt: fence of the row before the group. */
    let rows = new Map<
      string,
      {
        readonly fence: number
        readonly running: string | null
        readonly outcome: string | null
        readonly retried: number
      }
    >()

    return {
      before: (requests) => {
        rows = new Map()
        for (const { name, input } of requests) {
          const { task } = input as Partial<Fenced>
          if (!ofAttempt.has(name) || task === undefined) continue
          const row = store.get<{ fence: number; running: string | null; outcome: string | null; retried: number }>(
            `select fence, running, outcome, exists (select 1 from task n where n.retry_of = task.id) retried
              from task where uid = ?`,
            task,
          )
          if (row !== undefined) rows.set(task, row)
        }
      },
      committed: ({ requests, answers }) => {
        requests.forEach(({ name, input }, i) => {
          const answer = answers[i]!
          const output =
            'ok' in answer ? (answer.ok as { readonly found?: string; readonly fence?: number } | null) : null
          if (name === 'startAttempt' && output?.found === 'started') {
            const { task } = input as { readonly task: string }
            const before = attempts.get(task) ?? 0
            if (output.fence! <= before) broken(`an attempt of ${task} got fence ${output.fence} after ${before}`)
            attempts.set(task, output.fence!)
            rows.delete(task)
          }
          if (name === 'attach' && output !== null) {
            const { session } = input as { readonly session: number }
            const before = owners.get(session) ?? 0
            if (output.fence! <= before)
              broken(`an owner of session ${session} got fence ${output.fence} after ${before}`)
            owners.set(session, output.fence!)
          }
          const wrote = output?.found === 'recorded' || output?.found === 'reserved' || output?.found === 'taken'
          const { task, session, fence } = input as Fenced
          if (wrote && ofAttempt.has(name) && task !== undefined) {
            const newest = attempts.get(task)
            if (fence !== newest)
              broken(`${name} of ${task} was recorded with fence ${fence}, but ${newest} is the newest`)
            const row = rows.get(task)
            // The last checkpoint of an attempt that was stopped from outside may still come; nothing else of it.
            const late = row !== undefined && row.fence !== fence && name !== 'checkpoint'
            if (late)
              broken(`${name} of ${task} was recorded with fence ${fence} after it had been raised to ${row.fence}`)
            const hasEnded = row !== undefined && row.outcome !== null
            // Whoever retries it has its bytes from then on.
            if (hasEnded && (name !== 'checkpoint' || row.outcome === 'succeeded' || row.retried === 1))
              broken(`${name} of ${task} was recorded although it is ${row?.outcome}`)
            if (row !== undefined && row.fence > fence + 1)
              broken(`${name} of ${task} was recorded with fence ${fence}, although the task is at ${row.fence}`)
          }
          if (wrote && ofOwner.has(name) && session !== undefined && fence !== owners.get(session))
            broken(`${name} was recorded with owner fence ${fence}, but ${owners.get(session)} is the newest`)
        })
      },
    }
  },
}
