/** Verbs about the daemon itself. */
import { maskProxy } from '../contract/proxy.ts'
import { protocolVersions } from '../contract/verbs.ts'
import type { Inside, Verbs } from './inside.ts'

export type DaemonVerb = 'daemon.status' | 'daemon.limit' | 'daemon.stop'

export function daemonVerbs(inside: Inside): Verbs<DaemonVerb> {
  const { world, journal, facts, bandwidth } = inside
  return {
    'daemon.status': async () => {
      const [counts, sessions, keptBy] = await Promise.all([
        journal.counts({}),
        journal.listSessions({}),
        inside.keptBy(),
      ])
      const { problem } = journal
      return {
        pid: facts.pid,
        version: facts.version,
        protocol: String(protocolVersions[0]),
        node: facts.node,
        home: facts.home,
        socket: facts.socket,
        startedAtMs: inside.startedAtMs,
        survives: facts.survives,
        counts,
        sessions: sessions.length,
        connections: facts.connections(),
        keptBy,
        journalWritable: problem === undefined,
        ...(problem !== undefined && { journalProblem: problem }),
        environment: shown(facts.environment),
        rssBytes: facts.rssBytes(),
        bandwidth: bandwidth.status(),
      }
    },
    'daemon.limit': async ({ change }) => (change === undefined ? bandwidth.status() : bandwidth.change(change)),
    'daemon.stop': async () => {
      const { active, waiting, queued } = await journal.counts({})
      // After this answer was handed over.
      world.clock.timer(world.clock.steady(), () => facts.requestStop())
      return { active, waiting: waiting + queued, pid: facts.pid }
    },
  }
}

/** Addresses of proxies carry passwords. */
function shown(environment: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(environment)
  return Object.fromEntries(entries.map(([name, value]) => [name, /_proxy$/i.test(name) ? maskProxy(value) : value]))
}
