/** Sessions: created or found again, owned, invalidated, dropped, launched. */
import { LonghaulError } from '../contract/errors.ts'
import {
  defaultConfiguration,
  type ExplicitConfiguration,
  type LaunchCommand,
  type LaunchWhen,
  type ResolvedConfiguration,
} from '../contract/session.ts'
import type { TaskCounts } from '../contract/task.ts'
import type { Gate, TaskId } from '../contract/words.ts'
import type { CommandInput, CommandOutput, LaunchState, SessionFacts, SessionId } from './journal.ts'
import { configurationOf, storeConfiguration } from './configurations.ts'
import { closeAttempt } from './endings.ts'
import { settle } from './lanes.ts'
import { loseSession, oweSpooled, owns } from './outbox.ts'
import { groupOf, json, maybe, parse } from './records.ts'
import type { SessionRow, TaskRow } from './rows.ts'
import type { Store } from './store.ts'
import type { Work } from './work.ts'

type Field = keyof ResolvedConfiguration

export function factsOf(store: Store, row: SessionRow): SessionFacts {
  const launch = maybe<LaunchCommand>(row.launch)
  const launchWhen = maybe<LaunchWhen>(row.launch_when)
  const launchEnvironment = maybe<Readonly<Record<string, string>>>(row.launch_environment)
  return {
    id: row.id,
    identifier: row.identifier,
    state: row.state,
    configuration: configurationOf(store, row.configuration),
    ...(launch !== undefined && { launch }),
    ...(launchWhen !== undefined && { launchWhen }),
    ...(launchEnvironment !== undefined && { launchEnvironment }),
    ownerFence: row.owner_fence,
    held: row.held !== 0,
    keepsEvents: row.keeps_events !== 0,
    methods: parse<readonly string[]>(row.methods),
  }
}

export function sessionRow(store: Store, id: SessionId): SessionRow | undefined {
  return store.get<SessionRow>('select * from session where id = ? and identifier is not null', id)
}

/** @throws SESSION_INVALIDATED when it is gone */
export function neededSession(store: Store, id: SessionId): SessionRow {
  const row = sessionRow(store, id)
  if (row !== undefined) return row
  throw new LonghaulError('SESSION_INVALIDATED', 'The session is gone; nothing was changed. Open it anew.')
}

export function openSession(work: Work, input: CommandInput<'openSession'>): CommandOutput<'openSession'> {
  const { store } = work
  const found = store.get<SessionRow>('select * from session where identifier = ?', input.identifier)
  if (found === undefined) {
    const id = createSession(work, input)
    return { session: factsOf(store, sessionRow(store, id)!), created: true, changed: [] }
  }
  // Being invalidated: only to be drained.
  if (found.state !== 'open') return { session: factsOf(store, found), created: false, changed: [] }
  const changed = reconfigure(work, found, input)
  if (input.owner) store.run('update session set attached_at = ? where id = ?', input.at.wallMs, found.id)
  if (input.launch !== undefined) {
    store.run(
      'update session set launch = ?, keeps_events = max(keeps_events, ?) where id = ?',
      input.launch === null ? null : JSON.stringify(input.launch),
      input.launch === null ? 0 : 1,
      found.id,
    )
    work.sessions.add(found.id)
  }
  if (input.launchWhen !== undefined)
    store.run('update session set launch_when = ? where id = ?', JSON.stringify(input.launchWhen), found.id)
  if (input.launchEnvironment !== undefined)
    store.run('update session set launch_environment = ? where id = ?', json(input.launchEnvironment) ?? null, found.id)
  return { session: factsOf(store, sessionRow(store, found.id)!), created: false, changed }
}

function createSession(work: Work, input: CommandInput<'openSession'>): SessionId {
  const { store } = work
  const launches = input.launch !== undefined && input.launch !== null
  const id = store.insert(
    `insert into session(identifier, state, configuration, launch, launch_when, launch_environment, launch_state,
       owner_fence, keeps_events, last_start, attached_at)
     values (?, 'open', 0, ?, ?, ?, ?, coalesce((select value from meta where name = 'owner fence'), 0), ?,
       coalesce((select max(last_start) from session), 0), ?)`,
    input.identifier,
    launches ? JSON.stringify(input.launch) : null,
    json(input.launchWhen) ?? null,
    json(input.launchEnvironment) ?? null,
    JSON.stringify({ failures: 0, notBeforeMs: 0 } satisfies LaunchState),
    launches ? 1 : 0,
    input.at.wallMs,
  )
  storeConfiguration(store, id, withExplicit(defaultConfiguration, input.configuration))
  work.sessions.add(id)
  return id
}

/** Without what was taken away. */
function withExplicit(stored: ResolvedConfiguration, explicit: ExplicitConfiguration): ResolvedConfiguration {
  const { bandwidthLimit = stored.bandwidthLimit, ...values } = explicit
  const { bandwidthLimit: _before, ...others } = stored
  const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
  return { ...others, ...given, ...(typeof bandwidthLimit === 'number' && { bandwidthLimit }) }
}

function reconfigure(work: Work, found: SessionRow, input: CommandInput<'openSession'>): readonly Field[] {
  const stored = configurationOf(work.store, found.configuration)
  const wanted = withExplicit(stored, input.configuration)
  const fields = Object.keys(input.configuration) as Field[]
  const differing = fields.filter((field) => JSON.stringify(wanted[field]) !== JSON.stringify(stored[field]))
  if (differing.length === 0) return []
  if (input.strict)
    throw new LonghaulError(
      'CONFIGURATION_MISMATCH',
      `The session '${found.identifier}' is stored with other values of ${differing.join(', ')}. Nothing was changed.`,
    )
  if (!input.owner) return []
  storeConfiguration(work.store, found.id, wanted)
  work.schedule = true
  return differing
}

export function attach(work: Work, input: CommandInput<'attach'>): CommandOutput<'attach'> {
  neededSession(work.store, input.session)
  const row = work.store.get<{ owner_fence: number }>(
    `update session set owner_fence = owner_fence + 1, owner_pid = ?, methods = ?, keeps_events = 1 where id = ?
     returning owner_fence`,
    input.pid,
    JSON.stringify(input.methods),
    input.session,
  )
  work.sessions.add(input.session)
  return { fence: row!.owner_fence }
}

export function detach(work: Work, input: CommandInput<'detach'>): CommandOutput<'detach'> {
  if (!owns(work, input.session, input.fence)) return { found: 'fenced' }
  work.store.run('update session set owner_pid = null where id = ?', input.session)
  work.sessions.add(input.session)
  return { found: 'recorded' }
}

export function findSession(work: Work, input: CommandInput<'findSession'>): CommandOutput<'findSession'> {
  const row = work.store.get<SessionRow>('select * from session where identifier = ?', input.identifier)
  return row === undefined ? undefined : factsOf(work.store, row)
}

export function listSessions(work: Work): CommandOutput<'listSessions'> {
  const { store } = work
  return store.all<SessionRow>('select * from session where identifier is not null order by id').map((row) => ({
    session: factsOf(store, row),
    counts: tallied(store, row.id),
    unacknowledged: row.events,
    launchState: parse<LaunchState>(row.launch_state),
  }))
}

/** Counts by group, without looking at a task. */
export function tallied(store: Store, session: SessionId | undefined): TaskCounts {
  const counts: Record<keyof TaskCounts, number> = {
    suspended: 0,
    held: 0,
    queued: 0,
    waiting: 0,
    active: 0,
    completed: 0,
  }
  const rows =
    session === undefined
      ? store.all<{ gate: Gate; n: number }>(
          'select gate, sum(n) n from tally join session on session.id = session and identifier is not null group by gate',
        )
      : store.all<{ gate: Gate; n: number }>('select gate, n from tally where session = ?', session)
  for (const { gate, n } of rows) counts[groupOf(gate)] += n
  return counts
}

export function invalidate(work: Work, input: CommandInput<'invalidate'>): CommandOutput<'invalidate'> {
  const { store } = work
  const row = neededSession(store, input.session)
  if (input.how === 'finish') {
    if (row.state === 'open') store.run(`update session set state = 'finishing' where id = ?`, row.id)
  } else {
    if (row.state !== 'invalid') store.run(`update session set state = 'invalid' where id = ?`, row.id)
    store.run(`insert or ignore into sweep values ('cancel', ?)`, row.id)
    work.sweepNoted = true
    work.schedule = true
  }
  work.sessions.add(row.id)
  const waitingFor = store.all<{ uid: TaskId }>(
    `select uid from task where session = ? and gate in ('suspended', 'held') order by id limit 1000`,
    row.id,
  )
  return { waitingFor: input.how === 'finish' ? waitingFor.map(({ uid }) => uid) : [] }
}

export function dropSession(work: Work, input: CommandInput<'dropSession'>): CommandOutput<'dropSession'> {
  const { store } = work
  const row = neededSession(store, input.session)
  const { completed, ...unfinished } = tallied(store, row.id)
  const left = Object.values(unfinished).reduce((sum, n) => sum + n, 0)
  if (left > 0)
    throw new LonghaulError(
      'SESSION_IN_USE',
      `The session '${row.identifier}' has ${left} unfinished tasks (and ${completed} completed). Nothing was dropped.`,
      { hint: 'Cancel them or wait for them first.' },
    )
  let files = 0
  const spooled = store.all<{ task: number; body: string }>(
    `select task, body from event where session = ? and kind = 'didFinishDownloading' and task is not null`,
    row.id,
  )
  for (const { task, body } of spooled) if (oweSpooled(work, task, body, input.at.steadyMs)) files += 1
  loseSession(work, row.id)
  return { events: row.events, files }
}

export function holdSession(work: Work, input: CommandInput<'holdSession'>): CommandOutput<'holdSession'> {
  neededSession(work.store, input.session)
  const { store } = work
  const { session, at } = input
  const held = input.held ? 1 : 0
  if (store.run('update session set held = ? where id = ? and held <> ?', held, session, held) === 0) return null
  work.schedule = true
  work.sessions.add(session)
  if (held !== 0)
    for (const task of store.all<TaskRow>(`select * from task where session = ? and running = 'active'`, session))
      settle(work, task, closeAttempt(work, task, at, { stop: 'held' }), at)
  return null
}

export function launchFacts(work: Work, input: CommandInput<'launchFacts'>): CommandOutput<'launchFacts'> {
  const { store } = work
  const row = sessionRow(store, input.session)
  if (row === undefined) return undefined
  const counts = tallied(store, row.id)
  const oldest = store.get<{ time: number }>(
    `select time from event where session = ? and kind = 'didComplete' order by sequence limit 1`,
    row.id,
  )
  return {
    session: factsOf(store, row),
    state: parse<LaunchState>(row.launch_state),
    events: row.events,
    waitingTasks: row.waiting_tasks,
    ...(oldest !== undefined && { oldestEventMs: oldest.time }),
    unfinished: counts.suspended + counts.held + counts.queued + counts.waiting + counts.active,
    blocking: store
      .all<{ uid: TaskId; gate: Gate }>(
        `select uid, gate from task where session = ? and gate <> 'done' order by id limit 8`,
        row.id,
      )
      .map(({ uid, gate }) => ({ id: uid, gate })),
  }
}

export function launchable(work: Work): CommandOutput<'launchable'> {
  return work.store
    .all<{ id: SessionId }>(
      `select id from session where identifier is not null and launch is not null
         and (events > 0 or json_extract(launch_state, '$.current') is not null) order by id`,
    )
    .map(({ id }) => id)
}

export function launchChanged(work: Work, input: CommandInput<'launchChanged'>): CommandOutput<'launchChanged'> {
  work.store.run('update session set launch_state = ? where id = ?', JSON.stringify(input.state), input.session)
  return null
}
