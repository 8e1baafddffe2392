// A session has one owner at a time; an app is launched only for sessions that nobody owns, and one at a time.
import type { Caller } from '../../../src/contract/caller.ts'
import type { Rule } from './rule.ts'

export const owners: Rule = {
  name: 'one owner, one launch',
  watch: ({ broken, store }) => {
    const owner = new Map<string, Caller>()
    /** Of this life of the daemon. */
    let running = new Map<number, string>()

    return {
      daemon: () => {
        owner.clear()
        running = new Map()
      },
      answered: (caller, verb, params, result) => {
        if (verb === 'session.open') {
          const { identifier, own } = params as { identifier: string; own?: { takeover: boolean } }
          const { fence } = result as { fence?: number }
          if (own === undefined || fence === undefined) return
          const before = owner.get(identifier)
          if (before !== undefined && before !== caller && !own.takeover)
            broken(`process ${caller.pid} became the owner of ${identifier} although process ${before.pid} owns it`)
          // Somebody else may own it by now; the answer was long on its way.
          const newest = store.get<{ owner_fence: number }>(
            'select owner_fence from session where identifier = ?',
            identifier,
          )
          if (newest?.owner_fence === fence) owner.set(identifier, caller)
        }
        if (verb === 'session.close') {
          const { identifier, fence } = params as { identifier: string; fence?: number }
          if (fence !== undefined && owner.get(identifier) === caller) owner.delete(identifier)
        }
        if (verb === 'event.acknowledge') {
          const { session } = params as { session: string }
          // Its last event: the session is over, and with it its owner.
          if (store.get('select 1 from session where identifier = ?', session) === undefined) owner.delete(session)
        }
      },
      gone: (caller) => {
        for (const [identifier, found] of owner) if (found === caller) owner.delete(identifier)
      },
      launched: ({ pid, command, sessions }) => {
        for (const identifier of sessions) {
          const found = owner.get(identifier)
          if (found !== undefined) broken(`an app was launched for ${identifier}, which process ${found.pid} owns`)
        }
        for (const [other, itsCommand] of running)
          if (itsCommand === command) broken(`${command} was launched as ${pid} while ${other} still runs`)
        running.set(pid, command)
      },
      appEnded: (pid) => {
        running.delete(pid)
      },
    }
  },
}
