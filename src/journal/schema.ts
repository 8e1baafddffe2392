/**
 * Tables, indices and their versions. Within a major version migrations only add (tables, columns, indices), so that an
 * older program of the same major can still open the file; a newer major is refused by `open`.
 *
 * Hot columns only in `task`; what is never searched is JSON in `task_text`. `gate`, `lane`, `wake_at` and the whole of `lane`
 * and `tally` are derived: `lanes.ts` is their only writer and can compute them anew.
 */
import type { Store } from './store.ts'

/** Major: an older program must not open the file. Minor: it may. */
export const schemaVersion: { readonly major: number; readonly minor: number } = { major: 1, minor: 3 }

const tables = `
create table meta(name text primary key, value integer not null) without rowid;

-- A session that is gone has no identifier; its rows are deleted in steps (retire).
create table session(
  id integer primary key autoincrement, identifier text unique, state text not null, configuration integer not null,
  launch text, launch_when text, launch_environment text, launch_state text not null,
  next_number integer not null default 1, next_sequence integer not null default 1, events integer not null default 0,
  waiting_tasks integer not null default 0,
  owner_fence integer not null, owner_pid integer, methods text not null default '[]',
  keeps_events integer not null default 0,
  held integer not null default 0, became_invalid integer not null default 0,
  last_start integer not null default 0, attached_at integer not null);
create table configuration(id integer primary key, session integer not null, body text not null);
create index configuration_session on configuration(session);

create table task(
  id integer primary key autoincrement, uid text not null unique, session integer not null, number integer not null,
  key text, gate text not null, rank real not null, lane integer, running text, outcome text,
  suspends integer not null, held integer not null default 0, blockers integer not null,
  wait text, wait_until integer, server_asked integer not null default 0, parked integer not null default 0,
  begin_at integer, deadline_at integer, budget_left integer, wake_at integer,
  fence integer not null default 0, attempts integer not null default 0, failed integer not null default 0, failures integer not null default 0,
  restarts integer not null default 0, digest_failures integer not null default 0, redirects integer not null default 0,
  cancel_asked integer not null default 0, intent text,
  received integer not null default 0, best integer not null default 0, total integer,
  last_progress_at integer, give_up_after integer, configuration integer,
  retry_of integer, revalidates integer not null default 0, created_at integer not null, completed_at integer);
create unique index task_number on task(session, number);
create unique index task_key on task(session, key) where key is not null;
create index task_ready on task(lane, rank, id) where gate = 'ready';
create index task_wake on task(wake_at) where wake_at is not null;
create index task_begin on task(begin_at) where begin_at is not null;
create index task_running on task(session) where running is not null;
create index task_live on task(session, id) where gate <> 'done';
create index task_ended on task(session, completed_at, id) where gate = 'done';
create table task_text(
  task integer primary key, request text not null, current_request text, options text not null,
  response text, error text, result text, delivered text);

create table part(
  task integer primary key, folder text not null, name text not null, identity text, boot text, ranges text not null,
  representation text);
create table attempt(
  task integer not null, number integer not null, started_wall integer not null, started_steady integer not null,
  took integer, code text, cause text, bytes integer not null default 0, proof text, transactions text,
  primary key(task, number)) without rowid;
create table interrupted(task integer not null, at integer not null);
create index interrupted_task on interrupted(task);

create table lane(
  id integer primary key, session integer not null, origin text not null, tasks integer not null default 0,
  ready integer not null default 0, head_rank real, head_task integer, unique(session, origin));
create index lane_head on lane(session, head_rank, head_task) where ready > 0;
create table closed(origin text primary key, reopen_at integer not null) without rowid;
create index closed_reopen on closed(reopen_at);
create table tally(session integer not null, gate text not null, n integer not null, primary key(session, gate)) without rowid;

create table event(
  session integer not null, sequence integer not null, task integer, kind text not null, body text not null,
  time integer not null, deliveries integer not null default 0, primary key(session, sequence)) without rowid;
create index event_task on event(task) where task is not null;

-- Also rows that are no path: see places.
create table destination(path text primary key, task integer not null) without rowid;
create index destination_task on destination(task);
create table dependency(needs integer not null, task integer not null, primary key(needs, task)) without rowid;
create index dependency_task on dependency(task);

-- Files to unlink, after the row that named them is gone. due: steady ms. An id is never given again: one that is being paid may
-- be withdrawn meanwhile, and must not stand for the next file then.
create table owed(
  id integer primary key autoincrement, folder text not null, name text not null, identity text, boot text, due integer not null);
create index owed_due on owed(due);
create index owed_name on owed(folder, name);
-- Big changes, written out in steps: 'dependents' of a task that ended, 'cancel' all of a session, 'gone': delete its rows.
create table sweep(kind text not null, subject integer not null, primary key(kind, subject)) without rowid;
create table life(
  id integer primary key, boot text not null, pid integer not null, started integer not null, steady integer not null,
  wall integer not null, clean_end integer not null default 0);
`

/** What each minor version added, from 1 on; written so that it may be run on a file that has it. */
const additions: readonly string[] = [
  // What a person set for the daemon as a whole, as JSON.
  'create table if not exists setting(name text primary key, body text not null) without rowid;',
  // What only the daemon can open, of a session and gone with it: credentials (name: the origin), cookies.
  `create table if not exists secret(
     session integer not null, kind text not null, name text not null, sealed text not null,
     primary key(session, kind, name)) without rowid;`,
  // Who came after a task that was tried again.
  'create index if not exists task_retry on task(retry_of) where retry_of is not null;',
]

/** Brings an empty or older file of this major to {@link schemaVersion}. Call inside a transaction. */
export function migrate(store: Store, found: { readonly major: number; readonly minor: number } | undefined): void {
  if (found === undefined) {
    store.exec(tables)
    for (const addition of additions) store.exec(addition)
    store.run(`insert into meta values ('major', ?), ('minor', ?)`, schemaVersion.major, schemaVersion.minor)
    return
  }
  // A file of a newer minor keeps its number.
  for (const addition of additions.slice(found.minor)) store.exec(addition)
  if (found.minor < schemaVersion.minor)
    store.run(`update meta set value = ? where name = 'minor'`, schemaVersion.minor)
}
