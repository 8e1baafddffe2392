// In one process the callback of an event runs once at a time, whatever becomes of the connection meanwhile: two that move the
// same file at once spoil each other's work.
import type { Handed, Rule } from './rule.ts'

export const once: Rule = {
  name: 'a callback does not run twice at once',
  watch: ({ broken }) => {
    const running = new Map<number, Set<string>>()
    const nameOf = ({ session, sequence }: Handed): string => `${session} ${sequence}`
    return {
      handed: (event) => {
        const { pid, session, sequence, kind } = event
        const ofApp = running.get(pid) ?? new Set()
        if (ofApp.has(nameOf(event)))
          broken(`event ${sequence} (${kind}) of ${session} came to process ${pid} while its callback ran there`)
        running.set(pid, ofApp.add(nameOf(event)))
      },
      over: (event) => running.get(event.pid)?.delete(nameOf(event)),
      appEnded: (pid) => running.delete(pid),
      answered: (caller, verb, params) => {
        // To open a session once more, not by attaching again after a break, is to begin anew: nobody waits for what hangs.
        if (verb === 'session.open' && params !== undefined) {
          const { own } = params as { readonly own?: { readonly fence?: number } }
          if (own !== undefined && own.fence === undefined) running.delete(caller.pid)
        }
      },
    }
  },
}
