/**
 * Opens the journal's file: one connection, write-ahead log, every commit synced. A file that is damaged, or that a newer major
 * version wrote, is refused and stays exactly as it is.
 */
import { DatabaseSync } from 'node:sqlite'
import { asLonghaulError, LonghaulError } from '../contract/errors.ts'
import { resultCode } from './group.ts'
import { migrate, schemaVersion } from './schema.ts'
import { Store } from './store.ts'

/** Older ones can lose a commit of a write-ahead log that is reset while it is read. */
const oldestSqlite = [3, 51, 3] as const

/**
 * @param path of the file, or ':memory:'
 * @throws JOURNAL_DAMAGED
 */
export function openStore(path: string): Store {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: 2000 })
    const store = new Store(database)
    checkSqlite(store)
    const found = checkVersion(store, path)
    store.exec(
      'pragma journal_mode = wal; pragma synchronous = full; pragma temp_store = memory; pragma cache_size = -4096',
    )
    checkSound(store, path)
    // Two programs never open one home at once, but the one that loses the race must not see half a schema.
    store.exec('begin immediate')
    migrate(store, found)
    store.exec('commit')
    return store
  } catch (error) {
    database?.close()
    throw refusal(error, path)
  }
}

function checkSqlite(store: Store): void {
  const { version } = store.get<{ version: string }>('select sqlite_version() version')!
  const parts = version.split('.').map(Number)
  const difference = oldestSqlite.map((wanted, i) => (parts[i] ?? 0) - wanted).find((step) => step !== 0) ?? 0
  if (difference >= 0) return
  throw new LonghaulError(
    'JOURNAL_DAMAGED',
    `The journal was not opened: this program holds SQLite ${version}, and ${oldestSqlite.join('.')} or later is needed to write it safely.`,
    { hint: 'Run the daemon with Node 24.15 or later.' },
  )
}

/** @returns the version of the file; undefined for an empty one */
function checkVersion(store: Store, path: string): { readonly major: number; readonly minor: number } | undefined {
  const tables = store.get<{ n: number; meta: number }>(
    `select count(*) n, coalesce(sum(name = 'meta'), 0) meta from sqlite_schema`,
  )!
  if (tables.n === 0) return undefined
  if (tables.meta === 0) throw notOurs(path, 'holds tables of another program')
  const version = store.get<{ major: number | null; minor: number | null }>(
    `select (select value from meta where name = 'major') major, (select value from meta where name = 'minor') minor`,
  )!
  if (version.major === null || version.minor === null) throw notOurs(path, 'names no version')
  if (version.major > schemaVersion.major)
    throw new LonghaulError(
      'JOURNAL_DAMAGED',
      `The journal ${path} was written by a newer Longhaul (format ${version.major}; this one reads ${schemaVersion.major}). It was not opened and stays as it is.`,
      { hint: 'Start the newer version, or move the file away to begin with an empty journal.' },
    )
  return { major: version.major, minor: version.minor }
}

/** Quick: the pages that every start needs are read, not the whole file. */
function checkSound(store: Store, path: string): void {
  const rows = store.all<{ name: string }>(
    `select name from sqlite_schema where type = 'table' and name not like 'sqlite%'`,
  )
  for (const { name } of rows) store.get(`select * from "${name.replaceAll('"', '""')}" limit 1`)
  const pages = store.get<{ page_count: number }>('pragma page_count')!.page_count
  if (pages > 20_000) return
  const result = store.get<{ quick_check: string }>('pragma quick_check(1)')!.quick_check
  if (result !== 'ok') throw notOurs(path, `is damaged (${result})`)
}

function notOurs(path: string, why: string): LonghaulError {
  return new LonghaulError('JOURNAL_DAMAGED', `The journal ${path} ${why}. It was not opened and stays as it is.`, {
    hint: `Put a backup in its place, or move it away (mv ${path} ${path}.damaged) to begin with an empty journal; files that were already delivered are not touched.`,
  })
}

function refusal(error: unknown, path: string): LonghaulError {
  const code = resultCode(error)
  if (code === 11 || code === 26)
    return notOurs(path, `is damaged (${error instanceof Error ? error.message : String(error)})`)
  return asLonghaulError(
    error,
    'JOURNAL_DAMAGED',
    `The journal ${path} could not be opened (${error instanceof Error ? error.message : String(error)}). It stays as it is.`,
  )
}
