// A session has one owner at a time; an app is launched only for sessions that nobody owns, and one at a time.
import type { Caller } from '../../../src/contract/caller.ts'
import type { CommandInput } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

interface Launched {
  readonly command: string
  /** Sessions of it that nobody else has opened since. */
  readonly sessions: Set<string>
  readonly atMs: number
  readonly limitMs: number
}

export const owners: Rule = {
  name: 'one owner, one launch',
  watch: ({ broken, store, nowMs }) => {
    const owner = new Map<string, Caller>()
    const gone = new WeakSet<Caller>()
    /** Of this life of the daemon. */
    let running = new Map<number, Launched>()

    const limitOf = (session: string): number =>
      store.get<{ limit: number | null }>(
        `select json_extract(c.body, '$.launchTimeLimitMs') as "limit" from session s
         join configuration c on c.id = s.configuration where identifier = ?`,
        session,
      )?.limit ?? 300_000

    return {
      daemon: () => {
        owner.clear()
        running = new Map()
      },
      before: (requests) => {
        for (const { name, input } of requests) {
          if (name !== 'detach') continue
          // The daemon has let go of it before it asks for this, also where the journal cannot write it and nobody is answered.
          const { session, fence } = input as CommandInput<'detach'>
          const of = store.get<{ identifier: string | null; owner_fence: number }>(
            'select identifier, owner_fence from session where id = ?',
            session,
          )
          if (of?.owner_fence === fence && of.identifier !== null) owner.delete(of.identifier)
        }
      },
      answered: (caller, verb, params, result) => {
        if (verb === 'session.open') {
          const { identifier, own } = params as { identifier: string; own?: { takeover: boolean; fence?: number } }
          const { fence } = result as { fence?: number }
          // The answer may come when nobody is there any more to get it.
          if (own === undefined || fence === undefined || gone.has(caller)) return
          for (const [pid, app] of running) if (pid !== caller.pid) app.sessions.delete(identifier)
          const before = owner.get(identifier)
          // One that lost its connection may be back before the daemon has noticed; it knows its fence.
          const isBack = own.fence !== undefined && before?.pid === caller.pid
          if (before !== undefined && before !== caller && !own.takeover && !isBack)
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
        gone.add(caller)
        for (const [identifier, found] of owner) if (found === caller) owner.delete(identifier)
      },
      launched: ({ pid, command, sessions }) => {
        for (const identifier of sessions) {
          const found = owner.get(identifier)
          if (found !== undefined) broken(`an app was launched for ${identifier}, which process ${found.pid} owns`)
        }
        for (const [other, app] of running)
          // Where its user has started the app, the one that was launched is not needed, and left alone after that long.
          if (app.command === command && (app.sessions.size > 0 || nowMs() - app.atMs < app.limitMs))
            broken(`${command} was launched as ${pid} while ${other} still runs`)
        const limitMs = Math.min(...sessions.map(limitOf))
        running.set(pid, { command, sessions: new Set(sessions), atMs: nowMs(), limitMs })
      },
      appEnded: (pid) => {
        running.delete(pid)
      },
    }
  },
}
