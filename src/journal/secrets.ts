/** What is sealed of a session: its credentials, one for each origin, and its cookies. The journal keeps it and cannot read it. */
import type { CommandInput, CommandOutput } from './journal.ts'
import { sessionRow } from './sessions.ts'
import type { Work } from './work.ts'

export function secrets({ store }: Work, input: CommandInput<'secrets'>): CommandOutput<'secrets'> {
  return store.all('select kind, name, sealed from secret where session = ? order by kind, name', input.session)
}

export function keepSecret({ store }: Work, input: CommandInput<'keepSecret'>): CommandOutput<'keepSecret'> {
  const { session, kind, name, sealed } = input
  // What was gathered in memory may come after the end of its session.
  if (sessionRow(store, session) === undefined) return { found: 'gone' }
  if (sealed === null) store.run('delete from secret where session = ? and kind = ? and name = ?', session, kind, name)
  else store.run('insert or replace into secret values (?, ?, ?, ?)', session, kind, name, sealed)
  return { found: 'recorded' }
}
