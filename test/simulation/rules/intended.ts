// The publish intent is the point of no return: no file of ours comes to a destination without one, and after it only publishing
// itself decides how the task ends.
import { basename, dirname } from 'node:path'
import type { Rule } from './rule.ts'

const ofAttempt: ReadonlySet<string> = new Set(['reserve', 'restart', 'intent', 'finish', 'endAttempt'])

export const intended: Rule = {
  name: 'nothing is published without an intent, or given up after it',
  watch: ({ plan, store, disk, broken }) => {
    const seen = new Map(plan.files.map(({ path, text }) => [path, Uint8Array.from(Buffer.from(text))]))
    /** Uids of tasks that had an intent before the group. */
    let publishing: readonly string[] = []
    let alive = false

    return {
      daemon: (what) => {
        alive = what === 'starts'
      },
      placed: (path) => {
        if (!plan.folders.includes(dirname(path)) || path.endsWith('.longhaul-part')) return
        const found = disk.read(path)
        const before = seen.get(path)
        if (found === undefined) {
          seen.delete(path)
          return
        }
        seen.set(path, Uint8Array.from(found))
        // A power cut may take back or give back what was there.
        if (!alive || (before !== undefined && Buffer.compare(before, found) === 0)) return
        const intent = store.get(
          `select 1 from task where intent is not null and json_extract(intent, '$.intent.folder') = ?
           and json_extract(intent, '$.intent.name') = ?`,
          dirname(path),
          basename(path),
        )
        if (intent === undefined) broken(`${path} was put into its place and no intent is recorded`)
      },
      before: () => {
        publishing = store.all<{ uid: string }>('select uid from task where intent is not null').map(({ uid }) => uid)
      },
      committed: ({ requests }) => {
        for (const uid of publishing) {
          if (requests.some(({ name, input }) => ofAttempt.has(name) && (input as { task?: string }).task === uid))
            continue
          const row = store.get<{ outcome: string | null }>('select outcome from task where uid = ?', uid)
          const outcome = row?.outcome ?? undefined
          if (outcome !== undefined) broken(`${uid} is ${outcome} by somebody else while it is being published`)
        }
      },
    }
  },
}
