/**
 * Configurations as they were stored: a row is never changed. A session that gets other values gets another row, and tasks that
 * have started keep the one that they started with.
 */
import { defaultConfiguration, type ResolvedConfiguration } from '../contract/session.ts'
import type { SessionId } from './journal.ts'
import { parse } from './records.ts'
import type { Store } from './store.ts'

export function configurationOf(store: Store, id: number): ResolvedConfiguration {
  return store.remember(nameOf(id), () => {
    const row = store.get<{ body: string }>('select body from configuration where id = ?', id)
    return { ...defaultConfiguration, ...parse<Partial<ResolvedConfiguration>>(row!.body) }
  })
}

export function storeConfiguration(store: Store, session: SessionId, configuration: ResolvedConfiguration): void {
  const id = store.insert(
    'insert into configuration(session, body) values (?, ?)',
    session,
    JSON.stringify(configuration),
  )
  // It may be the id of one that went with its session.
  store.forget(nameOf(id))
  store.run('update session set configuration = ? where id = ?', id, session)
}

function nameOf(id: number): string {
  return `configuration ${id}`
}
