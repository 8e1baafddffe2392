// An app that came to nothing is not launched again at once, and not beside its copy that an earlier life of the daemon
// launched and that may still connect.
import type { CommandInput, CommandOutput } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

/** The first delay is a minute. */
const soonestMs = 55_000
/** The daemon waits half a minute for an app of its earlier life. */
const adoptionMs = 25_000

interface LaunchedApp {
  readonly command: string
  readonly sessions: readonly string[]
  /** It dealt with some event. */
  useful: boolean
  /** Somebody else opened a session of it: the launch has nothing to do with that any more, nor does the next life know of it. */
  left: boolean
}

export const launching: Rule = {
  name: 'launches that fail become rare',
  watch: ({ store, nowMs, broken }) => {
    const running = new Map<number, LaunchedApp & { readonly life: number }>()
    /** When the last useless launch for it ended; forgotten once somebody else opens it. */
    const uselessAt = new Map<string, number>()
    let life = 0
    /** When each life of the daemon began. */
    const startedAtMs: number[] = []

    return {
      daemon: (what) => {
        if (what !== 'starts') return
        life++
        startedAtMs[life] = nowMs()
      },
      launched: ({ pid, command, sessions }) => {
        for (const identifier of sessions) {
          const passedMs = nowMs() - (uselessAt.get(identifier) ?? -Infinity)
          if (passedMs < soonestMs)
            broken(
              `${command} is launched for ${identifier} ${Math.round(passedMs)} ms after a launch that came to nothing`,
            )
        }
        for (const [other, app] of running)
          if (
            app.command === command &&
            !app.left &&
            app.life < life &&
            nowMs() - (startedAtMs[app.life + 1] ?? 0) < adoptionMs
          )
            broken(`${command} is launched although ${other} of an earlier life of the daemon still runs`)
        running.set(pid, { command, sessions, useful: false, left: false, life })
      },
      answered: (caller, verb, params) => {
        if (verb !== 'session.open' || (params as { own?: unknown }).own === undefined) return
        if (running.has(caller.pid)) return
        const { identifier } = params as { identifier: string }
        uselessAt.delete(identifier)
        // The launch has nothing to do with it any more.
        for (const app of running.values())
          if (app.sessions.includes(identifier)) {
            app.useful = true
            app.left = true
          }
      },
      committed: ({ requests, answers }) => {
        requests.forEach(({ name, input }, i) => {
          const answer = answers[i]!
          if (!('ok' in answer)) return
          if (name === 'detach') {
            // It has come, taken what there was, and gone: it is not waited for any more, whatever it still does.
            const { session } = input as CommandInput<'detach'>
            const of = store.get<{ identifier: string | null }>('select identifier from session where id = ?', session)
            for (const app of running.values())
              if (app.useful && app.sessions.includes(of?.identifier ?? '')) app.left = true
          }
          if (name !== 'acknowledge') return
          const output = answer.ok as CommandOutput<'acknowledge'>
          if (output.found !== 'recorded' || output.acknowledged === 0) return
          const { session } = input as CommandInput<'acknowledge'>
          const of = store.get<{ identifier: string | null }>('select identifier from session where id = ?', session)
          const identifier = of?.identifier ?? undefined
          for (const app of running.values())
            if (identifier === undefined || app.sessions.includes(identifier)) app.useful = true
        })
      },
      appEnded: (pid) => {
        const app = running.get(pid)
        running.delete(pid)
        if (app === undefined || app.useful || app.life !== life) return
        for (const identifier of app.sessions) uselessAt.set(identifier, nowMs())
      },
    }
  },
}
