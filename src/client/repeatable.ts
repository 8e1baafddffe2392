import type { Verb } from '../contract/verbs.ts'

/**
 * Verbs that may be asked twice: they only read, set what is set already, or carry an id of the client's making. Not among
 * them: what belongs to one connection (acknowledgements, ownership: residents say that again themselves), `task.change`
 * of kinds that nest, `session.drop` and `daemon.stop`.
 */
export const repeatable: Readonly<Record<Verb, boolean>> = {
  'session.open': true,
  'session.activate': false,
  'session.close': false,
  'session.finish': true,
  'session.drop': false,
  'session.hold': true,
  'session.setCredential': true,
  'session.counts': true,
  'session.list': true,
  'session.launchCompleted': true,
  'session.stillWorking': true,
  'task.add': true,
  'task.enqueue': true,
  'task.get': true,
  'task.find': true,
  'task.page': true,
  'task.change': false,
  'task.retry': true,
  'task.explain': true,
  'task.wait': true,
  'event.acknowledge': false,
  'event.refuse': false,
  'event.slow': false,
  'watch.start': false,
  'watch.stop': false,
  'daemon.status': true,
  'daemon.limit': true,
  'daemon.stop': false,
}
